//! The kernel's log, as it is written.

#![expect(clippy::disallowed_methods, reason = "only looking again tells whether the kernel has written more")]

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::KernelEvent;
use super::parse::{LINE, parse, record};
use crate::error::{Error, ErrorKind, Result};

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);
/// Larger than any record, which `/dev/kmsg` gives whole or not at all.
const CHUNK: usize = 2 * LINE;
/// So many pieces of the log are read in one call at most once its limit has passed.
const PIECES: usize = 4096;
/// More pieces than any log has that ends.
#[cfg(feature = "doctor")]
const ALL_PIECES: usize = 1 << 18;

/// What the log gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A message of NVIDIA's modules.
    Event(KernelEvent),
    /// The kernel has overwritten messages before they were read, of whichever module: an event may be missing.
    Lost {
        /// How many there were, where that is known.
        messages: Option<u64>,
    },
}

/// The kernel's log, read from its beginning to its end and then on as it is written.
///
/// ```no_run
/// use std::time::Duration;
/// use nacp_core::gpu::kernel_log::{Entry, KernelLog};
///
/// let mut log = KernelLog::open(KernelLog::PATH)?.from_now()?;
/// while let Some(entry) = log.next(Duration::from_secs(10))? {
///     match entry {
///         Entry::Event(event) => println!("{:?}: {}", event.since_boot, event.message),
///         Entry::Lost { messages } => println!("{messages:?} messages were lost"),
///     }
/// }
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub struct KernelLog {
    source: Box<dyn Source>,
    path: PathBuf,
    /// Where a read goes: the device gives one record at a time, and each would else begin with 16 KiB of zeros.
    piece: Vec<u8>,
    /// What was read and not yet taken, from `taken` on.
    read: Vec<u8>,
    taken: usize,
    /// Whether the rest of a line that was too long is still to come.
    too_long: bool,
    /// The number of the next record, once one was read.
    next: Option<u64>,
    overwritten: bool,
    held: Option<KernelEvent>,
}

/// A file, or what a test puts in its place.
trait Source: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> Source for T {}

impl KernelLog {
    /// The device through which the kernel gives its log.
    pub const PATH: &str = "/dev/kmsg";

    /// Opens the log at this path, at the oldest message that the kernel still has. Any file or pipe of such lines will do
    /// in the place of [`PATH`](Self::PATH).
    ///
    /// # Errors
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when this user may not read the log,
    /// [`NotFound`](ErrorKind::NotFound) when there is no such file, and [`Unsupported`](ErrorKind::Unsupported) when it
    /// cannot be opened for another reason.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = without_waiting().open(path).map_err(|error| refused(path, error))?;
        Ok(Self::over(file, path))
    }

    fn over(source: impl Source + 'static, path: &Path) -> Self {
        Self {
            source: Box::new(source),
            path: path.to_owned(),
            piece: vec![0; CHUNK],
            read: Vec::new(),
            taken: 0,
            too_long: false,
            next: None,
            overwritten: false,
            held: None,
        }
    }

    /// Goes to the end: only what is written from now on is given.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when the file has no end to go to. A pipe has none either, and is left as
    /// it is.
    pub fn from_now(self) -> Result<Self> {
        self.at(SeekFrom::End(0))
    }

    /// Goes back to the oldest message that the kernel still has.
    ///
    /// # Errors
    /// As for [`from_now`](Self::from_now).
    pub fn from_start(self) -> Result<Self> {
        self.at(SeekFrom::Start(0))
    }

    fn at(mut self, place: SeekFrom) -> Result<Self> {
        match self.source.seek(place) {
            Ok(_) => {}
            Err(error) if error.kind() == IoErrorKind::NotSeekable => return Ok(self),
            Err(error) => return Err(failed(&self.path, "the kernel's log cannot be positioned", error)),
        }
        (self.next, self.overwritten, self.held) = (None, false, None);
        self.read.clear();
        (self.taken, self.too_long) = (0, false);
        Ok(self)
    }

    /// The next event, or nothing when none comes within `limit`. A limit of zero gives what is there already.
    ///
    /// The calling thread waits here; in asynchronous code this belongs on a thread of its own.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when the log cannot be read any more.
    pub fn next(&mut self, limit: Duration) -> Result<Option<Entry>> {
        let start = Instant::now();
        let mut pieces = 0;
        loop {
            if let Some(entry) = self.buffered() {
                return Ok(Some(entry));
            }
            let left = limit.saturating_sub(start.elapsed());
            let more = self.fill()?;
            pieces += usize::from(left.is_zero());
            if left.is_zero() && (!more || pieces > PIECES) {
                return Ok(None);
            }
            if !more {
                std::thread::sleep(PAUSE.min(left));
            }
        }
    }

    /// The lines that are there already, of whichever module, as the log has them.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    #[cfg(feature = "doctor")]
    pub(crate) fn lines(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for _ in 0..ALL_PIECES {
            while let Some(line) = self.line() {
                lines.push(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.fill()? {
                break;
            }
        }
        Ok(lines)
    }

    /// Reads another piece; whether there was one.
    fn fill(&mut self) -> Result<bool> {
        self.read.drain(..self.taken);
        self.taken = 0;
        match self.source.read(&mut self.piece) {
            Ok(read) => {
                self.read.extend_from_slice(&self.piece[..read]);
                Ok(read > 0)
            }
            Err(error) => match error.kind() {
                IoErrorKind::WouldBlock => Ok(false),
                IoErrorKind::Interrupted => Ok(true),
                IoErrorKind::BrokenPipe => {
                    self.overwritten = true;
                    Ok(true)
                }
                _ => Err(failed(&self.path, "the kernel's log cannot be read", error)),
            },
        }
    }

    /// The next entry of what was read.
    fn buffered(&mut self) -> Option<Entry> {
        if let Some(event) = self.held.take() {
            return Some(Entry::Event(event));
        }
        while let Some(line) = self.line() {
            let line = String::from_utf8_lossy(&line);
            let event = parse(&line);
            if let Some(sequence) = record(&line).and_then(|(head, _)| head.sequence) {
                let expected = self.next.replace(sequence.saturating_add(1));
                if std::mem::take(&mut self.overwritten) {
                    self.held = event;
                    let messages = expected.map(|expected| sequence.saturating_sub(expected));
                    return Some(Entry::Lost { messages });
                }
            }
            if let Some(event) = event {
                return Some(Entry::Event(event));
            }
        }
        None
    }

    /// The next whole line. Of one that is too long the beginning is given, and the rest is left out.
    fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = &self.read[self.taken..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            if end.is_none() && rest.len() < LINE {
                return None;
            }
            let line = rest[..end.unwrap_or(rest.len())].to_vec();
            self.taken += end.map_or(rest.len(), |end| end + 1);
            if !std::mem::replace(&mut self.too_long, end.is_none()) {
                return Some(line);
            }
        }
    }
}

impl fmt::Debug for KernelLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelLog").field("path", &self.path).finish_non_exhaustive()
    }
}

fn without_waiting() -> OpenOptions {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    let (kind, message, hint) = match error.kind() {
        IoErrorKind::PermissionDenied => (
            ErrorKind::PermissionDenied,
            "this user may not read the kernel's log",
            "run as root or with the capability CAP_SYSLOG, or set the sysctl kernel.dmesg_restrict to 0; in a container, \
             give it the device too",
        ),
        IoErrorKind::NotFound => (
            ErrorKind::NotFound,
            "the kernel's log is not there",
            "only Linux has it; in a container, give it /dev/kmsg",
        ),
        _ => return failed(path, "the kernel's log cannot be opened", error),
    };
    Error::new(kind, "gpu.kernel_log", message).with("path", path.display()).hint(hint).caused_by(error)
}

fn failed(path: &Path, message: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unsupported, "gpu.kernel_log", message)
        .with("path", path.display())
        .with("reason", &error)
        .caused_by(error)
}

#[cfg(test)]
mod tests;
