//! Passing a request on: choose, connect, send, and try another replica only while nothing was sent.

use std::error::Error as StdError;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;
use tokio::time::timeout;

use super::body::{self, ReplyBody};
use super::limits::Limits;
use super::reply::{Refusal, Reply};
use super::server::Shared;
use super::stats::Record;
use crate::engine::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::route::{self, Lease};

/// Idle connections end before the shortest usual keep-alive of servers, 5 s, so that none is reused as it closes.
const IDLE: Duration = Duration::from_secs(4);
/// A replica whose machine is gone is noticed by the system after a few of these.
const KEEPALIVE: Duration = Duration::from_secs(15);
const REPLICA: HeaderName = HeaderName::from_static("x-nacp-replica");

/// Headers that concern one connection and not the request.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) type Upstream = Client<HttpConnector, Full<Bytes>>;

pub(super) fn upstream(limits: &Limits) -> Upstream {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(limits.connect));
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector)
}

/// Answers a request from a replica.
pub(super) async fn forward(shared: &Shared, parts: Parts, incoming: Incoming, mut record: Record) -> Reply {
    match answer(shared, &parts, incoming, &mut record).await {
        Ok((mut response, lease)) => {
            record.answered(response.status());
            *response.version_mut() = Version::HTTP_11;
            // An answer in pieces has the length of its pieces, whatever length it announces beside.
            if response.headers().contains_key(TRANSFER_ENCODING) {
                response.headers_mut().remove(CONTENT_LENGTH);
            }
            strip(response.headers_mut());
            if let Ok(replica) = HeaderValue::from_str(&lease.endpoint().replica) {
                response.headers_mut().insert(REPLICA, replica);
            }
            response.map(|body| ReplyBody::passed(body, shared.options.limits.idle, record, lease))
        }
        Err(refusal) => {
            record.refused(refusal.status());
            refusal.reply(parts.uri.path())
        }
    }
}

async fn answer(
    shared: &Shared,
    parts: &Parts,
    incoming: Incoming,
    record: &mut Record,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    let limits = &shared.options.limits;
    let body = body::read(&parts.headers, incoming, limits).await?;
    let named = body::model(&body)?;
    let mut failed = Vec::new();
    let mut reason = String::new();
    while failed.len() < limits.attempts.max(1) {
        let lease = match shared.router.route(&route::Request::new(&named.model).avoiding(&failed)) {
            Ok(lease) => lease,
            Err(_) if !failed.is_empty() => break,
            Err(error) => return Err(error.into()),
        };
        if !failed.is_empty() {
            shared.stats.retried();
        }
        record.service(lease.endpoint());
        let body = match &lease.endpoint().model {
            Some(model) if *model != *named.model => body::with_model(&body, &named, model),
            _ => body.clone(),
        };
        let request = request(parts, body, lease.endpoint(), shared.key.is_some())?;
        match timeout(limits.answer, shared.upstream.request(request)).await {
            Ok(Ok(response)) if response.status().is_informational() => {
                return Err(unavailable("the replica changed the protocol", &lease, response.status().as_str()).into());
            }
            Ok(Ok(response)) => return Ok((response, lease)),
            Ok(Err(error)) if error.is_connect() => {
                reason = root(&error);
                failed.push(lease.ended());
            }
            Ok(Err(error)) => {
                return Err(unavailable("the replica broke off before its answer", &lease, &root(&error)).into());
            }
            Err(_) => {
                let error = Error::new(ErrorKind::Timeout, "gateway.forward", "the replica did not answer in time");
                let error = error.with("replica", &lease.endpoint().replica);
                return Err(error.with("limit", format_args!("{:?}", limits.answer)).into());
            }
        }
    }
    let error = Error::new(ErrorKind::EngineUnavailable, "gateway.forward", "no replica can be connected to");
    Err(error.with("model", &named.model).with("tried", failed.len()).with("reason", reason).into())
}

fn unavailable(message: &str, lease: &Lease, reason: &str) -> Error {
    Error::new(ErrorKind::EngineUnavailable, "gateway.forward", message)
        .with("replica", &lease.endpoint().replica)
        .with("reason", reason)
}

/// The cause at the bottom: that of the operating system where there is one.
fn root(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn request(parts: &Parts, body: Bytes, endpoint: &Endpoint, has_key: bool) -> Result<Request<Full<Bytes>>> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let invalid = |cause: http::Error| {
        Error::new(ErrorKind::Internal, "gateway.forward", "the request cannot be passed on").caused_by(cause)
    };
    let uri = Uri::builder().scheme("http").authority(endpoint.address.to_string()).path_and_query(path).build();
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri.map_err(invalid)?;
    let mut headers = parts.headers.clone();
    strip(&mut headers);
    // The client of the replica sets its own; our key is not the replica's business.
    for name in [HOST, CONTENT_LENGTH, EXPECT] {
        headers.remove(name);
    }
    if has_key {
        headers.remove(AUTHORIZATION);
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Removes the headers that concern one connection, and those that `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("traceparent", "00-1-2-01"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "traceparent"]);
    }
}
