//! The gateway's own answers: JSON, text, and errors in the form of the API that was asked.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::body::ReplyBody;
use crate::error::{Error, ErrorKind, Retry};

pub(super) type Reply = Response<ReplyBody>;

/// Why the gateway does not pass a request on.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The `code` of an OpenAI error.
    code: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    pub(super) fn no_key() -> Self {
        let refusal = Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "no valid API key was sent");
        refusal.header(WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn no_such_path(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such path: path={path:.200}"))
    }

    pub(super) fn no_such_method(path: &str) -> Self {
        let message = format!("the gateway passes on POST alone: path={path:.200}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).header(ALLOW, "POST")
    }

    pub(super) fn foreign() -> Self {
        let message = "a gateway without a key answers programs of this machine alone: \
                       the request comes from a web page or names another host";
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", message)
    }

    fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer to a client of the API that the path belongs to.
    pub(super) fn reply(self, path: &str) -> Reply {
        let body = if path.starts_with("/api/") {
            json!({"error": self.message})
        } else {
            let kind = match self.status {
                StatusCode::UNAUTHORIZED => "authentication_error",
                status if status.is_server_error() => "server_error",
                _ => "invalid_request_error",
            };
            json!({"error": {"message": self.message, "type": kind, "param": null, "code": self.code}})
        };
        let mut reply = json_reply(&body);
        *reply.status_mut() = self.status;
        if let Some((name, value)) = self.header {
            reply.headers_mut().insert(name, value);
        }
        reply
    }
}

impl From<Error> for Refusal {
    /// The refusal for what the router or the way to a replica failed with.
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match (error.kind(), error.retry()) {
            (ErrorKind::NotFound, Retry::Never) => Self::new(StatusCode::NOT_FOUND, "model_not_found", message),
            (ErrorKind::NotFound, Retry::Later) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_replica", message).header(RETRY_AFTER, "1")
            }
            (ErrorKind::Conflict, _) => Self::new(StatusCode::BAD_REQUEST, "model_ambiguous", message),
            (ErrorKind::EngineUnavailable, _) => Self::new(StatusCode::BAD_GATEWAY, "no_replica", message),
            (ErrorKind::Timeout, _) => Self::new(StatusCode::GATEWAY_TIMEOUT, "replica_timeout", message),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message),
        }
    }
}

pub(super) fn json_reply(value: &Value) -> Reply {
    text_reply("application/json", value.to_string())
}

pub(super) fn text_reply(content_type: &'static str, text: String) -> Reply {
    let mut reply = Response::new(ReplyBody::own(Bytes::from(text)));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
