//! Why an image could not be pulled.

use bollard::errors::Error as Api;

use super::{call, quoted, said, status};
use crate::error::{Error, ErrorKind};

/// What the words of the registry, or of the daemon about it, come down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    NoRoom,
    TooMany,
    MissingOrPrivate,
    Unauthorized,
    OtherPlatform,
    Missing,
    Unreachable,
}

/// The first line that has one of these, in small letters, tells the cause.
const CAUSES: [(Cause, &[&str]); 7] = [
    (Cause::NoRoom, &["no space left"]),
    (Cause::TooMany, &["toomanyrequests", "too many requests", "rate limit"]),
    (Cause::MissingOrPrivate, &["pull access denied", "repository does not exist"]),
    (
        Cause::Unauthorized,
        &["unauthorized", "authentication required", "no basic auth credentials", "forbidden", "denied:"],
    ),
    (
        Cause::OtherPlatform,
        &["no matching manifest", "no image found in manifest list", "no image found in image index"],
    ),
    (
        Cause::Unreachable,
        &[
            "dial tcp",
            "connection refused",
            "connection reset",
            "no such host",
            "server misbehaving",
            "network is unreachable",
            "no route to host",
            "timeout",
            "timed out",
            "deadline exceeded",
            "request canceled",
            "tls:",
            "x509",
            "server gave http response",
            ": eof",
            "unexpected http status: 5",
            "internal server error",
            "bad gateway",
            "service unavailable",
        ],
    ),
    (Cause::Missing, &["manifest unknown", "name unknown", "not found"]),
];

/// The cause, where these are the daemon's words and not those of the connection to it.
fn cause(error: &Api) -> Option<Cause> {
    let (Api::DockerResponseServerError { .. } | Api::DockerStreamError { .. }) = error else { return None };
    let text = said(error).to_lowercase();
    let told = CAUSES.iter().find(|(_, words)| words.iter().any(|word| text.contains(word)));
    told.map(|(cause, _)| *cause).or((status(error) == Some(404)).then_some(Cause::Missing))
}

/// What was asked of a registry.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::docker) struct Asked<'a> {
    /// The image's reference, as the caller has it.
    pub(in crate::engine::docker) image: &'a str,
    pub(in crate::engine::docker) registry: &'a str,
    /// Whether credentials were sent.
    pub(in crate::engine::docker) named: bool,
    /// Why a helper that should have them could not be asked.
    pub(in crate::engine::docker) helper: Option<&'a Error>,
}

/// A pull that failed, or a question about an image that is in a registry.
pub(in crate::engine::docker) fn pull(asked: &Asked<'_>, operation: &'static str, error: Api) -> Error {
    let Asked { image, registry, named, helper } = *asked;
    let Some(cause) = cause(&error) else {
        return call(operation, error).with("image", image);
    };
    let failed =
        |kind, message: &str| Error::new(kind, operation, message).with("image", image).with("engine", quoted(&error));
    let nowhere = || failed(ErrorKind::NotFound, "the image is not on this machine and cannot be pulled");
    let login = match (named, helper) {
        (true, _) => format!("the credentials that `docker login {registry}` has kept do not allow it"),
        (false, Some(_)) => "mend the credential helper, or take it out of docker's config.json".to_owned(),
        (false, None) => format!("log in with `docker login {registry}`: NACP sends what it keeps"),
    };
    let described = match cause {
        Cause::NoRoom => failed(ErrorKind::ResourceExhausted, "there is no room for the image")
            .hint("free space on the disk where the engine keeps its images"),
        Cause::TooMany => failed(ErrorKind::ResourceExhausted, "the registry answers no more requests for now")
            .hint(format!("try again later, or log in with `docker login {registry}`"))
            .retry_later(),
        Cause::MissingOrPrivate => nowhere().hint(format!("check the name and tag; if it is private, {login}")),
        Cause::Unauthorized => {
            failed(ErrorKind::PermissionDenied, "the registry does not give out the image").hint(login)
        }
        Cause::OtherPlatform => failed(ErrorKind::Unsupported, "the image is not made for this machine's processor")
            .hint("choose an image for this platform"),
        Cause::Missing => nowhere().hint("check the name and tag, or build or load it"),
        Cause::Unreachable => {
            nowhere().hint("the registry cannot be reached: check the network, or load the image").retry_later()
        }
    };
    let described = match (helper, cause) {
        (Some(helper), Cause::TooMany | Cause::MissingOrPrivate | Cause::Unauthorized) => {
            let program = helper.get("helper").unwrap_or_default();
            described.with("credentials", format_args!("{:?}", format!("{program}: {}", helper.message())))
        }
        _ => described,
    };
    described.caused_by(error)
}

/// The reference names a digest, and another content is here.
pub(in crate::engine::docker) fn other_content(image: &str, wanted: &str, here: &str) -> Error {
    Error::new(ErrorKind::Conflict, "engine.pull", "the image on this machine is not the one with this digest")
        .with("image", image)
        .with("wanted", wanted)
        .with("here", here)
        .hint("remove it or pull the one that is meant; or change the digest if this one is meant")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::tests::answer;
    use super::*;
    use crate::error::Retry;

    fn asked(image: &str) -> Asked<'_> {
        Asked { image, registry: "ghcr.io", named: false, helper: None }
    }

    #[test]
    fn a_helper_that_failed_is_told_to_whoever_is_refused_and_to_nobody_else() {
        let failed = Error::new(ErrorKind::PermissionDenied, "engine.credentials", "the credential helper fails")
            .with("helper", "docker-credential-x");
        let asked = Asked { helper: Some(&failed), ..asked("ghcr.io/a/b:1") };
        let told = |text| pull(&asked, "engine.pull", answer(500, text));
        let refused = told("unauthorized: authentication required");
        assert_eq!(refused.get("credentials"), Some("\"docker-credential-x: the credential helper fails\""));
        assert!(refused.hint_text().unwrap().starts_with("mend the credential helper"), "{refused}");
        assert_eq!(told("manifest unknown").get("credentials"), None);
    }

    #[test]
    fn whoever_is_not_let_in_reads_whether_he_was_known() {
        let told = |named| {
            let asked = Asked { named, ..asked("ghcr.io/a/b:1") };
            pull(&asked, "engine.pull", answer(500, "unauthorized: authentication required"))
        };
        assert_eq!(told(false).hint_text(), Some("log in with `docker login ghcr.io`: NACP sends what it keeps"));
        assert_eq!(
            told(true).hint_text(),
            Some("the credentials that `docker login ghcr.io` has kept do not allow it")
        );
    }

    #[test]
    fn each_cause_has_its_kind_and_says_whether_to_try_again() {
        let denied = "pull access denied for nacp/x, repository does not exist or may require 'docker login': denied: \
                      requested access to the resource is denied";
        let refused = r#"Get "https://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused"#;
        let waiting = r#"Get "https://registry-1.docker.io/v2/": net/http: request canceled while waiting for connection
            (Client.Timeout exceeded while awaiting headers)"#;
        for (status, text, kind, retry) in [
            (404, denied, ErrorKind::NotFound, Retry::Never),
            (404, "manifest for nacp/x:1 not found: manifest unknown", ErrorKind::NotFound, Retry::Never),
            (404, "No such image", ErrorKind::NotFound, Retry::Never),
            (500, refused, ErrorKind::NotFound, Retry::Later),
            (500, waiting, ErrorKind::NotFound, Retry::Later),
            (500, "dial tcp: lookup r.invalid: no such host", ErrorKind::NotFound, Retry::Later),
            (500, "dial tcp: lookup r.invalid: host not found", ErrorKind::NotFound, Retry::Later),
            (500, "tls: failed to verify certificate: x509: unknown authority", ErrorKind::NotFound, Retry::Later),
            (500, "received unexpected HTTP status: 503 Service Unavailable", ErrorKind::NotFound, Retry::Later),
            (500, "toomanyrequests: You have reached your limit", ErrorKind::ResourceExhausted, Retry::Later),
            (500, "unexpected status: 429 Too Many Requests", ErrorKind::ResourceExhausted, Retry::Later),
            (500, "unauthorized: authentication required", ErrorKind::PermissionDenied, Retry::Never),
            (500, "Head \"https://ghcr.io/v2/x\": denied: denied", ErrorKind::PermissionDenied, Retry::Never),
            (500, "unexpected status from HEAD request: 403 Forbidden", ErrorKind::PermissionDenied, Retry::Never),
            (500, "write /var/lib/x: no space left on device", ErrorKind::ResourceExhausted, Retry::Never),
            (404, "no matching manifest for linux/arm64/v8 in the manifest list", ErrorKind::Unsupported, Retry::Never),
            (400, "invalid reference format", ErrorKind::InvalidArgument, Retry::Never),
            (500, "something else", ErrorKind::EngineUnavailable, Retry::Later),
        ] {
            let error = pull(&asked("nacp/x:1"), "engine.pull", answer(status, text));
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
            assert_eq!(error.get("image"), Some("nacp/x:1"));
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        let streamed = Api::DockerStreamError { error: "no space left on device".to_owned() };
        assert_eq!(pull(&asked("nacp/x:1"), "engine.pull", streamed).kind(), ErrorKind::ResourceExhausted);
    }

    #[test]
    fn a_silent_or_broken_engine_is_not_a_missing_image() {
        assert_eq!(pull(&asked("x"), "engine.pull", Api::RequestTimeoutError).kind(), ErrorKind::Timeout);
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionRefused] {
            assert_eq!(
                pull(&asked("x"), "engine.pull", io::Error::from(kind).into()).kind(),
                ErrorKind::EngineUnavailable
            );
        }
    }

    #[test]
    fn the_hint_tells_what_to_do() {
        let error = pull(&asked("nacp/x:1"), "engine.pull", answer(500, "dial tcp: \"r\": no such host"));
        assert_eq!(
            error.to_string(),
            r#"the image is not on this machine and cannot be pulled: image=nacp/x:1 engine="dial tcp: \"r\": no such host"; "#
                .to_owned()
                + "the registry cannot be reached: check the network, or load the image"
        );
    }
}
