//! `GET` of a path.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::within;

/// A client that makes a connection for each question.
#[derive(Clone, Debug)]
pub(super) struct HttpClient(Client<HttpConnector, Empty<Bytes>>);

impl Default for HttpClient {
    fn default() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        Self(builder.pool_max_idle_per_host(0).build_http())
    }
}

impl HttpClient {
    pub(super) async fn get(&self, address: SocketAddr, path: &str, limit: Duration) -> Result<(), String> {
        let uri = format!("http://{address}{path}").parse().map_err(|_| format!("not a path: {path}"))?;
        match within(limit, self.0.get(uri)).await? {
            Ok(reply) if reply.status().is_success() || reply.status().is_redirection() => Ok(()),
            Ok(reply) => Err(format!("HTTP {}", reply.status().as_u16())),
            Err(error) if error.is_connect() => Err("no connection".to_owned()),
            Err(_) => Err("no answer of HTTP".to_owned()),
        }
    }
}
