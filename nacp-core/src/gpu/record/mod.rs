//! Keeping what a node did in a file, to look at it elsewhere or to test with it.
//!
//! A [`Recorder`] writes a node and its readings; a [`Replay`](super::Replay) is a [`Source`](super::Source) that
//! answers from such a file, on a machine without any GPU. [`Telemetry::record_to`](super::telemetry::Telemetry::record_to)
//! records what a poller reads.
//!
//! ```
//! use std::sync::Arc;
//! use nacp_core::clock::{Clock, SystemClock};
//! use nacp_core::gpu::record::{RecordOptions, Recorder};
//! use nacp_core::gpu::{Fields, Node, Replay};
//! use nacp_core::sim;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("node.jsonl.zst");
//! let node = Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
//! let clock = SystemClock::new();
//! let mut recorder = Recorder::create(&path, &node, clock.wall(), RecordOptions::default())?;
//! let mut samples = Vec::new();
//! node.source().sample(Fields::ALL, &mut samples)?;
//! recorder.record(clock.wall(), Fields::ALL, &samples)?;
//! recorder.finish()?;
//!
//! let replay = Node::from_source(Arc::new(Replay::open(&path)?))?;
//! assert!(replay.origin().to_string().starts_with("simulated: replay of h100x8, recorded "));
//! assert_eq!(replay.snapshot(&clock)?.gpus[0].sample.power, samples[0].power);
//! # Ok::<(), nacp_core::Error>(())
//! ```
//!
//! # The file
//!
//! JSON lines, compressed with zstd; `zstd -dc FILE` shows them, and what it shows can be replayed, too. The first line
//! tells format, version, origin, inventory, pairs and support matrix. Then comes a line for each frame, with the
//! milliseconds since the start and only the readings that changed, and one for each event. The last line says that
//! nothing is missing. A file that was cut off can be replayed up to the cut.
//!
//! # What is scrubbed
//!
//! A recording is scrubbed unless [`RecordOptions::scrub`] says otherwise, so that it can be given away:
//!
//! | what | becomes |
//! |---|---|
//! | UUIDs of GPUs and partitions, wherever they stand | made-up ones, numbered in the order of the inventory |
//! | serial numbers | not read |
//! | ids of boards, chassis and fabric clusters | numbers from 1; what was equal stays equal |
//! | names of programs, and what else is known of processes | left out |
//! | folders of the driver's library | left out |
//!
//! Process ids, their memory, PCI addresses, versions and times stay: without them the readings mean little, and none
//! names a machine or a user.

mod format;
mod live;
mod reader;
mod recorder;
mod scrub;

#[cfg(test)]
mod tests;

pub use self::live::Recording;
pub use self::recorder::{RecordOptions, Recorded, Recorder};

pub(in crate::gpu) use self::format::{Header, Line};
pub(in crate::gpu) use self::reader::{Damage, Reader};
