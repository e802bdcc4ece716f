//! Asking a replica whether it is ready, or still alive.
//!
//! A [`Prober`] answers one question once. How often it is asked, and how many answers count, says the
//! [`Probe`]; whoever asks keeps count.

mod exec;
mod http;
mod log;
mod tcp;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

use self::http::HttpClient;
use self::log::Logs;
use crate::engine::{Container, ContainerId, Engine};
use crate::service::{Check, Probe};

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The engine that runs the container.
    pub engine: &'a dyn Engine,
    /// The container.
    pub container: &'a ContainerId,
    /// Where its port is published, if it is.
    pub address: Option<SocketAddr>,
}

impl<'a> Target<'a> {
    /// This container, as the engine lists it.
    pub fn of(engine: &'a dyn Engine, container: &'a Container) -> Self {
        Self { engine, container: &container.id, address: container.address }
    }
}

/// Asks replicas whether they are ready.
#[async_trait]
pub trait Prober: Send + Sync + fmt::Debug {
    /// Asks what the probe asks, and takes no longer than [`Probe::timeout`].
    ///
    /// # Errors
    /// Why the answer is not good, in a few words such as `HTTP 503`.
    async fn ask(&self, target: Target<'_>, probe: &Probe) -> Result<(), String>;
}

/// Asks in earnest: over the network, and through the engine.
///
/// | check | good | else, for instance |
/// |---|---|---|
/// | HTTP | an answer of 200 to 399 | `HTTP 503`, `no connection`, `no answer within 2s` |
/// | TCP | the connection is taken, and not closed within 100 ms unless something was sent | `no connection`, `closed at once` |
/// | exec | the program ends with 0 | `exit code 1: last line` |
/// | log | a line with the text has been written since the container's program was started | `not in the log` |
///
/// A connection alone proves little: engines put a relay in front of a published port, which takes connections also where
/// nothing listens in the container, and then closes them.
///
/// The log of a container is read once, from its beginning, and followed from then on for as long as it is asked for:
/// each question reads what is new. When the program ends and is started again in the same container, what it wrote
/// before counts no longer; a prober that was made later than that cannot tell the two apart. Of an engine that cannot
/// follow logs the last 1000 lines are read for each question. Clones share what they have read.
#[derive(Clone, Debug, Default)]
pub struct SystemProber {
    http: HttpClient,
    logs: Logs,
}

impl SystemProber {
    /// A prober that has asked nobody yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Prober for SystemProber {
    async fn ask(&self, target: Target<'_>, probe: &Probe) -> Result<(), String> {
        let address = || target.address.ok_or_else(|| "its port is not published".to_owned());
        match &probe.check {
            Check::Http(path) => self.http.get(address()?, path, probe.timeout).await,
            Check::Tcp => tcp::connect(address()?, probe.timeout).await,
            Check::Exec(command) => exec::run(target, command, probe.timeout).await,
            Check::Log(text) => self.logs.look(target, text, probe.timeout).await,
        }
    }
}

/// What is done within a time, or words that say that it was not.
async fn within<T>(limit: Duration, doing: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(limit, doing).await.map_err(|_| no_answer(limit))
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {limit:?}")
}

#[cfg(test)]
mod tests;
