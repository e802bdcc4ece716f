//! The main job from end to end: discover, check, place, run, route, observe, stop.
//!
//! It works on what is really there (NVIDIA driver, CUDA, Docker) and falls back, part by part and saying so, to the
//! simulated laptop. `--simulated` leaves the real parts alone.

mod load;
mod parts;
mod tables;

use std::fmt::Display;
use std::future::pending;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use nacp_core::clock::SystemClock;
use nacp_core::control::{AppStatus, ControlPlane};
use nacp_core::gateway::{Gateway, GatewayOptions};
use nacp_core::route::Router;
use nacp_core::service::App;
use nacp_core::{Error, host, observe};
use parts::Part;
use tokio::signal::unix::{SignalKind, signal};

const REQUESTS: usize = 200;
const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    let simulated = std::env::args().any(|argument| argument == "--simulated");
    match run(simulated).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(simulated: bool) -> Result<(), Error> {
    let app = App::parse(include_str!("nacp.yaml"))?;
    let node = parts::node(simulated)?;
    let cuda = parts::cuda(simulated)?;
    let engine = parts::engine(simulated, &app).await;
    show(tables::parts(&host::detect().summary(), &node, &cuda, &engine));

    let plane = ControlPlane::new(node.part.clone(), Arc::clone(&engine.part));
    let done = tokio::select! {
        done = work(&plane, &app) => done,
        signal = asked_to_stop() => {
            show(format!("stopping: {signal}"));
            Ok(())
        }
    };
    match plane.delete(&app.name).await {
        Ok(removed) => {
            let left = plane.status(&app.name).await?.replicas.len();
            show(format!("stopped: {removed} containers removed, {left} left"));
        }
        // What went wrong first is what the user has to know.
        Err(error) if done.is_err() => show(format!("not everything was removed: {error}")),
        Err(error) => return Err(error),
    }
    done
}

/// Ends when somebody asks the program to end.
async fn asked_to_stop() -> &'static str {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return pending().await };
    tokio::select! {
        _ = terminate.recv() => "terminated",
        Ok(()) = tokio::signal::ctrl_c() => "interrupted",
        else => pending().await,
    }
}

/// Prints; a reader that has gone away is no reason to leave containers behind.
fn show(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

async fn work(plane: &ControlPlane, app: &App) -> Result<(), Error> {
    let snapshot = plane.node().snapshot(&SystemClock::new())?;
    show(tables::gpus(&snapshot));

    let plan = plane.plan(app).await?;
    show(tables::placements(&plan));
    let status = plane.apply(app).await?;
    show(tables::services(&status));

    let router = Arc::new(Router::new());
    router.update(status.endpoints());
    let gateway = open_gateway(plane, &status, &router).await?;
    show(format!("gateway: http://{}/v1 (OpenAI) and /api (Ollama)\n", gateway.address()));
    let report = load::run(gateway.address(), "nacp-sim-chat", REQUESTS, AT_ONCE).await?;
    show(tables::requests(&report, &router.endpoints()));
    show(tables::metrics(&load::metrics(gateway.address()).await?));
    gateway.shutdown().await
}

/// A gateway whose `/metrics` also shows the GPUs and the replicas.
async fn open_gateway(plane: &ControlPlane, status: &AppStatus, router: &Arc<Router>) -> Result<Gateway, Error> {
    let (node, apps) = (plane.node().clone(), [status.clone()]);
    let mut options = GatewayOptions::default();
    options.metrics = Some(Arc::new(move || {
        let text = node.snapshot(&SystemClock::new()).and_then(|snapshot| observe::metrics(&snapshot, &apps));
        text.unwrap_or_else(|error| format!("# {error}\n"))
    }));
    Gateway::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::clone(router), options).await
}

impl<T> Part<T> {
    /// The part, with the word that says whether it is real.
    fn label(&self) -> String {
        match &self.missing {
            None => format!("real: {}", self.name),
            Some(reason) => format!("simulated: {} ({reason})", self.name),
        }
    }
}
