//! The control plane.

use std::sync::Arc;

use nacp_core::control::ControlPlane;
use nacp_core::engine::{Docker, Engine};
use nacp_core::gateway::{Gateway as CoreGateway, GatewayOptions};
use nacp_core::{Error, ErrorKind, Result, error, route, sim};
use pyo3::prelude::*;

use crate::app::App;
use crate::errors::guard;
use crate::gateway::{self, Gateway};
use crate::json;
use crate::node::Node;
use crate::router::{Endpoint, Router};
use crate::runtime::wait;

const ENGINES: [&str; 2] = ["docker", "simulated"];

/// Runs apps on the GPUs of a node, and keeps a router up to date with them.
#[pyclass(frozen, module = "nacp._nacp")]
#[derive(Debug)]
pub(crate) struct Plane {
    plane: ControlPlane,
    router: Arc<route::Router>,
}

#[pymethods]
impl Plane {
    /// A control plane over this node and the engine of this name.
    #[new]
    fn new(py: Python<'_>, node: &Node, engine: String) -> PyResult<Self> {
        let node = node.0.clone();
        let engine = wait(py, async move { connect(&engine).await })?;
        Ok(Self { plane: ControlPlane::new(node, engine), router: Arc::default() })
    }

    /// What `apply` would do, as JSON.
    fn plan(&self, py: Python<'_>, app: &App) -> PyResult<String> {
        let (plane, app) = (self.plane.clone(), app.0.clone());
        wait(py, async move { json::text(&plane.plan(&app).await?) })
    }

    /// Brings an app to what is wanted; its status as JSON. The router follows, also when this fails half-way.
    fn apply(&self, py: Python<'_>, app: &App) -> PyResult<String> {
        let (plane, router, app) = (self.plane.clone(), Arc::clone(&self.router), app.0.clone());
        wait(py, async move {
            let applied = plane.apply(&app).await;
            let followed = follow(&plane, &router).await;
            let status = applied?;
            followed?;
            json::text(&status)
        })
    }

    /// What of an app is there, as JSON.
    fn status(&self, py: Python<'_>, app: String) -> PyResult<String> {
        let plane = self.plane.clone();
        wait(py, async move { json::text(&plane.status(&app).await?) })
    }

    /// The names of the apps of which something is there.
    fn apps(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let plane = self.plane.clone();
        wait(py, async move { plane.apps().await })
    }

    /// Where the ready replicas of all apps answer.
    fn endpoints(&self, py: Python<'_>) -> PyResult<Vec<Endpoint>> {
        let plane = self.plane.clone();
        let endpoints = wait(py, async move { plane.endpoints().await })?;
        Ok(endpoints.into_iter().map(Endpoint).collect())
    }

    /// Removes everything of an app; how many containers those were. The router follows.
    fn delete(&self, py: Python<'_>, app: String) -> PyResult<usize> {
        let (plane, router) = (self.plane.clone(), Arc::clone(&self.router));
        wait(py, async move {
            let deleted = plane.delete(&app).await;
            let followed = follow(&plane, &router).await;
            let count = deleted?;
            followed.map(|()| count)
        })
    }

    /// The last lines that a replica wrote.
    fn logs(&self, py: Python<'_>, app: String, service: String, replica: u32, lines: usize) -> PyResult<Vec<String>> {
        let plane = self.plane.clone();
        wait(py, async move { plane.logs(&app, &service, replica, lines).await })
    }

    /// What the engine is and what it offers, as JSON.
    fn engine_info(&self, py: Python<'_>) -> PyResult<String> {
        let engine = Arc::clone(self.plane.engine());
        wait(py, async move { json::text(&engine.info().await?) })
    }

    /// Brings the router up to date with what is ready now.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let (plane, router) = (self.plane.clone(), Arc::clone(&self.router));
        wait(py, async move { follow(&plane, &router).await })
    }

    /// Opens an HTTP address in front of the router that follows this plane.
    fn gateway(&self, py: Python<'_>, host: &str, port: u16, api_key: Option<String>) -> PyResult<Gateway> {
        let address = guard(py, || Ok(gateway::address(host, port)?))?;
        let router = Arc::clone(&self.router);
        let mut options = GatewayOptions::default();
        options.api_key = api_key;
        wait(py, async move { CoreGateway::bind(address, router, options).await }).map(Gateway::new)
    }

    /// The router that follows this plane: the same one at every call.
    fn router(&self) -> Router {
        Router(Arc::clone(&self.router))
    }
}

async fn follow(plane: &ControlPlane, router: &route::Router) -> Result<()> {
    router.update(plane.endpoints().await?);
    Ok(())
}

async fn connect(engine: &str) -> Result<Arc<dyn Engine>> {
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
