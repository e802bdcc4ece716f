//! Why a daemon could not be reached.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as Api;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use super::{io_kind, quoted, said, status};
use crate::error::{Error, ErrorKind};

/// An address without the password that may be in it.
fn shown(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").map_or(("", host), |(scheme, rest)| (scheme, rest));
    // A password may hold a slash or an `@` of its own.
    let Some((login, machine)) = rest.rsplit_once('@') else { return host.to_owned() };
    let Some((user, _)) = login.split_once(':') else { return host.to_owned() };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{user}:***@{machine}")
}

/// An address that is none.
pub(in crate::engine::docker) fn no_address(host: &str, context: Option<&str>) -> Error {
    let error = Error::new(ErrorKind::InvalidArgument, "engine.connect", "not an address of a container engine")
        .with("host", shown(host));
    let error = match context {
        Some(context) => error.with("context", context),
        None => error,
    };
    error.hint("write unix:///path/to.sock, tcp://host:port or ssh://user@host")
}

/// The daemon could not be reached at all.
pub(in crate::engine::docker) fn connect(host: &str, error: Api) -> Error {
    let host = shown(host);
    let host = host.as_str();
    let unavailable = |message: &str| {
        Error::new(ErrorKind::EngineUnavailable, "engine.connect", message).with("host", host).retry_later()
    };
    if let Some(described) = cause::<rustls::Error>(&error).map(|cause| untrusted(host, cause)) {
        return described.caused_by(error);
    }
    let described = match (&error, io_kind(&error)) {
        (Api::UnsupportedURISchemeError { .. }, _) => no_address(host, None),
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
        (_, Some(io::ErrorKind::Unsupported)) if host.starts_with("ssh://") => {
            Error::new(ErrorKind::Unsupported, "engine.connect", "the program ssh is not installed")
                .with("host", host)
                .hint("install it, or forward the socket some other way and set DOCKER_HOST")
        }
        (Api::RequestTimeoutError, _) => {
            Error::new(ErrorKind::Timeout, "engine.connect", "the container engine does not answer")
                .with("host", host)
                .retry_later()
        }
        _ if status(&error) == Some(400) && said(&error).contains("HTTPS server") => {
            Error::new(ErrorKind::InvalidArgument, "engine.connect", "the container engine speaks TLS alone")
                .with("host", host)
                .hint(
                    "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH to the folder that has ca.pem, cert.pem and key.pem",
                )
        }
        _ if host.starts_with("ssh://") => unavailable("the container engine cannot be reached through ssh")
            .with("reason", quoted(&error))
            .hint("it must work without a password: try `ssh HOST docker system dial-stdio`"),
        _ => unavailable("the container engine cannot be reached").with("reason", quoted(&error)),
    };
    described.caused_by(error)
}

/// Nobody answered in the usual places: the refusal that tells most, with the others beside it.
pub(in crate::engine::docker) fn nobody(mut refusals: Vec<(String, Error)>) -> Error {
    let rank = |error: &Error| match error.kind() {
        ErrorKind::PermissionDenied => 0,
        _ if error.message() != ABSENT => 1,
        _ => 2,
    };
    let Some(most) = (0..refusals.len()).min_by_key(|index| rank(&refusals[*index].1)) else {
        return Error::new(
            ErrorKind::EngineUnavailable,
            "engine.connect",
            "there is no usual place to look for an engine",
        )
        .hint("set DOCKER_HOST");
    };
    let (_, told) = refusals.remove(most);
    let others: Vec<_> = refusals.iter().map(|(host, error)| format!("{host}: {}", error.message())).collect();
    match others.is_empty() {
        true => told,
        false => told.with("tried_too", format_args!("[{}]", others.join(", "))),
    }
}

/// What is said of a place where nothing is.
const ABSENT: &str = "no container engine's socket is there";

/// One side does not trust the other, or the other speaks no TLS.
fn untrusted(host: &str, error: &rustls::Error) -> Error {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    let denied = |message: &str, hint: &str| {
        Error::new(ErrorKind::PermissionDenied, "engine.connect", message).with("host", host).hint(hint)
    };
    let ca = "put the certificate of its authority as ca.pem into the folder that DOCKER_CERT_PATH names";
    let own = "put cert.pem and key.pem of this client into the folder that DOCKER_CERT_PATH names";
    match error {
        rustls::Error::InvalidCertificate(UnknownIssuer | CertificateError::BadSignature) => {
            denied("the engine's certificate is from nobody who is trusted here", ca)
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            denied("the engine's certificate has expired", "renew it on the engine's machine")
        }
        rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            denied("the engine's certificate is not valid yet", "compare the clocks of both machines")
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => denied(
            "the engine's certificate is for another name",
            "reach it by a name that its certificate has, or issue one for this name",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            denied("the engine wants a certificate of this client", own)
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => denied("the engine does not trust the certificate of this client", own)
            .with("reason", format_args!("{:?}", error.to_string())),
        rustls::Error::InvalidMessage(_) => {
            Error::new(ErrorKind::InvalidArgument, "engine.connect", "the container engine does not speak TLS")
                .with("host", host)
                .hint("write tcp:// without DOCKER_TLS_VERIFY where that is meant")
        }
        other => Error::new(ErrorKind::EngineUnavailable, "engine.connect", "TLS with the container engine fails")
            .with("host", host)
            .with("reason", format_args!("{:?}", other.to_string())),
    }
}

/// The cause of this type, wherever it stands among the causes: I/O errors carry one that is not among their sources.
fn cause<T: StdError + 'static>(error: &Api) -> Option<&T> {
    let mut cause: Option<&(dyn StdError + 'static)> = match error {
        Api::IOError { err } => Some(err),
        other => Some(other),
    };
    while let Some(error) = cause {
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = error.downcast_ref().or_else(|| carried?.downcast_ref());
        if found.is_some() {
            return found;
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Retry;

    #[test]
    fn an_address_that_is_none_is_the_callers_mistake() {
        let error = connect("ftp://x", Api::UnsupportedURISchemeError { uri: "ftp://x".into() });
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (host, told) in [
            ("ssh://ada:s3/c@ret@gpu-7", "ssh://ada:***@gpu-7"),
            ("ada:s3cret@gpu-7", "ada:***@gpu-7"),
            ("ssh://ada@gpu-7:22", "ssh://ada@gpu-7:22"),
            ("unix:///run/a:b.sock", "unix:///run/a:b.sock"),
        ] {
            assert_eq!(no_address(host, None).get("host"), Some(told));
            let error = connect(host, Api::from(io::Error::from(io::ErrorKind::ConnectionRefused)));
            assert_eq!(error.get("host"), Some(told));
        }
    }

    #[test]
    fn the_refusal_that_tells_most_is_told_first() {
        let io = |kind: io::ErrorKind| Api::from(io::Error::from(kind));
        let refusal = |host: &str, kind| (host.to_owned(), connect(host, io(kind)));
        let absent = |host| refusal(host, io::ErrorKind::NotFound);
        let one = nobody(vec![absent("unix:///a")]);
        assert_eq!(
            one.to_string(),
            "no container engine's socket is there: host=unix:///a; install and start Docker Engine or Podman, or set \
             DOCKER_HOST"
        );
        let dead = refusal("unix:///b", io::ErrorKind::ConnectionRefused);
        let told = nobody(vec![absent("unix:///a"), dead]);
        assert_eq!(
            told.to_string(),
            "the container engine is not running: host=unix:///b \
             tried_too=[unix:///a: no container engine's socket is there]; start it"
        );
        let denied = refusal("unix:///c", io::ErrorKind::PermissionDenied);
        let dead = refusal("unix:///b", io::ErrorKind::ConnectionRefused);
        assert_eq!(nobody(vec![dead, denied]).kind(), ErrorKind::PermissionDenied);
        assert_eq!(nobody(Vec::new()).kind(), ErrorKind::EngineUnavailable);
    }

    #[test]
    fn ssh_says_what_to_try() {
        let error = connect("ssh://gpu-7", Api::from(io::Error::from(io::ErrorKind::UnexpectedEof)));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::EngineUnavailable, Retry::Later));
        assert!(error.hint_text().unwrap().contains("docker system dial-stdio"), "{error}");
        let error = connect("ssh://gpu-7", Api::from(io::Error::from(io::ErrorKind::Unsupported)));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
