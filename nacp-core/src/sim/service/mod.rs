//! A simulated inference service: real HTTP, made-up tokens.
//!
//! It speaks the surfaces of the OpenAI API (`/v1/…`) and of Ollama (`/api/…`), streamed and whole. What it writes is
//! derived from the prompt alone, so that the same request always gets the same answer, and what it costs is set by
//! [`ServiceOptions`]: a time to the first token, a time for each further one, and a number of slots in front of which
//! requests wait. Every answer says that it is simulated: in the header `x-nacp-simulated`, in `system_fingerprint`
//! and in the model's owner.
//!
//! The same program runs inside a container: `tests/sim-service` is nothing but this module and a `main`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::listen::{self, Head, Server};

mod ollama;
mod openai;
mod options;
mod reply;
mod server;
mod tokens;
mod work;

pub use options::ServiceOptions;
pub use work::ServiceStats;

/// The value of `owned_by`, `system_fingerprint` and the like in every answer.
pub const SIMULATED: &str = "nacp-simulated";

const OPERATION: &str = "sim.service.start";
const HEAD: Head = Head { time: Duration::from_secs(10), bytes: 64 << 10 };

/// A simulated inference server on a port of this machine. Dropping it stops it at once.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use nacp_core::sim::{Service, ServiceOptions};
///
/// let service = Service::start(ServiceOptions::model("phi3:mini"), ([127, 0, 0, 1], 0).into()).await?;
/// println!("http://{}/v1/chat/completions", service.address());
/// service.shutdown().await;
/// # Ok::<(), nacp_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Service {
    server: Server,
    state: Arc<work::State>,
}

impl Service {
    /// Starts a server on the address, on the caller's tokio runtime; with port 0 on any free port.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when the port is taken;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the address is not one of this machine.
    pub async fn start(options: ServiceOptions, address: SocketAddr) -> Result<Self> {
        let listener = listen::bind(OPERATION, address).await?;
        let state = Arc::new(work::State::new(options));
        let shared = Arc::clone(&state);
        let server = listen::serve(OPERATION, listener, HEAD, move |request| {
            let state = Arc::clone(&shared);
            async move { server::answer(&state, request).await }
        })?;
        state.log(&format!("listening on {} models={}", server.address(), state.options.models.join(",")));
        Ok(Self { server, state })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What it has done so far.
    pub fn stats(&self) -> ServiceStats {
        self.state.stats()
    }

    /// Its newest log lines, oldest first.
    pub fn logs(&self) -> Vec<String> {
        self.state.logs()
    }

    /// What outlives it for whoever reads its last words.
    pub(super) fn journal(&self) -> Journal {
        Journal { logged: self.state.logged(), state: Arc::clone(&self.state) }
    }

    /// Stops it and cuts what is in flight, as a container's end does. The port is free afterwards.
    pub async fn shutdown(self) {
        self.server.shutdown(Duration::ZERO).await;
    }
}

/// The log of a service, to be read on after its end.
#[derive(Debug)]
pub(super) struct Journal {
    state: Arc<work::State>,
    logged: tokio::sync::watch::Receiver<usize>,
}

impl Journal {
    /// The lines from this one on, counted from 0, as far as they are kept, and the number of the one to come.
    pub(super) fn from(&self, number: usize) -> (Vec<String>, usize) {
        self.state.logs_from(number)
    }

    /// Waits for another line.
    pub(super) async fn grows(&mut self) {
        if self.logged.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
