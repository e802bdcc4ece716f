//! The way in: one HTTP address in front of all services.
//!
//! A [`Gateway`] takes requests of the OpenAI API (`/v1/…`) and of Ollama (`/api/…`), reads which model each asks for,
//! lets a [`Router`] choose the replica, and passes request and answer through. An answer is never
//! buffered: each piece of a stream goes to the client when it comes, and the request stays in flight on its replica
//! until the last piece is sent or the client leaves; then the replica is cut off, so that it does not go on working
//! for nobody.
//!
//! | path | answer |
//! |---|---|
//! | `POST /v1/…`, `POST /api/{chat,generate,embed,embeddings,show}` | from the replica; with the headers `x-nacp-replica` and `x-request-id` |
//! | `GET /v1/models`, `GET /v1/models/…`, `GET /api/tags`, `GET /api/version` | from the router's table |
//! | `GET /healthz` | 200 and the number of endpoints; needs no key |
//! | `GET /metrics` | counters and histograms as OpenMetrics text, after those of [`GatewayOptions::metrics`] |
//!
//! The lists say only what the router knows: an entry of `/api/tags` has the model's name and no size, digest or time,
//! and `created` is 0 in `/v1/models`, where clients insist on a number.
//!
//! The body passes unchanged, with one exception: where a client asked for a service by its name (`llm` or
//! `assistant/llm`) and that service serves one model, the replica is asked for that model, because it does not know
//! the service's name.
//!
//! A request that could not even be connected to its replica is tried on another one; after that it may have had
//! effects, and its failure is the client's to see. What fails in the gateway is answered in the error form of the API
//! that was asked.
//!
//! Without an API key the gateway takes only loopback addresses, and refuses requests of web pages and of other names
//! than this machine's, so that a page in a browser cannot use it. Keys and TLS beyond that are the work of what stands
//! in front of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::listen::{self, Head};
use crate::route::Router;

mod body;
mod limits;
mod proxy;
mod reply;
mod server;
mod stats;

pub use limits::Limits;
pub use stats::{GatewayStats, Latency, RequestCount};

const OPERATION: &str = "gateway.bind";
/// Times beyond it would overflow the clock.
const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// Writes metrics as text.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How a gateway behaves. The default takes requests from this machine only, without a key.
///
/// ```
/// use std::time::Duration;
/// use nacp_core::gateway::GatewayOptions;
///
/// let mut options = GatewayOptions::default();
/// options.api_key = std::env::var("GATEWAY_KEY").ok();
/// options.limits.answer = Duration::from_secs(1800);
/// options.limits.body_bytes = 4 << 20;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct GatewayOptions {
    /// The key that clients send as `Authorization: Bearer KEY`; needed on any address but loopback. It is not passed
    /// on to the replicas.
    pub api_key: Option<String>,
    /// Sizes, times and numbers that end a request.
    pub limits: Limits,
    /// Writes what `/metrics` says beside the gateway's own counters, in the text form of Prometheus or OpenMetrics;
    /// a closing `# EOF` says that it is the latter.
    pub metrics: Option<MetricsText>,
    /// Where the time comes from that the statistics are made of.
    pub clock: Arc<dyn Clock>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self { api_key: None, limits: Limits::default(), metrics: None, clock: Arc::new(SystemClock::new()) }
    }
}

impl fmt::Debug for GatewayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayOptions")
            .field("api_key", &self.api_key.as_ref().map(|_| "set"))
            .field("limits", &self.limits)
            .field("metrics", &self.metrics.is_some())
            .finish_non_exhaustive()
    }
}

/// A running gateway. Dropping it cuts every connection without waiting for that, [`cut`](Self::cut) waits, and
/// [`shutdown`](Self::shutdown) lets requests finish.
///
/// It follows its router: what [`Router::update`] puts there gets requests from then on, and requests to what is no
/// longer there come to their end.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::sync::Arc;
/// use nacp_core::gateway::{Gateway, GatewayOptions};
/// use nacp_core::route::Router;
///
/// let router = Arc::new(Router::new());
/// let gateway = Gateway::bind(([127, 0, 0, 1], 0).into(), Arc::clone(&router), GatewayOptions::default()).await?;
/// println!("OPENAI_BASE_URL=http://{}/v1", gateway.address());
///
/// let stats = gateway.stats();
/// println!("{} in flight, first byte p99 {:?}", stats.in_flight, stats.first_byte.p99);
/// gateway.shutdown().await?;
/// # Ok::<(), nacp_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Gateway {
    server: listen::Server,
    shared: Arc<server::Shared>,
}

impl Gateway {
    /// Listens on the address, on the caller's tokio runtime; with port 0 on any free port.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an address beyond loopback without an API key, or for an
    /// address that is not this machine's; [`Conflict`](ErrorKind::Conflict) when the port is taken;
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when this user may not listen on it.
    pub async fn bind(address: SocketAddr, router: Arc<Router>, options: GatewayOptions) -> Result<Self> {
        match &options.api_key {
            None if !address.ip().is_loopback() => {
                return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "other machines could use the gateway")
                    .with("address", address)
                    .hint("set an API key, or listen on 127.0.0.1"));
            }
            Some(key) if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "not a usable API key")
                    .with("address", address)
                    .hint(
                        "use printable ASCII without blanks; a key that was read from a file may end with a line end",
                    ));
            }
            _ => {}
        }
        let listener = listen::bind(OPERATION, address).await?;
        let head = Head { time: options.limits.head_time.min(LONGEST_TIME), bytes: options.limits.head_bytes };
        let shared = Arc::new(server::Shared::new(router, options));
        let handler = Arc::clone(&shared);
        let server = listen::serve(OPERATION, listener, head, move |request| {
            let shared = Arc::clone(&handler);
            async move { server::answer(&shared, request).await }
        })?;
        Ok(Self { server, shared })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What it has done so far: the numbers of [`metrics`](Self::metrics), for a program.
    pub fn stats(&self) -> GatewayStats {
        self.shared.stats.snapshot()
    }

    /// Its own counters and histograms as OpenMetrics text, without the closing `# EOF`: `nacp_gateway_requests_total`
    /// by service and class of status, `nacp_gateway_in_flight`, `nacp_gateway_retries_total`,
    /// `nacp_gateway_client_left_total`, `nacp_gateway_replica_broke_total`, and in seconds
    /// `nacp_gateway_time_to_first_byte_seconds` and `nacp_gateway_duration_seconds`.
    pub fn metrics(&self) -> String {
        self.shared.stats.text()
    }

    /// Cuts every connection and ends when they are closed and the port is free.
    pub async fn cut(self) {
        self.server.shutdown(Duration::ZERO).await;
    }

    /// Takes no further connection and waits for the requests in flight, at most [`Limits::drain`].
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) when that time passed and the rest was cut.
    pub async fn shutdown(self) -> Result<()> {
        let drain = self.shared.options.limits.drain;
        match self.server.shutdown(drain).await {
            0 => Ok(()),
            cut => Err(Error::new(ErrorKind::Timeout, "gateway.shutdown", "requests were cut at the end of the drain")
                .with("connections", cut)
                .with("drain", format_args!("{drain:?}"))),
        }
    }
}
