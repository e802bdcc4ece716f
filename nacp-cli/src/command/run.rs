//! What the commands share that run containers: a runtime, GPUs, an engine, and how a state is shown.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::control::{AppStatus, ControlPlane, ReplicaStatus};
use nacp_core::engine::{ContainerState, Docker, Engine};
use nacp_core::gpu::{GpuId, Node};
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind, sim};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::Exit;
use crate::context::{Context, NoGpus, read};
use crate::failure::{Failure, Outcome};
use crate::table::table;

/// The runtime of one command.
pub(super) fn runtime() -> Outcome<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|cause| {
        let error = Error::new(ErrorKind::ResourceExhausted, "cli.runtime", "no threads can be started");
        Failure::from(error.with("reason", &cause).caused_by(cause)).ending(Exit::Failed)
    })
}

/// Asks the engine something, for so long as the command may take.
pub(super) fn ask<T>(limit: Duration, question: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = runtime()?;
    let late = || {
        Error::new(ErrorKind::Timeout, "cli.engine", "the container engine does not answer in time")
            .with("limit", format_args!("{} s", limit.as_secs_f64()))
            .hint("--limit gives it more")
            .retry_later()
    };
    let answer = runtime.block_on(async { timeout(limit, question).await });
    runtime.shutdown_background();
    answer.unwrap_or_else(|_| Err(late().into()))
}

/// The app that a file describes. A mistake in it is one of what the command line names.
pub(super) fn app(path: &Path) -> Outcome<App> {
    let text = read(path).map_err(|failure| {
        let hint = "name the file that describes the app: nacp up FILE";
        if path == Path::new("nacp.yaml") { failure.hint(hint) } else { failure }
    })?;
    let parsed = App::parse(&text).and_then(|app| app.validate().map(|()| app));
    parsed.map_err(|error| error.with_first("file", path.display()).into())
}

/// GPUs for this app: a driver that does not answer is no matter where nothing asks for a GPU.
pub(super) fn node_for(app: &App, context: &Context<'_>) -> Outcome<Node> {
    match context.node() {
        Err(failure)
            if failure.error.kind() == ErrorKind::DriverUnavailable
                && app.services.values().all(|service| service.gpu.is_none()) =>
        {
            NoGpus::node()
        }
        node => node,
    }
}

/// Docker, or a simulated engine in this process.
pub(super) async fn engine(simulated: bool) -> Outcome<Arc<dyn Engine>> {
    match simulated {
        true => Ok(Arc::new(sim::Engine::new())),
        false => Ok(Arc::new(Docker::connect().await?)),
    }
}

/// A control plane that only looks at what runs: it needs no GPU.
pub(super) async fn onlooker() -> Outcome<ControlPlane> {
    Ok(ControlPlane::new(NoGpus::node()?, engine(false).await?))
}

/// The replicas of some apps as a table; those that are simulated say so.
pub(super) fn replicas<'a>(apps: impl IntoIterator<Item = &'a AppStatus>, width: u16) -> String {
    let rows = apps.into_iter().flat_map(|app| app.replicas.iter().map(move |replica| row(&app.app, replica)));
    table(width, ["replica", "state", "address", "GPU", "model"], 4, rows)
}

fn row(app: &str, replica: &ReplicaStatus) -> [String; 5] {
    let gpus: Vec<&str> = replica.gpus.iter().map(GpuId::short).collect();
    let dash = || "-".to_owned();
    [
        format!("{app}/{}/{}", replica.service, replica.replica),
        state(replica),
        replica.address.map_or_else(dash, |address| address.to_string()),
        if gpus.is_empty() { dash() } else { gpus.join(", ") },
        replica.model.clone().unwrap_or_else(dash),
    ]
}

/// What a replica is doing, and whether it is made up.
fn state(replica: &ReplicaStatus) -> String {
    let state = match replica.ready {
        true => "ready".to_owned(),
        false if replica.state == ContainerState::Running => "not ready".to_owned(),
        false => replica.state.to_string(),
    };
    if replica.simulated { format!("{state}, simulated") } else { state }
}
