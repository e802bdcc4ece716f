//! The lines of a recording.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::gpu::{Event, Gpu, Origin, Pair, Support};

/// What the first line says that it is.
pub(super) const FORMAT: &str = "nacp-gpu-recording";
/// The version of the format that this module writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;
/// The longest line that is read, in bytes.
pub(super) const LONGEST: usize = 16 << 20;
/// The logarithm of the most memory that decompressing takes: 8 MiB, which the levels up to [`HIGHEST`] keep to.
pub(super) const WINDOW: u32 = 23;
/// The highest level of compression.
pub(super) const HIGHEST: i32 = 19;

/// The part of the first line that every version has.
#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) format: String,
    pub(super) version: u32,
    #[serde(default)]
    pub(super) nacp: String,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::gpu) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    /// The version of NACP that wrote it.
    pub(super) nacp: String,
    /// When the recording began; all offsets count from here.
    pub(in crate::gpu) at: Timestamp,
    /// Whether it holds made-up ids instead of the real ones.
    pub(in crate::gpu) scrubbed: bool,
    pub(in crate::gpu) origin: Origin,
    pub(in crate::gpu) gpus: Vec<Gpu>,
    pub(in crate::gpu) pairs: Vec<Pair>,
    pub(in crate::gpu) support: Support,
}

/// A line after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::gpu) enum Line {
    /// A reading.
    Frame {
        /// Milliseconds since the start.
        t: u64,
        /// The names of the fields that were read.
        read: String,
        /// For each GPU of the header the readings that changed since the frame before, or nothing where the source did
        /// not tell of it.
        gpus: Vec<Option<Map<String, Value>>>,
    },
    /// Something happened.
    Event {
        /// Milliseconds since the start.
        t: u64,
        event: Event,
    },
    /// Nothing comes after this line, and nothing is missing before it.
    End { frames: u64, events: u64 },
}
