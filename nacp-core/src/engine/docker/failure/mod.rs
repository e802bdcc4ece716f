//! What the daemon's failures mean to a user.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as Api;

use crate::error::{Error, ErrorKind};

mod container;
mod exec;
mod pull;

pub(super) use container::{elsewhere, files, is_used, not_there, same_name, start, taken, uncreated, under_way};
pub(super) use exec::{exec, is_no_program, no_program};
pub(super) use pull::pull;

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

/// The daemon's words in quotation marks, on one line.
fn quoted(error: &Api) -> String {
    format!("{:?}", said(error))
}

/// The daemon's words as a message: one line that begins with a small letter.
fn message(error: &Api) -> String {
    let text = said(error).replace(char::is_control, " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
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
        _ => unavailable("the container engine cannot be reached").with("reason", quoted(&error)),
    };
    described.caused_by(error)
}

/// Any other call that failed.
pub(super) fn call(operation: &'static str, error: Api) -> Error {
    let described = match (&error, status(&error)) {
        (_, Some(404)) => Error::new(ErrorKind::NotFound, operation, message(&error)),
        (_, Some(409)) => Error::new(ErrorKind::Conflict, operation, message(&error)),
        (_, Some(400)) => Error::new(ErrorKind::InvalidArgument, operation, "the engine refuses the request")
            .with("engine", quoted(&error)),
        (Api::RequestTimeoutError, _) => {
            Error::new(ErrorKind::Timeout, operation, "the engine does not answer in time").retry_later()
        }
        (_, None) if io_kind(&error).is_some() => {
            Error::new(ErrorKind::EngineUnavailable, operation, "the connection to the engine broke")
                .with("reason", quoted(&error))
                .retry_later()
        }
        (Api::JsonDataError { .. } | Api::JsonSerdeError { .. }, _) => {
            Error::new(ErrorKind::EngineUnavailable, operation, "the engine's answer cannot be understood")
                .with("reason", quoted(&error))
        }
        _ => Error::new(ErrorKind::EngineUnavailable, operation, "the engine failed")
            .with("engine", quoted(&error))
            .retry_later(),
    };
    described.caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn answer(status_code: u16, message: &str) -> Api {
        Api::DockerResponseServerError { status_code, message: message.into() }
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

    #[test]
    fn the_engines_words_stay_as_they_are_on_one_line() {
        let error = call("engine.stop", answer(404, "No such image: Registry/Name:Tag\nsee \"log\""));
        assert_eq!(error.to_string(), "no such image: Registry/Name:Tag see \"log\"");
        let error = call("engine.stop", answer(500, "It broke:\n/Var"));
        assert_eq!(error.to_string(), "the engine failed: engine=\"It broke:\\n/Var\"");
    }
}
