//! The router: the one path that is called for every request, so it stays in Rust as a whole.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use nacp_core::route::{self, Request};
use nacp_core::{Error, ErrorKind, engine};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{Borrowed, PyTypeInfo};

use crate::errors::guard;

/// Where one replica of a service answers requests.
///
/// Attributes:
///     app: The app that the replica belongs to.
///     service: The service that it is a replica of.
///     model: The model that it serves, or None.
///     replica: The replica's name: that of its container.
///     address: The address of its HTTP server, such as `127.0.0.1:8000`.
///     url: The same as `http://…`.
///
/// >>> nacp.Endpoint(app="a", service="llm", replica="a.llm.0", address="127.0.0.1:8000").url
/// 'http://127.0.0.1:8000'
#[pyclass(frozen, eq, hash, from_py_object, module = "nacp")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint(pub(crate) engine::Endpoint);

#[pymethods]
impl Endpoint {
    #[new]
    #[pyo3(signature = (*, app, service, replica, address, model = None))]
    fn new(
        py: Python<'_>,
        app: String,
        service: String,
        replica: String,
        address: &str,
        model: Option<String>,
    ) -> PyResult<Self> {
        guard(py, || {
            let endpoint = engine::Endpoint::new(app, service, replica, socket(address)?);
            Ok(Self(match model {
                Some(model) => endpoint.model(model),
                None => endpoint,
            }))
        })
    }

    #[getter]
    fn app(&self) -> &str {
        &self.0.app
    }

    #[getter]
    fn service(&self) -> &str {
        &self.0.service
    }

    #[getter]
    fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    #[getter]
    fn replica(&self) -> &str {
        &self.0.replica
    }

    #[getter]
    fn address(&self) -> String {
        self.0.address.to_string()
    }

    #[getter]
    fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    fn __repr__(&self) -> String {
        let engine::Endpoint { app, service, model, replica, address, .. } = &self.0;
        let model = model.as_ref().map_or_else(String::new, |model| format!(" model={model}"));
        format!("<Endpoint {app}/{service} {replica} at {address}{model}>")
    }

    /// What every protocol of pickle can write; `__getnewargs_ex__` needs the second at least.
    #[pyo3(signature = () -> "tuple[object, ...]")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        guard(py, || {
            let fields = PyDict::new(py);
            fields.set_item("app", self.app())?;
            fields.set_item("service", self.service())?;
            fields.set_item("replica", self.replica())?;
            fields.set_item("address", self.address())?;
            fields.set_item("model", self.model())?;
            Ok(reduced::<Self>(py, fields)?)
        })
    }
}

type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyType>, Bound<'py, PyTuple>, Bound<'py, PyDict>));

/// How pickle makes a value again: from its class and fields.
fn reduced<'py, T: PyTypeInfo>(py: Python<'py>, fields: Bound<'py, PyDict>) -> PyResult<Reduced<'py>> {
    let new = py.import("copyreg")?.getattr("__newobj_ex__")?;
    Ok((new, (T::type_object(py), PyTuple::empty(py), fields)))
}

/// Endpoints in any sequence. A `Vec` reads the same, but its type stub says `SupportsGetItem`.
struct Endpoints(Vec<Endpoint>);

impl<'py> FromPyObject<'_, 'py> for Endpoints {
    type Error = PyErr;

    #[cfg(feature = "stubs")]
    const INPUT_TYPE: pyo3::inspect::PyStaticExpr = pyo3::type_hint_subscript!(
        pyo3::type_hint_identifier!("collections.abc", "Sequence"),
        <Endpoint as PyTypeInfo>::TYPE_HINT
    );

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        guard(py, || Ok(Self(given.extract()?)))
    }
}

fn socket(address: &str) -> Result<SocketAddr, Error> {
    address.parse().map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, "engine.endpoint", "not an address")
            .with("value", format_args!("{address:?}"))
            .hint("write an IP address and a port, for example 127.0.0.1:8000")
    })
}

/// An endpoint of a router's table and how busy it is.
///
/// Attributes:
///     endpoint: The endpoint.
///     in_flight: Requests that it is working on.
///     served: Requests that were routed to it since it came into the table, those in flight included.
#[pyclass(frozen, eq, hash, get_all, module = "nacp")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndpointLoad {
    endpoint: Endpoint,
    in_flight: u32,
    served: u64,
}

#[pymethods]
impl EndpointLoad {
    #[new]
    #[pyo3(signature = (*, endpoint, in_flight, served))]
    fn new(endpoint: Endpoint, in_flight: u32, served: u64) -> Self {
        Self { endpoint, in_flight, served }
    }

    #[pyo3(signature = () -> "tuple[object, ...]")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        guard(py, || {
            let fields = PyDict::new(py);
            fields.set_item("endpoint", self.endpoint.clone())?;
            fields.set_item("in_flight", self.in_flight)?;
            fields.set_item("served", self.served)?;
            Ok(reduced::<Self>(py, fields)?)
        })
    }

    fn __repr__(&self) -> String {
        let Self { endpoint, in_flight, served } = self;
        format!("<EndpointLoad {} in_flight={in_flight} served={served}>", endpoint.replica())
    }
}

/// Chooses the replica for each request: of two drawn at random the one that is less busy.
///
/// It may be used from many threads at once.
///
/// >>> router = nacp.Router()
/// >>> router.update([nacp.Endpoint(app="a", service="llm", replica="a.llm.0", address="127.0.0.1:8000")])
/// >>> with router.route("a/llm") as lease:
/// ...     lease.endpoint.url
/// 'http://127.0.0.1:8000'
#[pyclass(frozen, module = "nacp")]
#[derive(Debug)]
pub(crate) struct Router(pub(crate) Arc<route::Router>);

#[pymethods]
impl Router {
    #[new]
    fn new() -> Self {
        Self(Arc::new(route::Router::new()))
    }

    /// Replaces the table by these endpoints, all of which are ready.
    ///
    /// An endpoint that stays keeps its counts; leases on one that goes stay valid until they end.
    fn update(&self, py: Python<'_>, endpoints: Endpoints) -> PyResult<()> {
        guard(py, || {
            self.0.update(endpoints.0.into_iter().map(|endpoint| endpoint.0));
            Ok(())
        })
    }

    /// Chooses the endpoint for a request and counts the request until the lease ends.
    ///
    /// Args:
    ///     model: What the client asks for: a model, a service's name, or `app/service`.
    ///
    /// Raises:
    ///     NotFound: Nothing answers to the name.
    ///     Conflict: Services of several apps have it.
    fn route(&self, py: Python<'_>, model: &str) -> PyResult<Lease> {
        guard(py, || Ok(Lease(Mutex::new(Held::Open(self.0.route(&Request::new(model))?)))))
    }

    /// Every endpoint of the table with its load, ordered by replica.
    fn endpoints(&self, py: Python<'_>) -> PyResult<Vec<EndpointLoad>> {
        guard(py, || {
            let loads = self.0.endpoints().into_iter();
            Ok(loads
                .map(|load| EndpointLoad {
                    endpoint: Endpoint(load.endpoint),
                    in_flight: load.in_flight,
                    served: load.served,
                })
                .collect())
        })
    }

    /// What a client may ask for: each model, and `app/service` of each service that names no model.
    fn names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        guard(py, || Ok(self.0.names()))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        guard(py, || Ok(format!("<Router of {} endpoints: {}>", self.0.endpoints().len(), self.0.names().join(", "))))
    }
}

/// A request that was routed to an endpoint and is not over.
///
/// Use it in a `with` block, or call `end()`; one that is forgotten ends when it is collected.
///
/// Attributes:
///     endpoint: Where to send the request.
///     over: Whether the request is over.
#[pyclass(frozen, module = "nacp")]
#[derive(Debug)]
pub(crate) struct Lease(Mutex<Held>);

#[derive(Debug)]
enum Held {
    Open(route::Lease),
    Over(engine::Endpoint),
}

#[pymethods]
impl Lease {
    #[getter]
    fn endpoint(&self) -> Endpoint {
        Endpoint(match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Held::Open(lease) => lease.endpoint().clone(),
            Held::Over(endpoint) => endpoint.clone(),
        })
    }

    #[getter]
    fn over(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Held::Over(_))
    }

    /// Says that the request is over. Ending twice is no error.
    fn end(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Held::Open(lease) = &*held {
            *held = Held::Over(lease.endpoint().clone());
        }
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {
        self.end();
    }

    fn __repr__(&self) -> String {
        let state = if self.over() { "over" } else { "open" };
        format!("<Lease on {}, {state}>", self.endpoint().replica())
    }
}
