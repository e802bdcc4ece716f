//! Asking a replica whether it is ready.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// One question takes no longer than this.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);

/// Asks replicas whether they are ready.
#[async_trait]
pub trait Prober: Send + Sync + fmt::Debug {
    /// Asks `GET path`, with a time limit of its own.
    ///
    /// # Errors
    /// Why the replica is not ready, in a few words such as `HTTP 503`.
    async fn ask(&self, address: SocketAddr, path: &str) -> Result<(), String>;
}

/// Asks over HTTP: 200 to 399 within two seconds is ready.
#[derive(Clone, Debug)]
pub struct HttpProber {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl HttpProber {
    /// A prober that makes a connection for each question.
    pub fn new() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        Self { client: builder.pool_max_idle_per_host(0).build_http() }
    }
}

impl Default for HttpProber {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Prober for HttpProber {
    async fn ask(&self, address: SocketAddr, path: &str) -> Result<(), String> {
        let uri = format!("http://{address}{path}").parse().map_err(|_| format!("not a path: {path}"))?;
        match tokio::time::timeout(QUESTION_LIMIT, self.client.get(uri)).await {
            Err(_) => Err(format!("no answer within {}s", QUESTION_LIMIT.as_secs())),
            Ok(Err(_)) => Err("no connection".to_owned()),
            Ok(Ok(reply)) if reply.status().is_success() || reply.status().is_redirection() => Ok(()),
            Ok(Ok(reply)) => Err(format!("HTTP {}", reply.status().as_u16())),
        }
    }
}
