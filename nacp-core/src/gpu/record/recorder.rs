//! Writing a recording.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use zstd::stream::write::Encoder;

use super::format::{FORMAT, HIGHEST, Header, Line, VERSION};
use super::scrub::Scrubber;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Event, Fields, GpuId, Node, Sample};

/// How much time a recording may lose when the program dies, in milliseconds.
const FLUSH: u64 = 1_000;

/// How to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOptions {
    /// Whether to replace what identifies the machine, as the [module](super) tells: yes.
    pub scrub: bool,
    /// How hard zstd tries, 1 to 19: 9.
    pub level: i32,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self { scrub: true, level: 9 }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Readings of the whole node.
    pub frames: u64,
    /// Events.
    pub events: u64,
    /// Updates of a poller that came faster than they could be written.
    pub lost: u64,
    /// The size of the file, in bytes.
    pub bytes: u64,
}

/// Writes a node and its readings to a file. See the [module](super).
///
/// Dropping it ends the recording as [`finish`](Self::finish) does, but nobody learns whether that failed.
pub struct Recorder {
    path: PathBuf,
    /// Nothing once the recording has ended.
    out: Option<Encoder<'static, File>>,
    start: Timestamp,
    scrubber: Option<Scrubber>,
    gpus: Vec<GpuId>,
    /// What was last written of each GPU.
    written: Vec<Map<String, Value>>,
    offset: u64,
    flushed: u64,
    recorded: Recorded,
}

impl Recorder {
    /// Begins a recording: writes what the node is, what its GPUs are to each other, and what its source answers.
    /// Offsets count from `at`.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when there is such a file, [`InvalidArgument`](ErrorKind::InvalidArgument) for a
    /// level that zstd does not have, what the file system refuses, and what the source answers.
    pub fn create(path: impl AsRef<Path>, node: &Node, at: Timestamp, options: RecordOptions) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        if !(1..=HIGHEST).contains(&options.level) {
            return Err(Error::new(ErrorKind::InvalidArgument, "gpu.record", "no such level of compression")
                .with("level", options.level)
                .hint(format!("choose 1 to {HIGHEST}")));
        }
        let mut header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            nacp: env!("CARGO_PKG_VERSION").to_owned(),
            at,
            scrubbed: options.scrub,
            origin: node.origin().clone(),
            gpus: node.gpus().to_vec(),
            pairs: node.pairs()?,
            support: node.support()?,
        };
        let mut scrubber = options.scrub.then(Scrubber::default);
        let header = match &mut scrubber {
            Some(scrubber) => scrubber.header(&mut header),
            None => json(&header),
        }?;
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| refused(&path, error))?;
        let mut out = Encoder::new(file, options.level).map_err(|error| refused(&path, error))?;
        out.include_checksum(true).map_err(|error| refused(&path, error))?;
        let mut recorder = Self {
            path,
            out: Some(out),
            start: at,
            scrubber,
            gpus: node.gpus().iter().map(|gpu| gpu.id.clone()).collect(),
            written: vec![Map::new(); node.gpus().len()],
            offset: 0,
            flushed: 0,
            recorded: Recorded::default(),
        };
        recorder.write(&header)?;
        recorder.flush()?;
        Ok(recorder)
    }

    /// Writes a reading: `fields` were read now, and `samples` is all that is known. A GPU that the node did not have
    /// when the recording began is left out.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn record(&mut self, at: Timestamp, fields: Fields, samples: &[Sample]) -> Result<()> {
        let mut gpus = Vec::with_capacity(self.gpus.len());
        for (id, written) in self.gpus.iter().zip(&mut self.written) {
            let Some(sample) = samples.iter().find(|sample| sample.id == *id) else {
                gpus.push(None);
                continue;
            };
            let readings = match &mut self.scrubber {
                Some(scrubber) => scrubber.sample(sample.clone()),
                None => json(sample),
            }?;
            let mut changed = Map::new();
            if let Value::Object(readings) = readings {
                for (name, value) in readings {
                    if name != "id" && written.get(&name) != Some(&value) {
                        written.insert(name.clone(), value.clone());
                        changed.insert(name, value);
                    }
                }
            }
            gpus.push(Some(changed));
        }
        let t = self.offset_of(at);
        self.write(&Line::Frame { t, read: fields.to_string(), gpus })?;
        self.recorded.frames += 1;
        if t >= self.flushed + FLUSH { self.flush() } else { Ok(()) }
    }

    /// Writes an event.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        let t = self.offset_of(event.at);
        let event = match &mut self.scrubber {
            Some(scrubber) => scrubber.event(event.clone())?,
            None => event.clone(),
        };
        self.write(&Line::Event { t, event })?;
        self.recorded.events += 1;
        self.flush()
    }

    /// Ends the recording and tells what was written.
    ///
    /// # Errors
    /// What the file system refuses; the file is then one that was cut off.
    pub fn finish(mut self) -> Result<Recorded> {
        self.end()
    }

    pub(super) fn lose(&mut self, updates: u64) {
        self.recorded.lost += updates;
    }

    fn end(&mut self) -> Result<Recorded> {
        let Recorded { frames, events, .. } = self.recorded;
        self.write(&Line::End { frames, events })?;
        if let Some(out) = self.out.take() {
            let file = out.finish().and_then(|file| file.metadata());
            self.recorded.bytes = file.map_err(|error| refused(&self.path, error))?.len();
        }
        Ok(self.recorded)
    }

    /// Milliseconds since the start; never less than before, also when the date is set back.
    fn offset_of(&mut self, at: Timestamp) -> u64 {
        let milliseconds = at.duration_since(self.start).as_millis();
        self.offset = self.offset.max(u64::try_from(milliseconds).unwrap_or(0));
        self.offset
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(broken)?;
        text.push(b'\n');
        match &mut self.out {
            Some(out) => out.write_all(&text).map_err(|error| refused(&self.path, error)),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.flushed = self.offset;
        match &mut self.out {
            Some(out) => out.flush().map_err(|error| refused(&self.path, error)),
            None => Ok(()),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.out.is_some() {
            let _ = self.end().inspect_err(|error| tracing::warn!(%error, "could not end a recording"));
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("path", &self.path).field("recorded", &self.recorded).finish_non_exhaustive()
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(broken)
}

pub(super) fn broken(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "gpu.record", "cannot write a reading as JSON")
        .with("reason", &error)
        .caused_by(error)
}

/// What the file system does not allow.
fn refused(path: &Path, error: io::Error) -> Error {
    let (kind, message, hint) = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            (ErrorKind::Conflict, "there is already a file of this name", "choose another name, or remove it")
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "cannot write the recording", "make its folder first"),
        io::ErrorKind::PermissionDenied => {
            (ErrorKind::PermissionDenied, "cannot write the recording", "choose a folder that you may write to")
        }
        _ => (ErrorKind::ResourceExhausted, "cannot write the recording", "see whether the disk is full"),
    };
    Error::new(kind, "gpu.record", message)
        .with("path", path.display())
        .with("reason", &error)
        .hint(hint)
        .caused_by(error)
}
