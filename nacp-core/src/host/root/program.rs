//! Programs that are run for what they say.
#![expect(clippy::disallowed_methods, reason = "a program is waited for, for a stated time")]

use std::io::{ErrorKind as IoErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::host::Seen;

/// How much is read of a stream; what comes after it is read and forgotten, so that the program is not held up.
const MOST: usize = 256 << 10;
/// How much of each stream an outcome keeps.
const KEPT: usize = 2 << 10;
/// How often it is asked whether it has ended.
const TICK: Duration = Duration::from_millis(2);
/// How long what it wrote last may still be under way when it has ended.
const GRACE: Duration = Duration::from_millis(100);

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CommandOutcome {
    /// Its exit code; none where a signal ended it, or its time.
    pub code: Option<i32>,
    /// The signal that ended it, such as 11 for a segmentation fault. Without a code and a signal it was ended because it
    /// took too long.
    pub signal: Option<i32>,
    /// The end of what it wrote, at most 2 KiB of each stream, the standard output first.
    pub output: String,
}

/// How a program ended, and all that it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Ended {
    pub(in crate::host) code: Option<i32>,
    pub(in crate::host) signal: Option<i32>,
    pub(in crate::host) stdout: Vec<u8>,
    pub(in crate::host) stderr: Vec<u8>,
}

impl From<Ended> for CommandOutcome {
    fn from(ended: Ended) -> Self {
        let (stdout, stderr) = (end_of(&ended.stdout), end_of(&ended.stderr));
        let between = if stdout.is_empty() || stdout.ends_with('\n') { "" } else { "\n" };
        let output = if stderr.is_empty() { stdout } else { stdout + between + &stderr };
        Self { code: ended.code, signal: ended.signal, output: output.trim_end().to_owned() }
    }
}

fn end_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(KEPT)..]).into_owned()
}

/// Runs a program with an empty standard input and messages in English, and kills it at the limit.
pub(super) fn run(program: &str, args: &[&str], limit: Duration) -> Seen<Ended> {
    let since = Instant::now();
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Seen::Absent,
        Err(error) => return Seen::Unreadable(format!("{program} cannot be started: {error}")),
    };
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if since.elapsed() < limit => thread::sleep(TICK),
            _ => break None,
        }
    };
    if status.is_none() {
        end(child);
    }
    // A process that it left behind can hold the pipes open for ever.
    let text = |stream: &Receiver<Vec<u8>>| {
        let until = Instant::now() + GRACE;
        let mut text = Vec::new();
        while let Ok(more) = stream.recv_timeout(until.saturating_duration_since(Instant::now())) {
            text.extend(more);
        }
        text
    };
    let (code, signal) = status.map_or((None, None), how);
    Seen::Found(Ended { code, signal, stdout: text(&stdout), stderr: text(&stderr) })
}

/// Hands over what comes out of a stream, from a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (said, heard) = channel();
    if let Some(mut stream) = stream {
        let read = move || {
            let (mut buffer, mut taken) = ([0; 4096], 0);
            while let Ok(length) = stream.read(&mut buffer)
                && length > 0
            {
                if taken < MOST {
                    // Nobody may be there any more.
                    let _ = said.send(buffer[..length].to_vec());
                    taken += length;
                }
            }
        };
        // Without a thread nothing is heard of it.
        let _ = thread::Builder::new().name("nacp-program".into()).spawn(read);
    }
    heard
}

/// Kills a program. One that the kernel holds within a driver does not end however hard it is killed, so a thread waits
/// for it.
fn end(mut child: Child) {
    let _ = child.kill();
    let _ = thread::Builder::new().name("nacp-program-reap".into()).spawn(move || child.wait());
}

#[cfg(unix)]
fn how(status: ExitStatus) -> (Option<i32>, Option<i32>) {
    (status.code(), std::os::unix::process::ExitStatusExt::signal(&status))
}

#[cfg(not(unix))]
fn how(status: ExitStatus) -> (Option<i32>, Option<i32>) {
    (status.code(), None)
}
