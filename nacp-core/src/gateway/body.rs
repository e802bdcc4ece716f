//! Bodies: what is read of a request's, and how an answer's is passed through.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{Instant, Sleep, timeout};

use super::limits::Limits;
use super::reply::Refusal;
use super::stats::Record;
use crate::route::Lease;

/// What a request asks for: the model, and where in the body it stands.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) model: Cow<'a, str>,
    /// The value as it is written, quotes included: a part of the body.
    written: &'a str,
}

/// What the gateway reads of a request's body. A second `model`, or one in other letters, is an error: replicas need
/// not agree which one counts.
struct Object<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut model = None;
                while let Some(Text(key)) = map.next_key()? {
                    if !key.eq_ignore_ascii_case("model") {
                        map.next_value::<IgnoredAny>()?;
                    } else if key != "model" || model.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom("it names the model more than once, or in other letters"));
                    }
                }
                Ok(Object(model))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

/// A text that is borrowed where it can be: serde does so for a `Cow`, but not for one in another type.
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
pub(super) fn model(body: &[u8]) -> Result<Named<'_>, Refusal> {
    let bad = |message| Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", message);
    let reason = |error| bad(format!("the request's body is not a JSON object with a model: reason={error}"));
    let Object(model) = serde_json::from_slice(body).map_err(reason)?;
    let written = model.map(RawValue::get).filter(|written| *written != "null");
    let written = written.ok_or_else(|| bad("the request names no model".to_owned()))?;
    let Text(model) = serde_json::from_str(written).map_err(reason)?;
    Ok(Named { model, written })
}

/// The body with another model in the place of the one that it names, and otherwise as it was.
pub(super) fn with_model(body: &Bytes, named: &Named<'_>, model: &str) -> Bytes {
    let start = named.written.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
    let end = start.saturating_add(named.written.len());
    match (body.get(..start), body.get(end..)) {
        (Some(before), Some(after)) => [before, Value::from(model).to_string().as_bytes(), after].concat().into(),
        _ => body.clone(),
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;
type Piece = Result<Frame<Bytes>, BoxError>;

/// The body of an answer.
pub(super) enum ReplyBody {
    Own(Full<Bytes>),
    Passed(Box<Passed>),
}

/// An answer that comes from a replica: it holds the lease until it is sent, or dropped with the client's connection.
pub(super) struct Passed {
    body: Incoming,
    /// Ends when the replica has sent nothing for too long.
    silence: Pin<Box<Sleep>>,
    idle: Duration,
    record: Record,
    _lease: Lease,
}

impl ReplyBody {
    pub(super) fn own(bytes: Bytes) -> Self {
        Self::Own(Full::new(bytes))
    }

    /// An answer of a replica that may be silent for `idle` at most.
    pub(super) fn passed(body: Incoming, idle: Duration, record: Record, lease: Lease) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a gateway acts: an answer has a real time limit")]
        let silence = Box::pin(tokio::time::sleep(idle));
        Self::Passed(Box::new(Passed { body, silence, idle, record, _lease: lease }))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Passed(passed) => passed.poll(context),
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

#[expect(clippy::disallowed_methods, reason = "a gateway acts: an answer has a real time limit")]
fn now() -> Instant {
    Instant::now()
}

impl Passed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.record.piece();
                let idle = self.idle;
                self.silence.as_mut().reset(now() + idle);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.record.broken();
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.record.ended();
                Poll::Ready(None)
            }
            Poll::Pending if self.silence.as_mut().poll(context).is_ready() => {
                self.record.broken();
                Poll::Ready(Some(Err("the replica stopped in the middle of its answer".into())))
            }
            Poll::Pending => Poll::Pending,
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
        assert_eq!(replaced(r#"{"model":"l\u006cm","a":1}"#, "phi3"), r#"{"model":"phi3","a":1}"#);
        let exact = r#"{"seed":123456789012345678901234567890,"model":"l\u006cm"}"#;
        assert_eq!(replaced(exact, "m"), r#"{"seed":123456789012345678901234567890,"model":"m"}"#);
    }

    #[test]
    fn a_body_without_one_model_is_refused() {
        for body in [
            "",
            "[",
            "[]",
            r#"["a"]"#,
            "{}",
            r#"{"model":null}"#,
            r#"{"model":1}"#,
            r#"{"model":"a","model":"b"}"#,
            r#"{"model":"a","Model":"b"}"#,
            r#"{"MODEL":"a"}"#,
        ] {
            assert_eq!(model(body.as_bytes()).unwrap_err().status(), StatusCode::BAD_REQUEST, "{body}");
        }
    }
}
