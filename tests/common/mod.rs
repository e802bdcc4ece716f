//! What the tests of the whole share: engines to run against, an app that is always removed, plain HTTP.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use nacp_core::control::ControlPlane;
use nacp_core::engine::{Docker, Engine};
use nacp_core::service::{GpuNeed, Probe, Service};
use nacp_core::{Bytes, gpu, sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The image of the simulated service, made by `tests/sim-service/image`.
pub(crate) const IMAGE: &str = "nacp/sim-service:0.1";

/// The Docker of this machine; nothing, with a line that says so, where `tests/run` found none.
pub(crate) async fn docker() -> Option<Arc<dyn Engine>> {
    if std::env::var("NACP_NO_DOCKER").is_ok_and(|value| value == "1") {
        println!("SKIP: no Docker daemon answers");
        return None;
    }
    let docker = Docker::connect().await.expect("a Docker daemon; start one, or run with NACP_NO_DOCKER=1");
    Some(Arc::new(docker))
}

/// An engine that runs simulated services in this process.
pub(crate) fn simulated() -> Arc<dyn Engine> {
    Arc::new(sim::Engine::with_images([IMAGE]))
}

/// A control plane over a simulated server with eight GPUs.
pub(crate) fn plane(engine: &Arc<dyn Engine>) -> ControlPlane {
    plane_on("h100x8", engine)
}

/// A control plane over this simulated node.
pub(crate) fn plane_on(node: &str, engine: &Arc<dyn Engine>) -> ControlPlane {
    let node = gpu::Node::from_source(Arc::new(sim::Node::named(node).unwrap())).unwrap();
    ControlPlane::new(node, Arc::clone(engine))
}

/// A name that no other test and no other run has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A service of the simulated image that is ready when it answers.
pub(crate) fn service() -> Service {
    Service::new(IMAGE)
        .model("tiny")
        .gpu(GpuNeed::memory(Bytes::gib(4)))
        .port(8000)
        .ready(Probe::http("/healthz").within(Duration::from_secs(30)))
}

/// Runs a test and removes its app whatever happens.
pub(crate) async fn removing<T>(plane: &ControlPlane, app: &str, test: impl Future<Output = T>) -> T {
    let outcome = AssertUnwindSafe(test).catch_unwind().await;
    let removed = plane.delete(app).await;
    match outcome {
        Ok(value) => {
            removed.unwrap();
            value
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// `GET path` over a connection of its own: the whole answer as text; nothing where the other side closes or resets the
/// connection.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        let exchanged = match stream.write_all(request.as_bytes()).await {
            Ok(()) => stream.read_to_string(&mut answer).await.map(drop),
            Err(error) => Err(error),
        };
        match exchanged.map_err(|error| error.kind()) {
            Ok(()) => answer,
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => String::new(),
            Err(kind) => panic!("no answer from {address}: {kind}"),
        }
    };
    timeout(Duration::from_secs(10), exchange).await.expect("an answer within ten seconds")
}
