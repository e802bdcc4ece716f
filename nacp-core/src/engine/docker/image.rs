//! What the daemon knows of an image that is on its machine, and what a registry says of one.

use bollard::errors::Error as Api;
use bollard::models::ImageInspect;

use super::context::Surroundings;
use super::credentials::Known;
use super::reference::Reference;
use super::version::Feature;
use super::{CALL_LIMIT, Docker, credentials, failure, limited};
use crate::engine::{ImageDetails, PullRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::units::Bytes;

impl Docker {
    /// What the daemon says of a local image.
    pub(super) async fn inspected(&self, reference: &str) -> Result<Option<ImageInspect>, Api> {
        match limited(CALL_LIMIT, self.client.inspect_image(reference)).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if failure::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn image_details(&self, reference: &str) -> Result<Option<ImageDetails>> {
        let asked = Reference::parse(reference, "engine.image")?.pulled();
        let found = self.inspected(&asked).await;
        let found = found.map_err(|error| failure::call("engine.image", error).with("image", reference))?;
        Ok(found.map(details))
    }

    pub(super) async fn registry_digest(&self, request: &PullRequest) -> Result<String> {
        let reference = Reference::parse(&request.reference, "engine.digest")?;
        self.version
            .require(Feature::Distribution, "engine.digest")
            .map_err(|error| error.with_first("image", &request.reference))?;
        let Known { credentials, failed } = self.credentials(&reference).await;
        let asked = failure::Asked {
            image: &request.reference,
            registry: reference.registry(),
            named: credentials.is_some(),
            helper: failed.as_ref(),
        };
        let name = reference.pulled();
        let call = limited(CALL_LIMIT, self.client.inspect_registry_image(&name, credentials));
        let found = call.await.map_err(|error| failure::pull(&asked, "engine.digest", error))?;
        if let Some(platform) = &request.platform {
            let has = |it: &bollard::models::OciPlatform| {
                let own = [it.os.as_deref(), it.architecture.as_deref(), it.variant.as_deref()];
                is_platform(own.map(Option::unwrap_or_default), platform)
            };
            if !found.platforms.iter().any(has) {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "engine.digest",
                    "the image is not made for this platform",
                )
                .with("image", &request.reference)
                .with("platform", platform));
            }
        }
        found.descriptor.digest.ok_or_else(|| {
            Error::new(ErrorKind::EngineUnavailable, "engine.digest", "the engine tells no digest")
                .with("image", &request.reference)
        })
    }

    /// The credentials that `docker login` has kept for the image's registry.
    pub(super) async fn credentials(&self, reference: &Reference) -> Known {
        credentials::find(Surroundings::of_this_process().folder().as_deref(), reference.registry()).await
    }
}

/// Whether an image's system, architecture and variant are the platform `os/architecture[/variant]`. A part that either
/// side leaves out fits.
pub(super) fn is_platform(own: [&str; 3], wanted: &str) -> bool {
    let wanted = wanted.split('/').chain(["", "", ""]);
    own.into_iter().zip(wanted).all(|(own, wanted)| own.is_empty() || wanted.is_empty() || own == wanted)
}

fn details(found: ImageInspect) -> ImageDetails {
    let config = found.config.unwrap_or_default();
    let pair = |text: String| {
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        (name.to_owned(), value.to_owned())
    };
    let port = |port: String| port.split('/').next().and_then(|number| number.parse().ok());
    let parts = [found.os, found.architecture, found.variant];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    ImageDetails {
        id: found.id.unwrap_or_default(),
        digests: found.repo_digests.into_iter().flatten().collect(),
        env: config.env.into_iter().flatten().map(pair).collect(),
        user: config.user.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        ports: config.exposed_ports.into_iter().flatten().filter_map(port).collect(),
        volumes: config.volumes.into_iter().flatten().collect(),
        labels: config.labels.into_iter().flatten().collect(),
        platform: parts.join("/"),
        size: Bytes(found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_what_it_is() {
        let told = r#"{"Id":"sha256:1","RepoDigests":["x@sha256:2"],"Os":"linux","Architecture":"arm64","Variant":"v8",
            "Size":12,"Config":{"Env":["PATH=/bin:/x=y","BARE"],"User":"7","WorkingDir":"/srv","ExposedPorts":
            {"8000/tcp":{},"9/udp":{}},"Volumes":{"/data":{}},"Labels":{"a":"b"}}}"#;
        let told = details(serde_json::from_str(told).unwrap());
        assert_eq!((told.platform.as_str(), told.size, told.user.as_str()), ("linux/arm64/v8", Bytes(12), "7"));
        assert_eq!(told.env["PATH"], "/bin:/x=y");
        assert_eq!(told.env["BARE"], "");
        assert_eq!((told.ports.into_iter().collect::<Vec<_>>(), told.volumes.len()), (vec![9, 8000], 1));
        assert_eq!(details(ImageInspect::default()), ImageDetails::default());
    }

    #[test]
    fn a_platform_fits_where_nothing_contradicts() {
        let arm = ["linux", "arm64", "v8"];
        for (wanted, fits) in
            [("linux/arm64", true), ("linux/arm64/v8", true), ("linux/amd64", false), ("windows", false)]
        {
            assert_eq!(is_platform(arm, wanted), fits, "{wanted}");
        }
        assert!(is_platform(["linux", "arm64", ""], "linux/arm64/v8"));
    }
}
