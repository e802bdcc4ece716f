//! The one way by which requests reach the daemon: the client library's and our own open their connections alike.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bollard::BollardRequest;
use bollard::errors::Error as Api;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection as Described};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

use super::address::{Address, Connection};

/// The credentials for a registry.
const REGISTRY_AUTH: &str = "x-registry-auth";

/// The client library over connections of this address's. None is kept for a second request: what a daemon has closed
/// meanwhile would fail it.
pub(super) fn client(address: &Address) -> Result<bollard::Docker, Api> {
    let mut builder = Client::builder(TokioExecutor::new());
    let http = builder.pool_max_idle_per_host(0).build(Connector(address.clone()));
    let transport = move |mut request: BollardRequest| {
        if let Some(value) = request.headers_mut().get_mut(REGISTRY_AUTH) {
            url_safe(value);
        }
        let http = http.clone();
        async move { http.request(request).await.map_err(Api::from) }
    };
    let at = format!("http://{}", address.authority());
    // Its own limit would end with the head of an answer; every call has one for the whole answer.
    bollard::Docker::connect_with_custom_transport(transport, Some(at), u64::MAX, bollard::API_DEFAULT_VERSION)
}

/// The client library writes credentials with the letters `+` and `/` of base64; daemons read `-` and `_`.
fn url_safe(value: &mut HeaderValue) {
    let text: Vec<u8> = value
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        })
        .collect();
    if let Ok(mut safe) = HeaderValue::from_bytes(&text) {
        safe.set_sensitive(true);
        *value = safe;
    }
}

/// Opens what the HTTP client then speaks over.
#[derive(Clone, Debug)]
struct Connector(Address);

impl Service<Uri> for Connector {
    type Response = TokioIo<Open>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let address = self.0.clone();
        Box::pin(async move { Ok(TokioIo::new(Open(address.open().await?))) })
    }
}

/// An open connection, as the HTTP client wants it.
struct Open(Box<dyn Connection>);

impl Described for Open {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Open {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Open {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_as_a_daemon_reads_them() {
        let mut value = HeaderValue::from_static("a+b/c==");
        url_safe(&mut value);
        assert_eq!((value.as_bytes(), value.is_sensitive()), (&b"a-b_c=="[..], true));
    }
}
