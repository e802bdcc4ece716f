//! The one tokio runtime of the process, and how a Python thread waits for it.

use std::future::Future;
use std::num::NonZero;
use std::sync::OnceLock;
use std::time::Duration;

use nacp_core::{Error, ErrorKind};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::errors::{Failure, guard, panicked};

/// How often a waiting thread looks for signals: Ctrl-C is answered within this time.
const SIGNAL_POLL: Duration = Duration::from_millis(50);
/// Everything that NACP does here waits for sockets and timers; more threads would only stand by.
const MOST_THREADS: usize = 8;

/// The runtime and the process that built it: its threads do not exist in a forked child.
static RUNTIME: OnceLock<(u32, Runtime)> = OnceLock::new();

fn runtime() -> Result<&'static Runtime, Error> {
    let here = std::process::id();
    let (owner, runtime) = match RUNTIME.get() {
        Some(built) => built,
        None => {
            let built = (here, build()?);
            RUNTIME.get_or_init(|| built)
        }
    };
    if *owner == here {
        return Ok(runtime);
    }
    Err(Error::new(
        ErrorKind::Internal,
        "python.runtime",
        "nacp was used before the fork and cannot run in a forked child",
    )
    .with("parent", owner)
    .with("child", here)
    .hint("start workers with multiprocessing.get_context(\"spawn\"), or use nacp in the child alone"))
}

fn build() -> Result<Runtime, Error> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(cores.min(MOST_THREADS))
        .thread_name("nacp-worker")
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, "python.runtime", "cannot start worker threads")
                .with("reason", &error)
                .caused_by(error)
        })
}

/// Runs a future on the runtime and waits for it without the GIL. An exception that a signal handler raises, such as
/// `KeyboardInterrupt`, ends the wait and drops the future.
pub(crate) fn wait<T, F>(py: Python<'_>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    guard(py, || join(py, runtime()?.spawn(future)))
}

/// As [`wait`], for a call that blocks its thread. It cannot be stopped half-way: after a signal it ends by itself.
pub(crate) fn wait_blocking<T, F>(py: Python<'_>, call: F) -> PyResult<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    guard(py, || join(py, runtime()?.spawn_blocking(call)))
}

fn join<T: Send>(py: Python<'_>, mut task: JoinHandle<Result<T, Error>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    loop {
        let seen = py.detach(|| runtime.block_on(async { tokio::time::timeout(SIGNAL_POLL, &mut task).await }));
        match seen {
            Ok(Ok(done)) => return Ok(done?),
            Ok(Err(ended)) => return Err(lost(ended).into()),
            Err(_) => {
                if let Err(raised) = py.check_signals() {
                    task.abort();
                    return Err(raised.into());
                }
            }
        }
    }
}

fn lost(ended: tokio::task::JoinError) -> Error {
    match ended.try_into_panic() {
        Ok(payload) => panicked(&*payload),
        Err(_) => Error::new(ErrorKind::Cancelled, "python.call", "the runtime has ended"),
    }
}
