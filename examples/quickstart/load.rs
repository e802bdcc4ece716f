//! Two hundred streamed chat requests through the gateway, as any client would send them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nacp_core::{Error, ErrorKind};
use tokio::time::timeout;

const REQUEST_LIMIT: Duration = Duration::from_secs(30);

type Http = Client<HttpConnector, Full<Bytes>>;

/// What came of the requests. Times are in microseconds.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) answered: usize,
    pub(crate) failed: Vec<String>,
    pub(crate) first_token: Histogram<u64>,
    pub(crate) total: Histogram<u64>,
    pub(crate) tokens: u64,
    pub(crate) elapsed: Duration,
}

/// One answer.
struct Answer {
    first_token: Duration,
    total: Duration,
    tokens: u64,
}

/// Sends `count` requests for a model, `at_once` at a time.
pub(crate) async fn run(gateway: SocketAddr, model: &str, count: usize, at_once: usize) -> Result<Report, Error> {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let start = Instant::now();
    let requests = (0..count).map(|number| {
        let http = &http;
        async move {
            let answer = timeout(REQUEST_LIMIT, ask(http, gateway, model, number)).await;
            answer.unwrap_or_else(|_| Err(failure("no answer in time")))
        }
    });
    let answers: Vec<_> = stream::iter(requests).buffer_unordered(at_once).collect().await;
    let elapsed = start.elapsed();
    let longest = microseconds(REQUEST_LIMIT);
    let empty = || Histogram::new_with_max(longest, 3).map_err(|error| failure(&error.to_string()));
    let (first_token, total) = (empty()?, empty()?);
    let mut report = Report { answered: 0, failed: Vec::new(), first_token, total, tokens: 0, elapsed };
    for answer in answers {
        match answer {
            Ok(answer) => {
                report.answered += 1;
                report.tokens += answer.tokens;
                report.first_token.saturating_record(microseconds(answer.first_token));
                report.total.saturating_record(microseconds(answer.total));
            }
            Err(error) => report.failed.push(error.to_string()),
        }
    }
    match report.failed.first() {
        None => Ok(report),
        Some(first) => Err(failure("requests failed").with("count", report.failed.len()).with("first", first)),
    }
}

/// The gateway's metrics.
pub(crate) async fn metrics(gateway: SocketAddr) -> Result<String, Error> {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{gateway}/metrics")).body(Full::default());
    let request = request.map_err(|error| failure(&error.to_string()))?;
    let exchange = async {
        let reply = http.request(request).await.map_err(|error| failure("no metrics").caused_by(error))?;
        let body = reply.into_body().collect().await.map_err(|error| failure("no metrics").caused_by(error))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    };
    timeout(REQUEST_LIMIT, exchange).await.unwrap_or_else(|_| Err(failure("no metrics in time")))
}

async fn ask(http: &Http, gateway: SocketAddr, model: &str, number: usize) -> Result<Answer, Error> {
    let body = serde_json::json!({
        "model": model,
        "messages": [{ "role": "user", "content": format!("What is request number {number}?") }],
        "stream": true,
        "max_tokens": 32,
    });
    let request = Request::post(format!("http://{gateway}/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .map_err(|error| failure(&error.to_string()))?;
    let start = Instant::now();
    let reply = http.request(request).await.map_err(|error| failure("no answer").caused_by(error))?;
    let status = reply.status();
    let mut pieces = reply.into_body().into_data_stream();
    let (mut text, mut first_token) = (Vec::new(), None);
    while let Some(piece) = pieces.next().await {
        first_token.get_or_insert_with(|| start.elapsed());
        text.extend_from_slice(&piece.map_err(|error| failure("the answer broke off").caused_by(error))?);
    }
    let text = String::from_utf8_lossy(&text);
    if !status.is_success() || !text.contains("data: [DONE]") {
        return Err(failure("not a whole answer").with("status", status).with("body", text));
    }
    let tokens = text.lines().filter(|line| line.starts_with("data: ") && line.contains("\"content\":\"")).count();
    let total = start.elapsed();
    Ok(Answer { first_token: first_token.unwrap_or(total), total, tokens: tokens as u64 })
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn failure(message: &str) -> Error {
    Error::new(ErrorKind::Internal, "quickstart.load", message)
}
