//! What the daemon's failures mean to a user.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as Api;

use crate::engine::{ContainerId, ContainerSpec};
use crate::error::{Error, ErrorKind};

/// The HTTP status that the daemon answered with, if it answered.
pub(super) fn status(error: &Api) -> Option<u16> {
    match error {
        Api::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn said(error: &Api) -> String {
    match error {
        Api::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Api::DockerStreamError { error } => error.trim().to_owned(),
        other => other.to_string(),
    }
}

fn io_kind(error: &Api) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    matches!(error, Api::SocketNotFoundError(_)).then_some(io::ErrorKind::NotFound)
}

/// The daemon could not be reached at all.
pub(super) fn connect(host: &str, error: Api) -> Error {
    let unavailable = |message: &str| {
        Error::new(ErrorKind::EngineUnavailable, "engine.connect", message).with("host", host).retry_later()
    };
    let described = match (&error, io_kind(&error)) {
        (Api::UnsupportedURISchemeError { .. }, _) => {
            Error::new(ErrorKind::InvalidArgument, "engine.connect", "not an address of a container engine")
                .with("host", host)
                .hint("write unix:///path/to.sock or tcp://host:port")
        }
        (_, Some(io::ErrorKind::PermissionDenied)) => Error::new(
            ErrorKind::PermissionDenied,
            "engine.connect",
            "no permission to use the container engine's socket",
        )
        .with("host", host)
        .hint("add this user to the group `docker`, or set DOCKER_HOST to an engine of this user's own"),
        (_, Some(io::ErrorKind::NotFound)) => unavailable("no container engine's socket is there")
            .hint("install and start Docker Engine or Podman, or set DOCKER_HOST"),
        (_, Some(io::ErrorKind::ConnectionRefused)) => {
            unavailable("the container engine is not running").hint("start it")
        }
        (Api::RequestTimeoutError, _) => {
            Error::new(ErrorKind::Timeout, "engine.connect", "the container engine does not answer")
                .with("host", host)
                .retry_later()
        }
        _ => unavailable("the container engine cannot be reached").with("reason", said(&error)),
    };
    described.caused_by(error)
}

/// Any other call that failed.
pub(super) fn call(operation: &'static str, error: Api) -> Error {
    let described = match (&error, status(&error)) {
        (_, Some(404)) => Error::new(ErrorKind::NotFound, operation, said(&error).to_lowercase()),
        (_, Some(409)) => Error::new(ErrorKind::Conflict, operation, said(&error).to_lowercase()),
        (_, Some(400)) => Error::new(ErrorKind::InvalidArgument, operation, "the engine refuses the request")
            .with("engine", said(&error)),
        (Api::RequestTimeoutError, _) => {
            Error::new(ErrorKind::Timeout, operation, "the engine does not answer in time").retry_later()
        }
        (_, None) if io_kind(&error).is_some() => {
            Error::new(ErrorKind::EngineUnavailable, operation, "the connection to the engine broke")
                .with("reason", said(&error))
                .retry_later()
        }
        _ => Error::new(ErrorKind::EngineUnavailable, operation, "the engine failed")
            .with("engine", said(&error))
            .retry_later(),
    };
    described.caused_by(error)
}

/// A pull that failed.
pub(super) fn pull(reference: &str, error: Api) -> Error {
    let text = said(&error);
    if matches!(io_kind(&error), Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)) {
        return call("engine.pull", error).with("image", reference);
    }
    Error::new(ErrorKind::NotFound, "engine.pull", "the image is not on this machine and cannot be pulled")
        .with("image", reference)
        .with("engine", text)
        .hint("check the name and tag, or build or load it")
        .caused_by(error)
}

/// A container that could not be created.
pub(super) fn create(spec: &ContainerSpec, error: Api) -> Error {
    match status(&error) {
        Some(404) => Error::new(ErrorKind::NotFound, "engine.create", "the image is not on this machine")
            .with("image", &spec.image)
            .caused_by(error),
        Some(409) => Error::new(ErrorKind::Conflict, "engine.create", "a container of this name is there already")
            .with("container", &spec.name)
            .hint("another program is applying the same app; try again")
            .retry_later()
            .caused_by(error),
        _ => call("engine.create", error).with("container", &spec.name),
    }
}

/// A container that could not be started.
pub(super) fn start(id: &ContainerId, error: Api) -> Error {
    let text = said(&error);
    let failed = |kind, message: &str| {
        Error::new(kind, "engine.start", message).with("container", id).with("engine", format_args!("{text:?}"))
    };
    let described = if text.contains("CDI device injection failed") || text.contains("could not select device driver") {
        failed(ErrorKind::Unsupported, "the engine cannot give the container its GPU")
            .hint("run `nvidia-ctk cdi generate` again and restart the engine")
    } else if text.contains("port is already allocated") || text.contains("address already in use") {
        failed(ErrorKind::Conflict, "the container's port is taken")
    } else if text.contains("executable file not found") || text.contains("no such file or directory") {
        failed(ErrorKind::InvalidArgument, "the container's program is not in its image")
    } else {
        return call("engine.start", error).with("container", id);
    };
    described.caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> Api {
        Api::DockerResponseServerError { status_code, message: message.into() }
    }

    #[test]
    fn a_start_that_fails_for_its_gpu_says_so() {
        let text = "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7";
        let error = start(&ContainerId("0123456789abcdef".into()), answer(500, text));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            format!(
                "the engine cannot give the container its GPU: container=0123456789ab engine={text:?}; \
                 run `nvidia-ctk cdi generate` again and restart the engine"
            )
        );
    }

    #[test]
    fn each_answer_has_its_kind() {
        for (status_code, kind) in [
            (404, ErrorKind::NotFound),
            (409, ErrorKind::Conflict),
            (400, ErrorKind::InvalidArgument),
            (500, ErrorKind::EngineUnavailable),
        ] {
            assert_eq!(call("engine.list", answer(status_code, "No")).kind(), kind);
        }
        assert_eq!(call("engine.list", Api::RequestTimeoutError).kind(), ErrorKind::Timeout);
        let broken = Api::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(call("engine.list", broken).kind(), ErrorKind::EngineUnavailable);
    }

    #[test]
    fn an_address_that_is_none_is_the_callers_mistake() {
        let error = connect("ftp://x", Api::UnsupportedURISchemeError { uri: "ftp://x".into() });
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
