//! The creation of a container, with all that must be there before and after it.

use bollard::query_parameters as query;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::list::Holder;
use super::security::{self, Places};
use super::{CALL_LIMIT, CREATE_LIMIT, Docker, convert, failure, gpu, limited, raw};
use crate::engine::{ContainerId, ContainerSpec, Engine, ImageDetails};
use crate::error::Result;
use crate::service::{MountSource, RootAccess};

const OPERATION: &str = "engine.create";

/// A part of `/images/NAME/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Image {
    config: Option<Config>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    user: Option<String>,
    env: Option<Vec<String>>,
}

impl Docker {
    pub(super) async fn make(&self, spec: &ContainerSpec) -> Result<ContainerId> {
        spec.check()?;
        if spec.publish.is_some_and(|publish| publish.host.is_loopback()) && !self.address.is_here() {
            return Err(failure::elsewhere(&self.host, spec));
        }
        let access = match spec.gpus.is_empty() {
            true => None,
            false => Some(gpu::choose(&self.info().await?, &spec.gpus, spec.simulated_gpus)?),
        };
        self.surroundings(spec).await?;
        let image = self.facts(spec).await?;
        let places = Places::of(spec, &image)?;
        let id = self.create_it(spec, &convert::body(spec, access.as_ref(), &places)).await?;
        match self.finish(&id, spec, &places, security::user(spec, &image)).await {
            Ok(()) => Ok(id),
            Err(error) => {
                // Half a container is none; where even this fails, whoever collects what nobody wants finds it.
                drop(self.erase(&id).await);
                Err(error)
            }
        }
    }

    /// Whether what the container is to be connected with is there: Docker would tell of a network only at the start, and
    /// make an empty volume for one that is missing.
    async fn surroundings(&self, spec: &ContainerSpec) -> Result<()> {
        let there = async |kind: &'static str, name: &str, path: &str| match limited(
            CALL_LIMIT,
            raw::get::<IgnoredAny>(&self.address, path),
        )
        .await
        {
            Ok(_) => Ok(()),
            Err(error) if failure::status(&error) == Some(404) => Err(failure::not_there(spec, kind, name)),
            Err(error) => Err(failure::call(OPERATION, error).with("container", &spec.name)),
        };
        for network in &spec.networks {
            there("network", network, &format!("/networks/{}", raw::encoded(network))).await?;
        }
        for mount in &spec.mounts {
            if let MountSource::External(volume) = &mount.source {
                there("volume", volume, &format!("/volumes/{}", raw::encoded(volume))).await?;
            }
        }
        Ok(())
    }

    /// What is known of the image where that decides anything; an image that is not there the creation refuses.
    async fn facts(&self, spec: &ContainerSpec) -> Result<ImageDetails> {
        let mut facts = ImageDetails::default();
        if spec.root == RootAccess::Writable && (spec.files.is_empty() || spec.user.is_some()) {
            return Ok(facts);
        }
        let path = image_path(&spec.image);
        let Config { user, env } = match limited(CALL_LIMIT, raw::get::<Image>(&self.address, &path)).await {
            Ok(image) => image.config.unwrap_or_default(),
            Err(error) if failure::status(&error) == Some(404) => Config::default(),
            Err(error) => return Err(failure::call(OPERATION, error).with("image", &spec.image)),
        };
        facts.user = user.unwrap_or_default();
        let pairs = env.into_iter().flatten();
        facts.env = pairs.filter_map(|it| it.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()))).collect();
        Ok(facts)
    }

    async fn create_it(
        &self,
        spec: &ContainerSpec,
        body: &bollard::models::ContainerCreateBody,
    ) -> Result<ContainerId> {
        let mut options = query::CreateContainerOptionsBuilder::new().name(&spec.name);
        if let Some(platform) = &spec.platform {
            options = options.platform(platform);
        }
        let creation = self.client.create_container(Some(options.build()), body.clone());
        match limited(CREATE_LIMIT, creation).await {
            Ok(created) => Ok(ContainerId(created.id)),
            Err(error) => {
                let late = matches!(error, bollard::errors::Error::RequestTimeoutError);
                let path = format!("/containers/{}/json", raw::encoded(&spec.name));
                let holder = match late || failure::taken(&error) {
                    true => limited(CALL_LIMIT, raw::get::<Holder>(&self.address, &path)).await.ok(),
                    false => None,
                };
                if let Some(holder) = holder.as_ref().filter(|holder| late && holder.is_left_of(spec)) {
                    drop(self.erase(&ContainerId(holder.id.clone())).await);
                }
                Err(failure::uncreated(spec, holder.as_ref(), error))
            }
        }
    }

    /// What a container needs before its start and cannot be asked for with its creation: the networks after the first,
    /// of which older daemons take one, and its files.
    async fn finish(&self, id: &ContainerId, spec: &ContainerSpec, places: &Places, user: &str) -> Result<()> {
        for network in spec.networks.iter().skip(1) {
            let joined = self.join(id, network, spec.alias.as_deref()).await;
            joined.map_err(|error| error.with("container", &spec.name))?;
        }
        self.furnish(id, spec, &places.volumes, user).await
    }
}

/// Where the daemon tells of an image. The parts between slashes are words of the reference and nothing of the address.
fn image_path(reference: &str) -> String {
    let parts: Vec<_> = reference.split('/').map(raw::encoded).collect();
    format!("/images/{}/json", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_stays_one_part_of_the_address() {
        assert_eq!(image_path("r.io:5000/a/b:1@sha256:0"), "/images/r.io%3A5000/a/b%3A1%40sha256%3A0/json");
        assert_eq!(image_path("a?x=1#y z"), "/images/a%3Fx%3D1%23y%20z/json");
    }
}
