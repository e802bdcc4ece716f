//! The one tokio runtime of the process, and how a Python thread waits for it.

use std::future::Future;
use std::num::NonZero;
use std::sync::OnceLock;
use std::time::Duration;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::{Error, ErrorKind};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::errors::{Failure, guard, panicked};

/// How often a waiting thread looks for signals: Ctrl-C is answered within this time.
const SIGNAL_POLL: Duration = Duration::from_millis(50);
/// How long a stopped future may take to its next pause, where it is dropped.
const DROP_WITHIN: Duration = Duration::from_secs(1);
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
    if *owner == here { Ok(runtime) } else { Err(forked("python.runtime", *owner)) }
}

/// Why something that another process made, this one's parent, cannot be used here.
pub(crate) fn forked(operation: &'static str, owner: u32) -> Error {
    Error::new(ErrorKind::Unsupported, operation, "nacp was used before the fork and cannot run in a forked child")
        .with("parent", owner)
        .with("child", std::process::id())
        .hint("start workers with multiprocessing.get_context(\"spawn\"), or use nacp in the child alone")
}

/// Starts work in the background.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<JoinHandle<T>, Error> {
    Ok(runtime()?.spawn(work))
}

/// Runs a short wait on this thread, which must not hold the GIL.
pub(crate) fn on_runtime<T>(wait: impl Future<Output = T>) -> Result<T, Error> {
    Ok(runtime()?.block_on(wait))
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

/// What an exception that a signal handler raises, such as `KeyboardInterrupt`, does to what is waited for. It always
/// ends the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterSignal {
    Drop,
    GoOn,
}

/// Runs a future on the runtime and waits for it without the GIL. An exception that a signal handler raises ends the
/// wait and drops the future: when this returns, it is gone.
pub(crate) fn wait<T, F>(py: Python<'_>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    guard(py, || join(py, runtime()?.spawn(future), AfterSignal::Drop))
}

/// As [`wait`], for what must be done in any case: after a signal, and after the limit, it goes on by itself.
pub(crate) fn wait_for_task<T, F>(py: Python<'_>, limit: Option<Duration>, future: F) -> PyResult<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    guard(py, || {
        let runtime = runtime()?;
        let task = runtime.spawn(future);
        let Some(limit) = limit else { return join(py, task, AfterSignal::GoOn) };
        let limited = async move { tokio::time::timeout(limit, task).await.map_err(|_| late(limit))?.map_err(lost)? };
        join(py, runtime.spawn(limited), AfterSignal::GoOn)
    })
}

/// As [`wait`], for a call that blocks its thread. It cannot be stopped half-way: after a signal it ends by itself.
pub(crate) fn wait_blocking<T, F>(py: Python<'_>, call: F) -> PyResult<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    guard(py, || join(py, runtime()?.spawn_blocking(call), AfterSignal::GoOn))
}

/// Waits on this thread, turn by turn, until `turn` has found something; false when the limit has passed. Each turn
/// blocks for as long as it is told at most, without the GIL; an exception of a signal handler ends the wait.
pub(crate) fn wait_in_turns(
    py: Python<'_>,
    limit: Duration,
    turn: impl Fn(Duration) -> Result<bool, Error> + Sync,
) -> Result<bool, Failure> {
    let clock = SystemClock::new();
    loop {
        let left = limit.saturating_sub(clock.monotonic());
        if py.detach(|| turn(left.min(SIGNAL_POLL)))? {
            return Ok(true);
        }
        py.check_signals()?;
        if left <= SIGNAL_POLL {
            return Ok(false);
        }
    }
}

fn join<T: Send>(py: Python<'_>, mut task: JoinHandle<Result<T, Error>>, after: AfterSignal) -> Result<T, Failure> {
    let runtime = runtime()?;
    loop {
        let seen = py.detach(|| runtime.block_on(async { tokio::time::timeout(SIGNAL_POLL, &mut task).await }));
        match seen {
            Ok(Ok(done)) => return Ok(done?),
            Ok(Err(ended)) => return Err(lost(ended).into()),
            Err(_) => {
                if let Err(raised) = py.check_signals() {
                    if after == AfterSignal::Drop {
                        task.abort();
                        let _ended = py
                            .detach(|| runtime.block_on(async { tokio::time::timeout(DROP_WITHIN, &mut task).await }));
                    }
                    return Err(raised.into());
                }
            }
        }
    }
}

fn late(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "python.call", "the call goes on by itself").with("limit", format_args!("{limit:?}"))
}

pub(crate) fn lost(ended: tokio::task::JoinError) -> Error {
    match ended.try_into_panic() {
        Ok(payload) => panicked(&*payload),
        Err(_) => Error::new(ErrorKind::Cancelled, "python.call", "the runtime has ended"),
    }
}
