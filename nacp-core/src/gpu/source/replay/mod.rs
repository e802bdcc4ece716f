//! GPUs from a recording.

mod state;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::state::{Heard, Pace, State};
use super::{Origin, Source};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::record::{Header, Reader};
use crate::gpu::{Event, Events, Fields, Gpu, Pair, Sample, Support};

/// The longest wait before looking at the clock again: it may be one that jumps.
const GLANCE: Duration = Duration::from_millis(20);
/// The fastest that a replay goes.
const FASTEST: f64 = 1e6;

/// The GPUs of a recording, as a source. Its origin says that it is a replay, and whether the recorded GPUs were made
/// up.
///
/// It goes on by one frame at each call of [`sample`](Source::sample), or with a clock, at any speed
/// ([`Replay::speed`]). Which of the readings a call returns is its caller's choice of fields, as with every source:
/// each is the last one recorded. Events come when they did, with the time at which they did.
///
/// ```no_run
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::gpu::{AtEnd, Node, Replay};
///
/// let replay = Replay::open("node.jsonl.zst")?.speed(10.0, Arc::new(SystemClock::new()))?.at_end(AtEnd::Loop);
/// let node = Node::from_source(Arc::new(replay))?;
/// println!("{}", node.origin());
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub struct Replay {
    origin: Origin,
    header: Header,
    shared: Arc<Shared>,
}

/// What a replay does when its recording has ended, or where it is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AtEnd {
    /// It stays at the last reading.
    #[default]
    Stay,
    /// It begins anew, a reading's time later. Counters fall then, as when a driver is loaded anew.
    Loop,
    /// Each further reading fails with [`DriverUnavailable`](ErrorKind::DriverUnavailable).
    Fail,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Frames that were passed, in this round.
    pub frames: u64,
    /// The recorded time at which it is, counted from the start of the recording.
    pub at: Duration,
    /// Whether the recording has ended.
    pub ended: bool,
    /// The line at which the recording is cut off, once the replay has come there.
    pub cut: Option<u64>,
}

impl Replay {
    /// Opens a recording.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied);
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a file that is no recording, is damaged, or ends within its
    /// first line; [`Unsupported`](ErrorKind::Unsupported) for a newer format. Damage further on is found when the
    /// replay comes there, and names the line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (header, reader) = Reader::open(path)?;
        let name = format!("replay of {}, recorded {}", header.origin.name, header.at);
        let origin = Origin { name, ..header.origin.clone() };
        let state = Mutex::new(State::new(reader, &header.gpus));
        let shared = Shared { path: path.to_path_buf(), state, told: Condvar::new() };
        Ok(Self { origin, header, shared: Arc::new(shared) })
    }

    /// Goes on with this clock, from the first look at its readings or events on: 1.0 is as fast as it was, 10.0 is ten times as fast.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a speed that is not above 0 and at most a million.
    pub fn speed(self, speed: f64, clock: Arc<dyn Clock>) -> Result<Self> {
        if !(speed > 0.0 && speed <= FASTEST) {
            return Err(Error::new(ErrorKind::InvalidArgument, "gpu.replay", "no such speed")
                .with("speed", speed)
                .hint("choose more than 0 and at most 1000000; 1 is as fast as it was"));
        }
        self.shared.lock().pace = Pace::Clock { speed, clock };
        Ok(self)
    }

    /// Goes on by one frame at each reading; this is what it does unless told otherwise.
    #[must_use]
    pub fn step(self) -> Self {
        self.shared.lock().pace = Pace::Step;
        self
    }

    /// What to do at the end.
    #[must_use]
    pub fn at_end(self, at_end: AtEnd) -> Self {
        self.shared.lock().at_end = at_end;
        self
    }

    /// When the recording began.
    pub fn recorded_at(&self) -> jiff::Timestamp {
        self.header.at
    }

    /// Whether its ids are made up and what identifies the machine is taken out.
    pub fn scrubbed(&self) -> bool {
        self.header.scrubbed
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.shared.lock().progress
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("origin", &self.origin).field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Source for Replay {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Never: the recording may come from anywhere, and from long ago.
    fn is_here(&self) -> bool {
        false
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        Ok(self.header.gpus.clone())
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        Ok(self.header.pairs.clone())
    }

    fn support(&self) -> Result<Support> {
        Ok(self.header.support.clone())
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        let mut state = self.shared.lock();
        state.go_on(&self.shared.told, true)?;
        if state.progress.ended && state.at_end == AtEnd::Fail {
            return Err(Error::new(ErrorKind::DriverUnavailable, "gpu.replay", "the recording has ended")
                .with("path", self.shared.path.display())
                .with("frames", state.progress.frames)
                .hint("let it stay at its end, or loop"));
        }
        state.read(fields, samples)
    }

    fn events(&self) -> Result<Box<dyn Events>> {
        let heard = Arc::new(Mutex::default());
        self.shared.lock().listeners.push(Arc::downgrade(&heard));
        Ok(Box::new(Listener { shared: Arc::clone(&self.shared), heard }))
    }
}

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    /// An event has come.
    told: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens to the events of a replay.
struct Listener {
    shared: Arc<Shared>,
    heard: Arc<Heard>,
}

impl Events for Listener {
    fn wait(&mut self, limit: Duration, _: &dyn Clock, events: &mut Vec<Event>) -> Result<()> {
        let mut state = self.shared.lock();
        state.go_on(&self.shared.told, false)?;
        if self.take(events) == 0 {
            drop(self.shared.told.wait_timeout(state, limit.min(GLANCE)));
            self.take(events);
        }
        Ok(())
    }
}

impl Listener {
    fn take(&self, events: &mut Vec<Event>) -> usize {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let many = heard.len();
        events.extend(heard.drain(..));
        many
    }
}
