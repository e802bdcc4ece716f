//! Answers: JSON, streams, errors in the form of the API that was asked.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Which API's clients ask: their errors differ in form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    OpenAi,
    Ollama,
}

pub(super) fn json(value: &Value) -> Reply {
    let body = Full::new(Bytes::from(value.to_string()));
    finish(Response::new(body.boxed_unsync()), "application/json")
}

/// A body of pieces that are sent as soon as they are there.
pub(super) fn stream(content_type: &'static str, pieces: impl Stream<Item = String> + Send + 'static) -> Reply {
    let frames = pieces.map(|piece| Ok(Frame::data(Bytes::from(piece))));
    finish(Response::new(StreamBody::new(frames).boxed_unsync()), content_type)
}

pub(super) fn error(surface: Surface, status: StatusCode, message: &str) -> Reply {
    let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
    let code = match status {
        StatusCode::NOT_FOUND => Value::from("model_not_found"),
        _ => Value::Null,
    };
    let mut reply = json(&match surface {
        Surface::OpenAi => json!({"error": {"message": message, "type": kind, "param": null, "code": code}}),
        Surface::Ollama => json!({"error": message}),
    });
    *reply.status_mut() = status;
    reply
}

fn finish(mut reply: Reply, content_type: &'static str) -> Reply {
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert("x-nacp-simulated", HeaderValue::from_static("1"));
    reply
}
