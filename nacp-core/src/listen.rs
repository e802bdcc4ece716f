//! What every HTTP server of ours needs: a port, an accept loop, and an end.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};

/// How long a client may take for the head of a request, and how large the head may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
}

/// A running server. Dropping it cuts every connection.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Duration>>,
    task: JoinHandle<usize>,
}

/// Takes the port.
pub(crate) async fn bind(operation: &'static str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        let error = match cause.kind() {
            io::ErrorKind::AddrInUse => Error::new(ErrorKind::Conflict, operation, "port is taken")
                .with("address", address)
                .hint("choose another port, or 0 for any free one"),
            io::ErrorKind::PermissionDenied => {
                Error::new(ErrorKind::PermissionDenied, operation, "this user may not listen on this port")
                    .with("address", address)
                    .hint("choose a port of 1024 or above")
            }
            _ => Error::new(ErrorKind::InvalidArgument, operation, "cannot listen on this address")
                .with("address", address)
                .with("reason", &cause),
        };
        error.caused_by(cause)
    })
}

/// Answers requests on the listener, on the caller's runtime, until the server is shut down or dropped.
pub(crate) fn serve<H, F, B>(operation: &'static str, listener: TcpListener, head: Head, handler: H) -> Result<Server>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let address = listener
        .local_addr()
        .map_err(|cause| Error::new(ErrorKind::Internal, operation, "the listener has no address").caused_by(cause))?;
    let (stop, stopped) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "a server runs beside its caller")]
    let task = tokio::spawn(accept(listener, head, handler, stopped));
    Ok(Server { address, stop: Some(stop), task })
}

async fn accept<H, F, B>(
    listener: TcpListener,
    head: Head,
    handler: H,
    mut stopped: oneshot::Receiver<Duration>,
) -> usize
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head.time).max_buf_size(head.bytes.max(8192));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let drain = loop {
        let accepted = match select(pin!(listener.accept()), &mut stopped).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right((drain, _)) => break drain.unwrap_or(Duration::ZERO),
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            pause().await;
            continue;
        };
        // Without it a streamed token waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        let answer = service_fn(move |request| {
            let answer = handler(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(graceful.watch(http.serve_connection(TokioIo::new(stream), answer)));
    };
    drop(listener);
    if timeout(drain, graceful.shutdown()).await.is_ok() {
        // All connections have ended, though their tasks may not have been put away yet: none is cut.
        connections.shutdown().await;
        return 0;
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    connections.shutdown().await;
    cut
}

/// Lets a shortage, such as that of file descriptors, pass.
#[expect(clippy::disallowed_methods, reason = "a server acts in real time")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no further connection, waits at most `drain` for the open requests, cuts the rest and counts those.
    pub(crate) async fn shutdown(mut self, drain: Duration) -> usize {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(drain);
        }
        (&mut self.task).await.unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
