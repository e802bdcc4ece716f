//! The program `nacp` in this process: what `pip install` puts on the search path.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nacp_cli::{Exit, Interrupt, Streams};
use nacp_core::{Error, ErrorKind, Program};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::errors::{Failure, guard};

/// How often a waiting thread looks for signals: Ctrl-C is answered within this time.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// Does what the program `nacp` does with these arguments, on the standard streams of this process, and gives the number
/// with which it ends. Children that touch a driver are started as `program` with its arguments.
#[pyfunction]
#[pyo3(signature = (arguments, program))]
pub(crate) fn cli(py: Python<'_>, arguments: Vec<OsString>, program: (PathBuf, Vec<OsString>)) -> PyResult<u8> {
    guard(py, || {
        let children = program.1.into_iter().fold(Program::new(program.0), Program::arg);
        let interrupt = Interrupt::default();
        let (say, said) = channel();
        let said = Mutex::new(said);
        let wish = interrupt.clone();
        let run = move || {
            // Whoever waits may be gone.
            let _ = say.send(nacp_cli::run(arguments, &mut Streams::system(), &children, &wish));
        };
        thread::Builder::new().name("nacp-cli".into()).spawn(run).map_err(no_thread)?;
        let mut asked: Option<PyErr> = None;
        loop {
            let next = || said.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(SIGNAL_POLL);
            match py.detach(next) {
                Ok(exit) => return Ok(exit.code()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(asked.map_or_else(|| ended().into(), Failure::from)),
            }
            let Err(signal) = py.check_signals() else { continue };
            let ctrl_c = signal.is_instance_of::<PyKeyboardInterrupt>(py);
            let tidies_up = if ctrl_c { interrupt.raise() } else { interrupt.terminate() };
            match (tidies_up, ctrl_c) {
                (true, _) => asked = Some(signal),
                (false, true) => return Ok(Exit::Interrupted.code()),
                (false, false) => return Err(signal.into()),
            }
        }
    })
}

fn no_thread(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::ResourceExhausted, "python.cli", "no thread can be started")
        .with("reason", &cause)
        .caused_by(cause)
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "python.cli", "the program ended without an answer")
}
