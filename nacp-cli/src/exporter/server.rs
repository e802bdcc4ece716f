//! A small HTTP server: one request a connection, and limits on everything that a client decides.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at once; the next one waits until one ends.
const CONNECTIONS: usize = 32;
/// How long a client may take for the head of its request, and how large that may be.
const HEAD_TIME: Duration = Duration::from_secs(5);
const HEAD_BYTES: usize = 16 * 1024;
/// How long a connection may last.
const TIME: Duration = Duration::from_secs(15);
/// How long the open requests may take once the exporter is asked to stop.
const DRAIN: Duration = Duration::from_secs(2);

pub(crate) type Reply = Response<Full<Bytes>>;

/// Answers `GET` and `HEAD` with what `answer` makes of the path, until `stop` ends.
pub(crate) async fn serve(listener: TcpListener, answer: impl Fn(&str) -> Reply + Clone + 'static, stop: impl Future) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = match select(pin!(next), &mut stop).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let answer = answer.clone();
                connections.spawn_local(async move {
                    let _ = timeout(TIME, connection(stream, answer)).await;
                    drop(place);
                });
            }
            // Lets a shortage, such as that of file descriptors, pass.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
    drop(listener);
    let _ = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(stream: TcpStream, answer: impl Fn(&str) -> Reply) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES).keep_alive(false);
    let service = service_fn(|request: Request<Incoming>| {
        let reply = match *request.method() {
            Method::GET | Method::HEAD => answer(request.uri().path()),
            _ => refuse_method(),
        };
        ready(Ok::<_, Infallible>(reply))
    });
    // A client that goes away is no concern of ours.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

fn refuse_method() -> Reply {
    let mut reply = reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET and HEAD are answered\n");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}

pub(crate) fn reply(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(text.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
