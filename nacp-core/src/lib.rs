//! NACP, the NVIDIA AI Control Plane: a library that finds the GPUs of a machine, checks that CUDA works on them, says
//! where it runs, gives inference services their GPUs, runs them in containers and routes each request to the right
//! replica. No daemon, no database and no cluster is needed.
//!
//! # Two flows
//!
//! What is here, and does it work:
//!
//! ```no_run
//! use nacp_core::clock::SystemClock;
//! use nacp_core::cuda::Level;
//! use nacp_core::{cuda, gpu, host};
//!
//! println!("{}", host::detect());
//! println!("{}", cuda::check(Level::Quick));
//! for state in gpu::Node::discover()?.snapshot(&SystemClock::new())?.gpus {
//!     println!("{} {}", state.gpu.id, state.gpu.name);
//! }
//! # Ok::<(), nacp_core::Error>(())
//! ```
//!
//! Run a service and send it a request, here in a world without GPUs and containers ([`sim`]); with
//! [`gpu::Node::discover`] and [`engine::Docker::connect`] the rest stays as it is:
//!
//! ```
//! use std::sync::Arc;
//! use nacp_core::control::ControlPlane;
//! use nacp_core::route::{Request, Router};
//! use nacp_core::service::App;
//! use nacp_core::{gpu, sim};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let node = gpu::Node::from_source(Arc::new(sim::Node::named("rtx3050ti-laptop-wsl2")?))?;
//! let plane = ControlPlane::new(node, Arc::new(sim::Engine::new()));
//! let app = App::parse("
//! name: demo
//! services:
//!   llm: { image: example/llm:1, model: tiny, gpu: { memory: 1GiB }, port: 8000, replicas: 2, ready: { http: /healthz } }
//! ")?;
//! plane.apply(&app).await?;
//!
//! let router = Router::new();
//! router.update(plane.endpoints().await?);
//! let lease = router.route(&Request::new("tiny"))?;
//! println!("send it to http://{}/v1/chat/completions", lease.endpoint().address);
//! drop(lease);
//! plane.delete("demo").await?;
//! # Ok::<(), nacp_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Modules
//!
//! | to | use |
//! |---|---|
//! | find GPUs and read them | [`gpu`] |
//! | check that CUDA works, how fast, and that it repeats | [`cuda`] |
//! | learn whether a driver, a toolkit and a GPU fit | [`cuda::compat`] |
//! | learn where this process runs | [`host`] |
//! | describe what to run | [`service`] |
//! | decide on which GPU | [`placement`] |
//! | run containers | [`engine`] |
//! | keep an app as it is wanted | [`control`] |
//! | choose the replica of a request | [`route`] |
//! | put one address in front of all services | [`gateway`] |
//! | export metrics | [`observe`] |
//! | do all of it without GPUs | [`sim`] |
//!
//! # Features
//!
//! All are on by default. Without them (`default-features = false`) no driver and no container engine is opened and
//! nothing listens. What stays is everything that is decided ([`service`], [`placement`], [`route`]), [`control`] over
//! an engine and GPUs of your own ([`engine::Engine`], [`gpu::Source`]) with its HTTP client that asks whether a replica
//! is ready, [`host`], and [`observe`]; so tokio, hyper's client and prometheus-client stay dependencies.
//!
//! | feature | for | brings |
//! |---|---|---|
//! | `nvml` | discovering GPUs through the NVIDIA driver | nvml-wrapper; the library is opened at run time |
//! | `cuda` | the CUDA driver: probe, checks, certificates, the way to cudarc | libloading, cudarc (no CUDA toolkit) |
//! | `docker` | running containers on Docker or Podman | bollard |
//! | `gateway` | the HTTP gateway | hyper's server |
//! | `record` | recording the readings of GPUs to a file, and replaying them | zstd |
//! | `sim` | simulated GPUs, CUDA driver, engine and services | hyper's server |
//! | `topology-graph` | the links between GPUs as a graph | petgraph |
//!
//! # Errors
//!
//! Everything that can fail returns [`Error`]; [`ErrorKind`] says what the caller can do about it. The library never
//! panics on what it reads, never waits without a limit, never starts a runtime of its own and never writes to the
//! standard streams, except in a process that was started to ([`answer`]); it logs through `tracing`.

#![deny(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
#![deny(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test may sleep, spawn and read the real clock"))]

#[cfg(any(feature = "docker", feature = "doctor"))]
#[cfg_attr(not(feature = "doctor"), allow(dead_code, reason = "an engine asks a specification for names only"))]
mod cdi;
#[cfg(any(feature = "cuda", feature = "nvml"))]
mod child;
pub mod clock;
pub mod control;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod engine;
pub mod error;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod gpu;
pub mod host;
#[cfg(any(feature = "gateway", feature = "sim"))]
mod listen;
pub mod observe;
pub mod placement;
mod random;
pub mod route;
pub mod service;
#[cfg(feature = "sim")]
pub mod sim;
pub mod units;

/// Does what this process was started for, if NACP has started it to touch a driver first, and says whether it did: then
/// there is nothing left to do for the program, and it should end.
///
/// A guard of the management library (`gpu::probe::Guard`) and checks in a child (`cuda::check::Isolation`) start such
/// processes. Called first in `main`, before anything else touches a GPU or prints. In any other process it does
/// nothing.
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if nacp_core::answer() {
///         return ExitCode::SUCCESS;
///     }
///     // The program.
///     ExitCode::SUCCESS
/// }
/// ```
#[cfg(any(feature = "cuda", feature = "nvml"))]
#[must_use = "a program that was started to touch a driver has nothing left to do"]
pub fn answer() -> bool {
    #[cfg(feature = "nvml")]
    if gpu::probe::answer() {
        return true;
    }
    #[cfg(feature = "cuda")]
    if cuda::check::answer() {
        return true;
    }
    false
}

#[cfg(any(feature = "cuda", feature = "nvml"))]
pub use child::Program;
pub use error::{Error, ErrorKind, Result, Retry};
pub use units::Bytes;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/telemetry.md")]
struct TelemetryChapter;

#[cfg(all(doctest, feature = "cuda"))]
#[doc = include_str!("../../docs/cuda.md")]
struct CudaChapter;

#[cfg(all(doctest, feature = "cuda"))]
#[doc = include_str!("../../docs/cuda-checks.md")]
struct ChecksChapter;

#[cfg(all(doctest, feature = "cuda"))]
#[doc = include_str!("../../docs/cuda-compat.md")]
struct CompatChapter;

#[cfg(all(doctest, feature = "cuda"))]
#[doc = include_str!("../../docs/determinism.md")]
struct DeterminismChapter;

#[cfg(all(doctest, feature = "doctor"))]
#[doc = include_str!("../../docs/lock.md")]
struct LockChapter;

#[cfg(all(doctest, feature = "doctor"))]
#[doc = include_str!("../../docs/doctor.md")]
struct DoctorChapter;

#[cfg(doctest)]
#[doc = include_str!("../../docs/host.md")]
struct HostChapter;
