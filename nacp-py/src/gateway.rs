//! The gateway in front of a control plane's services.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nacp_core::gateway::{self, GatewayStats, Latency};
use nacp_core::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::errors::guard;
use crate::json;
use crate::runtime::{forked, wait};

/// A running gateway. It belongs to the process that opened it: a forked child has none of its threads.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
    process: u32,
    held: Mutex<Option<gateway::Gateway>>,
}

impl Gateway {
    pub(crate) fn new(gateway: gateway::Gateway) -> Self {
        Self { address: gateway.address(), process: std::process::id(), held: Mutex::new(Some(gateway)) }
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    fn held(&self) -> MutexGuard<'_, Option<gateway::Gateway>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<T>(&self, question: impl FnOnce(&gateway::Gateway) -> T) -> Result<T, Error> {
        if !self.is_of_this_process() {
            return Err(forked("gateway.ask", self.process));
        }
        let closed =
            || Error::new(ErrorKind::Conflict, "gateway.ask", "the gateway is closed").with("address", self.address);
        self.held().as_ref().map(question).ok_or_else(closed)
    }
}

#[pymethods]
impl Gateway {
    /// Where it answers.
    #[getter]
    fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether it has been closed, or was opened by another process.
    #[getter]
    fn closed(&self) -> bool {
        !self.is_of_this_process() || self.held().is_none()
    }

    /// What it has done so far, as JSON.
    fn stats(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(json::text(&describe(&self.ask(gateway::Gateway::stats)?))?))
    }

    /// The same as OpenMetrics text.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(self.ask(gateway::Gateway::metrics)?))
    }

    /// Waits for the requests in flight and closes it. In a forked child it does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.is_of_this_process() {
            return Ok(());
        }
        let gateway = self.held().take();
        match gateway {
            Some(gateway) => wait(py, gateway.shutdown()),
            None => Ok(()),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !self.is_of_this_process() {
            let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(held.take());
        }
    }
}

fn describe(stats: &GatewayStats) -> serde_json::Value {
    let GatewayStats { in_flight, retries, client_left, replica_broke, .. } = stats;
    let latency = |Latency { count, p50, p99, .. }: Latency| serde_json::json!({ "count": count, "p50": p50.as_secs_f64(), "p99": p99.as_secs_f64() });
    let requests = stats.requests.iter().map(|of| {
        serde_json::json!({
            "app": of.app, "service": of.service, "model": of.model, "status": of.class, "count": of.count
        })
    });
    serde_json::json!({
        "requests": requests.collect::<Vec<_>>(),
        "in_flight": in_flight,
        "retries": retries,
        "client_left": client_left,
        "replica_broke": replica_broke,
        "first_byte": latency(stats.first_byte),
        "total": latency(stats.total),
    })
}

/// An address to listen on.
pub(crate) fn address(host: &str, port: u16) -> Result<SocketAddr, Error> {
    let ip = match host {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => host.parse().ok(),
    };
    ip.map(|ip| SocketAddr::new(ip, port)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "gateway.bind", "not an IP address")
            .with("host", format_args!("{host:?}"))
            .hint("write for example 127.0.0.1")
    })
}
