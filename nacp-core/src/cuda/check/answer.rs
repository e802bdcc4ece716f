//! The child's part.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::bodies;
use super::executor::ASKED;
use super::task::{Answer, Says, line, read};
use super::worker::{Given, Worker};
use crate::clock::SystemClock;

/// How long what is under way may go on when the parent is gone.
const LAST: Duration = Duration::from_secs(1);

/// Runs checks if this process was started to, and says whether it was: then there is nothing left to do for the
/// program, and it should end. Called first in `main`, before anything else touches a GPU or prints;
/// [`nacp_core::answer`](crate::answer) does it.
///
/// What is to be done comes through the standard input, and what was found goes to the standard output, which belongs
/// to the caller of [`Check::run`](super::Check::run) then. When the standard input ends, the process does so within two
/// seconds, whatever the driver does. In a process that was not started to check it does nothing.
#[must_use = "a program that was started to check has nothing left to do"]
pub fn answer() -> bool {
    if !is_child() {
        return false;
    }
    // The parent may be gone, and nobody else is there to be told.
    let _ = serve();
    true
}

/// Listens in a thread of its own, so that the end of the parent is heard while a check is under way.
fn serve() -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = channel();
    let (over, is_over) = channel::<()>();
    let to_stop = Arc::clone(&stop);
    let hear = move || {
        listen(io::stdin().lock(), &tell);
        drop(tell);
        to_stop.store(true, Ordering::Relaxed);
        if matches!(is_over.recv_timeout(LAST), Err(RecvTimeoutError::Timeout)) {
            leave(&is_over);
        }
    };
    thread::Builder::new().name("nacp-check-ear".into()).spawn(hear)?;
    let ended = converse(&told, &stop, &mut io::stdout().lock());
    drop(over);
    ended
}

/// Ends this process, also where the driver hangs in what it does at its end.
#[expect(clippy::disallowed_methods, reason = "a child whose parent is gone has nobody to return an error to")]
fn leave(is_over: &Receiver<()>) {
    let _ = thread::Builder::new().name("nacp-check-end".into()).spawn(|| std::process::exit(1));
    let _ = is_over.recv_timeout(LAST);
    std::process::abort()
}

/// Hands over what is said, until there is nobody who says anything.
fn listen(input: impl BufRead, tell: &Sender<Says>) {
    for text in input.lines() {
        let Ok(text) = text else { return };
        // What cannot be read is not for a child, or of a parent of another version, which will tell by the silence.
        if let Some(Ok(says)) = read(&text)
            && tell.send(says).is_err()
        {
            return;
        }
    }
}

/// Whether this process was started to check.
pub(super) fn is_child() -> bool {
    std::env::var_os(ASKED).is_some_and(|value| value == "1")
}

/// Does task after task until there is nobody who gives one.
fn converse(told: &Receiver<Says>, stop: &Arc<AtomicBool>, out: &mut dyn Write) -> io::Result<()> {
    let mut say = |answer| {
        out.write_all(line(Says::Answer(answer))?.as_bytes())?;
        out.flush()
    };
    say(Answer::Here)?;
    let mut worker = None;
    while let Ok(says) = told.recv() {
        match says {
            Says::Setup(setup) => {
                let given =
                    Given { driver: None, telemetry: None, clock: Arc::new(SystemClock::new()), bodies: bodies::body };
                worker = Some(Worker::new(*setup, given, Arc::clone(stop)));
            }
            Says::Task(task) => {
                if let Some(worker) = &mut worker {
                    say(worker.work(task))?;
                }
            }
            Says::Answer(_) => {}
        }
    }
    Ok(())
}
