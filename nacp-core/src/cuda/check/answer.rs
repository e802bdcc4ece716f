//! The child's part.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::bodies;
use super::executor::ASKED;
use super::task::{Answer, Says, line, read};
use super::worker::{Given, Worker};
use crate::clock::SystemClock;

/// Runs checks if this process was started to, and says whether it was: then there is nothing left to do for the
/// program, and it should end. Called first in `main`, before anything else touches a GPU or prints;
/// [`nacp_core::answer`](crate::answer) does it.
///
/// What is to be done comes through the standard input, and what was found goes to the standard output, which belongs
/// to the caller of [`Check::run`](super::Check::run) then. In a process that was not started to check it does nothing.
#[must_use = "a program that was started to check has nothing left to do"]
pub fn answer() -> bool {
    if !is_child() {
        return false;
    }
    // The parent may be gone, and nobody else is there to be told.
    let _ = converse(io::stdin().lock(), &mut io::stdout().lock());
    true
}

/// Whether this process was started to check.
pub(super) fn is_child() -> bool {
    std::env::var_os(ASKED).is_some_and(|value| value == "1")
}

/// Does task after task until there is nobody who gives one.
fn converse(input: impl BufRead, out: &mut dyn Write) -> io::Result<()> {
    let mut say = |answer| {
        out.write_all(line(Says::Answer(answer))?.as_bytes())?;
        out.flush()
    };
    say(Answer::Here)?;
    let mut worker = None;
    for text in input.lines() {
        match read(&text?) {
            Some(Ok(Says::Setup(setup))) => {
                let given =
                    Given { driver: None, telemetry: None, clock: Arc::new(SystemClock::new()), bodies: bodies::body };
                worker = Some(Worker::new(*setup, given, Arc::new(AtomicBool::new(false))));
            }
            Some(Ok(Says::Task(task))) => {
                if let Some(worker) = &mut worker {
                    say(worker.work(task))?;
                }
            }
            // Not for a child, or of a parent of another version, which will tell by the silence.
            _ => {}
        }
    }
    Ok(())
}
