//! Asking a replica whether it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// One question takes no longer than this.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// A client that asks replicas over HTTP.
#[derive(Clone, Debug)]
pub(super) struct Prober {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Prober {
    pub(super) fn new() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        Self { client: builder.pool_max_idle_per_host(0).build_http() }
    }

    /// Asks `GET path`: the status when it is 200 to 399, else why the replica is not ready.
    pub(super) async fn ask(&self, address: SocketAddr, path: &str) -> Result<(), String> {
        let uri = format!("http://{address}{path}").parse().map_err(|_| format!("not a path: {path}"))?;
        match tokio::time::timeout(QUESTION_LIMIT, self.client.get(uri)).await {
            Err(_) => Err(format!("no answer within {}s", QUESTION_LIMIT.as_secs())),
            Ok(Err(_)) => Err("no connection".to_owned()),
            Ok(Ok(reply)) if reply.status().is_success() || reply.status().is_redirection() => Ok(()),
            Ok(Ok(reply)) => Err(format!("HTTP {}", reply.status().as_u16())),
        }
    }
}
