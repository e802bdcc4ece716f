//! Who does the work: a thread of this process, or a child.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::task::{Answer, Says, Setup, Task, line, read};
use super::worker::{Given, Worker};
use crate::child::{Child, Group, Heard, Program, crash};
use crate::clock::{Clock, SystemClock};

/// Set to `1` for the child.
pub(super) const ASKED: &str = "NACP_CHECK";
/// How often who ends is looked for.
const TICK: Duration = Duration::from_millis(5);
/// How a program becomes a child of the checks.
pub(super) const FIRST: &str = "call nacp_core::answer() first in main";

/// One who is given tasks and answers them, one at a time.
pub(super) enum Executor {
    Thread(Worked),
    Child(Box<Child<Says>>),
}

/// A thread at work.
pub(super) struct Worked {
    tasks: Sender<Task>,
    answers: Receiver<Answer>,
    stop: Arc<AtomicBool>,
}

/// What comes from it.
pub(super) enum Reply {
    Answer(Answer),
    /// It is no more.
    Gone(Gone),
}

/// Why an executor is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// What happened, and what can be done.
    pub(super) reason: String,
    /// Whether the driver brought it down.
    pub(super) crashed: bool,
}

impl Executor {
    /// A thread. It ends when this value is dropped and its task is done.
    pub(super) fn thread(setup: Setup, given: Given) -> std::io::Result<Self> {
        let (tasks, to_do) = channel();
        let (tell, answers) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut worker = Worker::new(setup, given, Arc::clone(&stop));
        thread::Builder::new().name("nacp-check".into()).spawn(move || {
            let mut said = tell.send(Answer::Here);
            while let (Ok(()), Ok(task)) = (&said, to_do.recv()) {
                said = tell.send(worker.work(task));
            }
            // Who waits for the end of the answers waits for this too.
            drop(worker);
            drop(tell);
        })?;
        Ok(Self::Thread(Worked { tasks, answers, stop }))
    }

    /// A child. It is killed when this value is dropped.
    pub(super) fn child(program: &Program, setup: &Setup, group: Group) -> std::io::Result<Self> {
        let command = program.command(|command| {
            // A child that counts as this process does would count NVML's devices in another order.
            command.env(ASKED, "1").env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
        });
        let mut child = Child::converse(command, group, read)?;
        // One that does not listen ends or stays silent, and that is told then.
        let _ = child.write(&line(Says::Setup(Box::new(setup.clone())))?);
        Ok(Self::Child(Box::new(child)))
    }

    /// Gives it a task. That it did not take it shows in what comes next.
    pub(super) fn give(&mut self, task: Task) {
        match self {
            Self::Thread(thread) => drop(thread.tasks.send(task)),
            Self::Child(child) => {
                let said = line(Says::Task(task)).and_then(|line| child.write(&line));
                if let Err(error) = said {
                    tracing::debug!(%error, "the child of the checks does not listen");
                }
            }
        }
    }

    /// Waits a moment, and `most` at most, for what comes from it.
    pub(super) fn wait(&mut self, most: Duration) -> Option<Reply> {
        match self {
            Self::Thread(thread) => match thread.answers.recv_timeout(most) {
                Ok(answer) => Some(Reply::Answer(answer)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = "the check panicked: an error in NACP, please report it".into();
                    Some(Reply::Gone(Gone { reason, crashed: false }))
                }
            },
            Self::Child(child) => match child.listen(most)? {
                Heard::Message(Says::Answer(answer)) => Some(Reply::Answer(answer)),
                Heard::Message(_) => None,
                Heard::Garbled(reason) => {
                    let reason = format!("the child's answer cannot be read: {reason}; run the same version of NACP");
                    Some(Reply::Gone(Gone { reason, crashed: false }))
                }
                Heard::TooMuch => {
                    let reason = format!("the child prints without end; {FIRST}");
                    Some(Reply::Gone(Gone { reason, crashed: false }))
                }
                Heard::Ended(status) => {
                    let crash = crash(status);
                    let how = match &crash {
                        Some(signal) => format!("signal={signal}"),
                        None => format!("status={status}"),
                    };
                    let tail = child.stderr_tail().map(|tail| format!(" stderr={tail:?}")).unwrap_or_default();
                    Some(Reply::Gone(Gone { reason: format!("{how}{tail}"), crashed: crash.is_some() }))
                }
            },
        }
    }

    /// Asks it to stop, and says whether it may do so.
    pub(super) fn stop(&self) -> bool {
        match self {
            Self::Thread(thread) => {
                thread.stop.store(true, Ordering::Relaxed);
                true
            }
            Self::Child(_) => false,
        }
    }

    /// Lets it put away what it holds, for a stated time at most.
    pub(super) fn end(self, most: Duration) {
        let clock = SystemClock::new();
        let mut executor = match self {
            Self::Thread(Worked { tasks, answers, stop }) => {
                drop(tasks);
                Self::Thread(Worked { tasks: channel().0, answers, stop })
            }
            Self::Child(mut child) => {
                child.close_stdin();
                Self::Child(child)
            }
        };
        while clock.monotonic() < most && !matches!(executor.wait(TICK), Some(Reply::Gone(_))) {}
    }

    /// The end of what a child printed that was not for us.
    pub(super) fn stdout_tail(&self) -> Option<String> {
        match self {
            Self::Thread(_) => None,
            Self::Child(child) => child.stdout_tail(),
        }
    }
}
