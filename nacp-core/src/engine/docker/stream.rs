//! Answers of the daemon's that have no end of their own.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bollard::errors::Error as Api;
use futures_util::future::{Either, select};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;

use super::address::Address;
use super::raw;

/// What arrives, piece by piece.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, Api>>;

/// The most bytes of a refusal.
const REFUSAL: usize = 64 << 10;

/// `GET path`, over a connection of its own, which ends when the pieces are dropped. The head of the answer has arrived
/// when this returns; it has no time limit.
pub(super) async fn get(address: &Address, path: &str) -> Result<Pieces, Api> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(address.open().await?)).await?;
    let mut connection = Box::pin(connection);
    let request = Request::get(path).header(header::HOST, address.host()).body(Empty::<Bytes>::new())?;
    let answer = match select(pin!(sender.send_request(request)), &mut connection).await {
        Either::Left((answer, _)) => answer?,
        // The connection has ended, and with it the exchange: well, or with the error of the connection.
        Either::Right((_, exchange)) => exchange.await?,
    };
    let status = answer.status();
    let exchange = Exchange { connection: Some(connection), body: answer.into_body(), _sender: sender };
    if status.is_success() {
        return Ok(exchange.pieces());
    }
    let Exchange { connection, body, .. } = exchange;
    let collected = pin!(Limited::new(body, REFUSAL).collect());
    let driven = async {
        if let Some(connection) = connection {
            drop(connection.await);
        }
        std::future::pending::<()>().await;
    };
    let text = match select(collected, pin!(driven)).await {
        Either::Left((collected, _)) => collected.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
        Either::Right(((), _)) => Bytes::new(),
    };
    Err(raw::refusal(status, &text))
}

/// What moves the bytes of an answer.
type Driver<T> = Pin<Box<Connection<T, Empty<Bytes>>>>;

/// A connection and the answer that comes over it.
struct Exchange<T: hyper::rt::Read + hyper::rt::Write + Unpin> {
    /// Nothing once it has ended.
    connection: Option<Driver<T>>,
    body: Incoming,
    /// The connection ends without it.
    _sender: SendRequest<Empty<Bytes>>,
}

impl<T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static> Exchange<T> {
    fn pieces(mut self) -> Pieces {
        stream::poll_fn(move |context| self.poll(context)).boxed()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Api>>> {
        loop {
            // What goes wrong with the connection the body tells too.
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(context).is_ready()
            {
                self.connection = None;
            }
            return match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_) => continue,
                },
            };
        }
    }
}
