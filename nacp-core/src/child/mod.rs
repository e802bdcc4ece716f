//! A process that is listened to, and killed in time. Two threads read what it says while its end is awaited.
#![cfg_attr(
    not(feature = "cuda"),
    allow(dead_code, reason = "a guard only listens to its child; checks also talk to theirs")
)]
#![expect(clippy::disallowed_methods, reason = "a child is waited for, for a stated time")]

mod program;
mod stdin;

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

pub use self::program::Program;
#[cfg(feature = "nvml")]
pub(crate) use self::program::not_started;

use self::stdin::Stdin;
use crate::clock::{Clock, SystemClock};

/// How much a child may print, in bytes: many times what a report of sixteen GPUs has.
const MOST: u64 = 8 << 20;
/// How much of what it says besides is kept.
const KEPT: usize = 512;
/// How often it is asked whether it has ended.
const TICK: Duration = Duration::from_millis(5);
/// How long what it said last may still be under way when it has ended. A process that it left behind can hold the
/// pipes open for ever.
const GRACE: Duration = Duration::from_millis(250);
/// How long one that was killed may take to end. One that the kernel holds within the driver (state D) does not end,
/// however hard it is killed.
const DEATH: Duration = Duration::from_secs(2);

/// Reads a line of a child: nothing where the line is not for us, and otherwise the message or what is wrong with it.
pub(crate) type Parse<M> = fn(&str) -> Option<Result<M, String>>;

/// What is heard of a child.
pub(crate) enum Heard<M> {
    Message(M),
    /// A line that is for us and cannot be read.
    Garbled(String),
    TooMuch,
    Ended(ExitStatus),
}

/// Where a child stands among processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// In a group of its own, so that what it starts is killed with it.
    Own,
    /// In the group of this process, so that who kills this one kills it too.
    Ours,
}

/// A running child. It does not outlive this value, unless the kernel holds it.
pub(crate) struct Child<M> {
    /// Nothing once it was killed.
    process: Option<std::process::Child>,
    clock: SystemClock,
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix kills a group at once"))]
    group: Group,
    /// Nothing for one without a standard input.
    stdin: Option<Stdin>,
    lines: Receiver<Said<M>>,
    /// Keeps the channel open when both readers have ended, so that waiting on it waits.
    _open: Sender<Said<M>>,
    /// How many of the two readers have come to the end.
    closed: u32,
    ended: Option<(ExitStatus, Duration)>,
    stdout_tail: Arc<Mutex<Tail>>,
    stderr_tail: Arc<Mutex<Tail>>,
}

/// What a reader hands over.
enum Said<M> {
    Line(Result<M, String>),
    TooMuch,
    Closed,
}

impl<M: Send + 'static> Child<M> {
    #[cfg(feature = "nvml")]
    /// Starts it. What it prints is read with `parse`; its standard input is empty.
    pub(crate) fn start(mut command: Command, group: Group, parse: Parse<M>) -> io::Result<Self> {
        command.stdin(Stdio::null());
        Self::begin(command, group, parse, None)
    }

    /// Starts one that reads its standard input.
    pub(crate) fn converse(mut command: Command, group: Group, parse: Parse<M>) -> io::Result<Self> {
        let stdin = Stdin::prepare(&mut command)?;
        Self::begin(command, group, parse, Some(stdin))
    }

    fn begin(mut command: Command, group: Group, parse: Parse<M>, stdin: Option<Stdin>) -> io::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        if group == Group::Own {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let clock = SystemClock::new();
        let mut process = command.spawn()?;
        // It holds the other end of the standard input, which must close when the child ends.
        drop(command);
        let (pipe, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (open, lines) = channel();
        let (stdout_tail, stderr_tail) = (Arc::default(), Arc::default());
        let process = Some(process);
        let mut child = Self {
            process,
            clock,
            group,
            stdin,
            lines,
            _open: open.clone(),
            closed: 0,
            ended: None,
            stdout_tail,
            stderr_tail,
        };
        if let Some(stdin) = &mut child.stdin {
            stdin.attach(pipe)?;
        }
        // A failure from here on kills the child.
        if let Some(stdout) = stdout {
            let (said, stdout_tail) = (open.clone(), Arc::clone(&child.stdout_tail));
            let read = move || read_stdout(stdout, parse, &said, &stdout_tail);
            thread::Builder::new().name("nacp-child-out".into()).spawn(read)?;
        }
        if let Some(stderr) = stderr {
            let stderr_tail = Arc::clone(&child.stderr_tail);
            let read = move || read_stderr(stderr, &open, &stderr_tail);
            thread::Builder::new().name("nacp-child-err".into()).spawn(read)?;
        }
        Ok(child)
    }

    #[cfg(feature = "nvml")]
    /// Waits for the next that is heard, until `limit` after the start; then it is killed, and nothing is heard.
    pub(crate) fn hear(&mut self, limit: Duration) -> Option<Heard<M>> {
        loop {
            let left = limit.saturating_sub(self.clock.monotonic());
            if let Some(heard) = self.listen(left) {
                return Some(heard);
            }
            if self.clock.monotonic() >= limit {
                self.kill();
                return None;
            }
        }
    }

    /// Waits a moment, and `most` at most, for the next that is heard.
    pub(crate) fn listen(&mut self, most: Duration) -> Option<Heard<M>> {
        let now = self.clock.monotonic();
        if self.ended.is_none() {
            // An error would mean that the child is not ours.
            let status = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            self.ended = status.map(|status| (status, now));
        }
        let wait = match self.ended {
            Some((status, since)) if self.closed == 2 || now >= since + GRACE => return Some(Heard::Ended(status)),
            Some(_) => TICK,
            None => TICK.min(most),
        };
        match self.lines.recv_timeout(wait) {
            Ok(Said::Line(Ok(message))) => return Some(Heard::Message(message)),
            Ok(Said::Line(Err(reason))) => return Some(Heard::Garbled(reason)),
            Ok(Said::TooMuch) => return Some(Heard::TooMuch),
            Ok(Said::Closed) => self.closed += 1,
            Err(_) => {}
        }
        None
    }
}

impl<M> Child<M> {
    /// Writes to its standard input. Whether it has read that is not known.
    ///
    /// # Errors
    /// It has ended, does not read, or has no standard input.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.stdin.as_mut().ok_or(io::ErrorKind::NotConnected)?.write(text)
    }

    /// Closes its standard input: it reads the end.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The end of what it printed besides its messages.
    pub(crate) fn stdout_tail(&self) -> Option<String> {
        self.stdout_tail.lock().unwrap_or_else(PoisonError::into_inner).text()
    }

    /// The end of what it wrote to its standard error.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        self.stderr_tail.lock().unwrap_or_else(PoisonError::into_inner).text()
    }

    /// Kills the child, once, and, where it has a group of its own and the system has a shell, what the child has started.
    /// Never after the child was waited for: its number could be another's by then.
    pub(crate) fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let Some(mut process) = self.process.take() else { return };
        #[cfg(unix)]
        if self.group == Group::Own {
            let group = format!("kill -KILL -{}", process.id());
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &group]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // Without a shell the child alone is killed, below. What it started for a check ends by itself when it
            // reads the end of its standard input.
            if let Ok(mut shell) = shell.spawn()
                && !ends(&mut shell, DEATH, &self.clock)
            {
                let _ = shell.kill();
                leave(shell);
            }
        }
        // It may have ended at this very moment.
        let _ = process.kill();
        if !ends(&mut process, DEATH, &self.clock) {
            tracing::warn!(pid = process.id(), "the kernel holds a child that was killed");
            leave(process);
        }
    }
}

impl<M> Drop for Child<M> {
    fn drop(&mut self) {
        let lives = self.process.as_mut().is_some_and(|process| !matches!(process.try_wait(), Ok(Some(_))));
        if lives {
            self.kill();
        }
    }
}

/// By what a child was killed, if it did not end by itself.
#[cfg(unix)]
pub(crate) fn crash(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;

    let name = match status.signal()? {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        other => return Some(other.to_string()),
    };
    Some(name.to_owned())
}

/// Windows ends a program that crashed with an error code of its own: the highest bits are set.
#[cfg(not(unix))]
pub(crate) fn crash(status: ExitStatus) -> Option<String> {
    status.code().filter(|code| *code < 0).map(|code| format!("{code:#x}"))
}

/// Whether it ends within this time; what cannot be asked has ended.
fn ends(process: &mut std::process::Child, limit: Duration, clock: &SystemClock) -> bool {
    let until = clock.monotonic() + limit;
    while let Ok(None) = process.try_wait() {
        if clock.monotonic() >= until {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}

/// Leaves it to a thread of its own to ask how it ended, whenever that is. Without a thread it stays in the table of
/// processes until this one ends.
fn leave(mut process: std::process::Child) {
    let _ = thread::Builder::new().name("nacp-child-reap".into()).spawn(move || process.wait());
}

/// Hands over the lines that are for us and keeps the end of the rest.
fn read_stdout<M>(stdout: impl Read, parse: Parse<M>, said: &Sender<Said<M>>, stdout_tail: &Mutex<Tail>) {
    let mut reader = BufReader::new(stdout.take(MOST));
    let mut line = Vec::new();
    while let Ok(length) = reader.read_until(b'\n', &mut line)
        && length > 0
    {
        match std::str::from_utf8(&line).ok().map(str::trim_end).and_then(parse) {
            // Nobody may be there any more.
            Some(message) => drop(said.send(Said::Line(message))),
            None => stdout_tail.lock().unwrap_or_else(PoisonError::into_inner).push(&line),
        }
        line.clear();
    }
    if reader.get_ref().limit() == 0 {
        let _ = said.send(Said::TooMuch);
    }
    let _ = said.send(Said::Closed);
}

/// Keeps the end of what is written.
fn read_stderr<M>(mut stderr: impl Read, said: &Sender<Said<M>>, stderr_tail: &Mutex<Tail>) {
    let mut buffer = [0; 4096];
    while let Ok(length) = stderr.read(&mut buffer)
        && length > 0
    {
        stderr_tail.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..length]);
    }
    let _ = said.send(Said::Closed);
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    fn text(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn one_that_does_not_die_is_waited_for_within_the_limit_and_reaped_later() {
        let clock = SystemClock::new();
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        let (pid, limit) = (process.id(), Duration::from_millis(50));
        assert!(!ends(&mut process, limit, &clock), "nobody killed it");
        assert!((limit..Duration::from_secs(5)).contains(&clock.monotonic()), "{:?}", clock.monotonic());
        leave(process);
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
        while Path::new(&format!("/proc/{pid}")).exists() {
            assert!(clock.monotonic() < Duration::from_secs(20), "{pid} was never asked how it ended");
            thread::sleep(TICK);
        }
    }

    #[test]
    fn one_that_was_killed_is_gone_at_once() {
        let mut process = Command::new("sleep").arg("600").spawn().unwrap();
        process.kill().unwrap();
        assert!(ends(&mut process, Duration::from_secs(20), &SystemClock::new()));
    }
}
