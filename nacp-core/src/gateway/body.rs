//! Bodies: what is read of a request's, and how an answer's is passed through.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::limits::Limits;
use super::reply::Refusal;
use super::stats::Record;
use crate::route::Lease;

/// What the gateway reads of a request's body. A second `model` is an error: replicas need not agree which one counts.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
}

/// A text that is borrowed where it can be: serde does so for a `Cow`, but not for one in an `Option`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a request's body whole, within the limits.
pub(super) async fn read(headers: &HeaderMap, body: Incoming, limits: &Limits) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("the request's body is too large: limit={} bytes", limits.body_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes) {
        return Err(too_large());
    }
    match timeout(limits.body_time, Limited::new(body, limits.body_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            let message = format!("the request's body ended early: reason={error}");
            Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", message))
        }
        Err(_) => {
            let message = format!("the request's body did not come in time: limit={:?}", limits.body_time);
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message))
        }
    }
}

/// The model that a body names.
pub(super) fn model(body: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    let bad = |message| Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", message);
    let named: Named<'_> = serde_json::from_slice(body)
        .map_err(|error| bad(format!("the request's body is not a JSON object with a model: reason={error}")))?;
    named.model.map(|text| text.0).ok_or_else(|| bad("the request names no model".to_owned()))
}

/// The body with another model in the place of the one that it names.
pub(super) fn with_model(body: &Bytes, named: &str, model: &str) -> Bytes {
    // Without escapes the name is a part of the body itself, and the text around it can stay as it is.
    let start = named.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
    let end = start.saturating_add(named.len());
    if let (Some(before), Some(after)) = (body.get(..start), body.get(end..)) {
        let text = Value::from(model).to_string();
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(model);
        return [before, inner.as_bytes(), after].concat().into();
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            value["model"] = model.into();
            value.to_string().into()
        }
        Err(_) => body.clone(),
    }
}

/// The body of an answer.
pub(super) enum ReplyBody {
    Own(Full<Bytes>),
    Passed(Box<Passed>),
}

/// An answer that comes from a replica: it holds the lease until it is sent, or dropped with the client's connection.
pub(super) struct Passed {
    body: Incoming,
    record: Record,
    _lease: Lease,
}

impl ReplyBody {
    pub(super) fn own(bytes: Bytes) -> Self {
        Self::Own(Full::new(bytes))
    }

    pub(super) fn passed(body: Incoming, record: Record, lease: Lease) -> Self {
        Self::Passed(Box::new(Passed { body, record, _lease: lease }))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Passed(passed) => {
                let frame = Pin::new(&mut passed.body).poll_frame(context);
                match &frame {
                    Poll::Ready(Some(Ok(_))) => passed.record.piece(),
                    Poll::Ready(Some(Err(_))) => passed.record.broken(),
                    Poll::Ready(None) => passed.record.ended(),
                    Poll::Pending => {}
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Passed(passed) => passed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Passed(passed) => passed.body.size_hint(),
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        // A body whose length was announced is not asked for its end.
        if self.body.is_end_stream() {
            self.record.ended();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(body: &str, by: &str) -> String {
        let body = Bytes::from(body.to_owned());
        let named = model(&body).unwrap();
        String::from_utf8(with_model(&body, &named, by).to_vec()).unwrap()
    }

    #[test]
    fn only_the_model_changes() {
        let body = r#"{ "x": 1.50, "model" : "llm", "model2": "llm", "prompt": "\u00e9" }"#;
        assert_eq!(
            replaced(body, "phi3:mini"),
            r#"{ "x": 1.50, "model" : "phi3:mini", "model2": "llm", "prompt": "\u00e9" }"#
        );
        assert_eq!(replaced(r#"{"model":"llm"}"#, "a\"b"), r#"{"model":"a\"b"}"#);
        assert_eq!(replaced(r#"{"model":"l\u006cm","a":1}"#, "phi3"), r#"{"a":1,"model":"phi3"}"#);
    }

    #[test]
    fn a_body_without_one_model_is_refused() {
        for body in ["", "[", "[]", "{}", r#"{"model":null}"#, r#"{"model":1}"#, r#"{"model":"a","model":"b"}"#] {
            assert_eq!(model(body.as_bytes()).unwrap_err().status(), StatusCode::BAD_REQUEST, "{body}");
        }
    }
}
