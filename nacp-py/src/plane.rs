//! The control plane.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::control::{AppStatus, ControlPlane, Wanted};
use nacp_core::engine::{Docker, Engine};
use nacp_core::gateway::{Gateway as CoreGateway, GatewayOptions};
use nacp_core::{Error, ErrorKind, Result, error, observe, route, sim};
use pyo3::prelude::*;

use crate::app::App;
use crate::errors::guard;
use crate::gateway::{self, Gateway};
use crate::json;
use crate::node::Node;
use crate::number::number;
use crate::owner;
use crate::router::{Endpoint, Router};
use crate::runtime::{wait, wait_blocking, wait_for_task};
use crate::work::Work;

const ENGINES: [&str; 2] = ["docker", "simulated"];
/// How long a call that failed or was stopped waits for the router; after that the router follows by itself.
const FOLLOW_WITHIN: Duration = Duration::from_secs(2);

/// Runs apps on the GPUs of a node, and keeps a router up to date with them.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Plane {
    followed: Arc<Followed>,
    process: u32,
}

impl Drop for Plane {
    /// In a forked child nothing is dropped: the engine's threads are the parent's.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(Arc::clone(&self.followed));
        }
    }
}

/// A control plane, the router that follows it, and what was there when it last followed.
#[derive(Debug)]
struct Followed {
    plane: ControlPlane,
    router: Arc<route::Router>,
    seen: Mutex<Vec<AppStatus>>,
    /// One follow at a time: what was read first must not be written last.
    turn: tokio::sync::Mutex<()>,
}

impl Followed {
    async fn follow(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let statuses = self.plane.statuses().await?;
        self.router.update(statuses.iter().flat_map(AppStatus::endpoints));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = statuses;
        Ok(())
    }

    /// Waits for a change. Whatever comes of it, also when a signal ends the wait, the router follows what is there.
    fn change<T: Send + 'static>(
        self: &Arc<Self>,
        py: Python<'_>,
        change: impl Future<Output = Result<T>> + Send + 'static,
    ) -> PyResult<T> {
        let changed = wait(py, change);
        let this = Arc::clone(self);
        let limit = changed.is_err().then_some(FOLLOW_WITHIN);
        let followed = wait_for_task(py, limit, async move { this.follow().await });
        changed.and_then(|value| followed.map(|()| value))
    }

    /// The GPUs as they are now and the replicas as they were seen last, as Prometheus text.
    fn metrics(&self) -> Result<String> {
        let snapshot = self.plane.node().snapshot(&SystemClock::new())?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        observe::metrics(&snapshot, &seen)
    }
}

#[pymethods]
impl Plane {
    /// A control plane over this node and the engine of this name.
    #[new]
    fn new(py: Python<'_>, node: &Node, engine: String) -> PyResult<Self> {
        let node = node.0.clone();
        let engine = wait(py, async move { connect(&engine).await })?;
        let plane = ControlPlane::new(node, engine);
        let (router, seen, turn) = (Arc::default(), Mutex::default(), tokio::sync::Mutex::default());
        let followed = Arc::new(Followed { plane, router, seen, turn });
        Ok(Self { followed, process: std::process::id() })
    }

    /// What `apply` would do, as JSON.
    fn plan(&self, py: Python<'_>, app: &App) -> PyResult<String> {
        let (this, app) = (Arc::clone(&self.followed), app.0.clone());
        wait(py, async move { json::text(&this.plane.plan(&app).await?) })
    }

    /// Brings an app to what is wanted; its status as JSON. The router follows, also when this fails or is stopped.
    fn apply(&self, py: Python<'_>, app: &App) -> PyResult<String> {
        let (this, app) = (Arc::clone(&self.followed), app.0.clone());
        self.followed.change(py, async move { json::text(&this.plane.apply(&app).await?) })
    }

    /// As `apply`, in the background: it tells what happens, and its result is the status as JSON.
    fn start_apply(&self, py: Python<'_>, app: &App) -> PyResult<Work> {
        guard(py, || {
            let (this, app) = (Arc::clone(&self.followed), app.0.clone());
            let listener = this.plane.events().listen();
            Ok(Work::start(&app.name.clone(), listener, None, async move {
                let outcome = this.plane.apply(&app).await;
                let followed = this.follow().await;
                let status = outcome?;
                followed?;
                json::text(&status)
            })?)
        })
    }

    /// Keeps an app as it is wanted until it is closed, and tells what happens. The router follows.
    fn keep(&self, py: Python<'_>, app: &App) -> PyResult<Work> {
        guard(py, || {
            let (this, wanted) = (Arc::clone(&self.followed), Wanted::new(app.0.clone())?);
            let (listener, mut changes, kept) =
                (this.plane.events().listen(), this.plane.events().listen(), wanted.clone());
            Ok(Work::start(&wanted.name(), listener, Some(wanted), async move {
                let following = async {
                    while let Some(event) = changes.next().await {
                        if event.may_change_endpoints() {
                            // The next change is told again.
                            let _ = this.follow().await;
                        }
                    }
                };
                tokio::select! {
                    ended = this.plane.keep(&kept) => match ended? {},
                    () = following => Ok("null".to_owned()),
                }
            })?)
        })
    }

    /// What of an app is there, as JSON.
    fn status(&self, py: Python<'_>, app: String) -> PyResult<String> {
        let this = Arc::clone(&self.followed);
        wait(py, async move { json::text(&this.plane.status(&app).await?) })
    }

    /// The names of the apps of which something is there.
    fn apps(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let this = Arc::clone(&self.followed);
        wait(py, async move { this.plane.apps().await })
    }

    /// Where the ready replicas of all apps answer.
    fn endpoints(&self, py: Python<'_>) -> PyResult<Vec<Endpoint>> {
        let this = Arc::clone(&self.followed);
        let endpoints = wait(py, async move { this.plane.endpoints().await })?;
        Ok(endpoints.into_iter().map(Endpoint).collect())
    }

    /// Removes everything of an app; how many containers those were. The router follows.
    fn delete(&self, py: Python<'_>, app: String) -> PyResult<usize> {
        let this = Arc::clone(&self.followed);
        self.followed.change(py, async move { this.plane.delete(&app).await })
    }

    /// The last lines that a replica wrote.
    #[pyo3(signature = (app: "str", service: "str", replica: "int", lines: "int") -> "list[str]")]
    fn logs(
        &self,
        py: Python<'_>,
        app: String,
        service: String,
        replica: &Bound<'_, PyAny>,
        lines: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<String>> {
        let this = Arc::clone(&self.followed);
        let (replica, lines) =
            guard(py, || Ok((number("replica", replica, u32::MAX)?, number("lines", lines, u32::MAX)?)))?;
        wait(py, async move { this.plane.logs(&app, &service, replica, lines as usize).await })
    }

    /// The processes on the GPUs with their owners, whose containers have the engine's names, as JSON.
    fn processes(&self, py: Python<'_>) -> PyResult<String> {
        let this = Arc::clone(&self.followed);
        let names = wait(py, async move { this.plane.engine().names().await })?;
        let node = self.followed.plane.node().clone();
        wait_blocking(py, move || owner::processes(&node, &names))
    }

    /// What the engine is and what it offers, as JSON.
    fn engine_info(&self, py: Python<'_>) -> PyResult<String> {
        let this = Arc::clone(&self.followed);
        wait(py, async move { json::text(&this.plane.engine().info().await?) })
    }

    /// Brings the router up to date with what is ready now.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let this = Arc::clone(&self.followed);
        wait(py, async move { this.follow().await })
    }

    /// The GPUs as they are now and the replicas as they were seen last, as Prometheus text.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        let this = Arc::clone(&self.followed);
        wait_blocking(py, move || this.metrics())
    }

    /// Opens an HTTP address in front of the router that follows this plane; its `/metrics` are the plane's too.
    #[pyo3(signature = (host: "str", port: "int", api_key: "str | None") -> "Gateway")]
    fn gateway(
        &self,
        py: Python<'_>,
        host: &str,
        port: &Bound<'_, PyAny>,
        api_key: Option<String>,
    ) -> PyResult<Gateway> {
        let address = guard(py, || Ok(gateway::address(host, number("port", port, u16::MAX)?)?))?;
        let (this, router) = (Arc::clone(&self.followed), Arc::clone(&self.followed.router));
        let mut options = GatewayOptions::default();
        options.api_key = api_key;
        options.metrics = Some(Arc::new(move || this.metrics().unwrap_or_else(|error| format!("# {error}\n"))));
        wait(py, async move { CoreGateway::bind(address, router, options).await }).map(Gateway::new)
    }

    /// The router that follows this plane: the same one at every call.
    fn router(&self) -> Router {
        Router(Arc::clone(&self.followed.router))
    }
}

pub(crate) async fn connect(engine: &str) -> Result<Arc<dyn Engine>> {
    match engine {
        "docker" => Ok(Arc::new(Docker::connect().await?)),
        "simulated" => Ok(Arc::new(sim::Engine::new())),
        other => {
            let unknown = Error::new(ErrorKind::InvalidArgument, "python.engine", "no engine of this name")
                .with("engine", format_args!("{other:?}"))
                .with("known", ENGINES.join(","));
            Err(match error::nearest(other, ENGINES) {
                Some(near) => unknown.hint(format!("did you mean {near}?")),
                None => unknown,
            })
        }
    }
}
