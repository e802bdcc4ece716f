//! Going through a recording.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{AtEnd, Progress};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::gpu::record::{Damage, Line, Reader};
use crate::gpu::{Event, Fields, Gpu, Sample, Unknown};

/// The most events that wait for one listener.
const WAITING: usize = 4096;

/// What makes a replay go on.
pub(super) enum Pace {
    Step,
    Clock { speed: f64, clock: Arc<dyn Clock> },
}

/// Where a replay is in its recording.
pub(super) struct State {
    pub(super) pace: Pace,
    pub(super) at_end: AtEnd,
    reader: Reader,
    /// A line whose time has not come.
    ahead: Option<Line>,
    gpus: Vec<Player>,
    /// When this round began, in the time of the recording.
    begun: Option<Duration>,
    pub(super) progress: Progress,
    /// Damage that was found: it stays.
    failed: Option<Damage>,
    pub(super) listeners: Vec<Weak<Heard>>,
}

/// What the next line is.
#[derive(Clone, Copy)]
struct Ahead {
    at: Duration,
    frame: bool,
}

/// Events that a listener has not yet taken.
pub(super) type Heard = Mutex<VecDeque<Event>>;

/// One GPU of the recording.
struct Player {
    /// All its readings as they were last recorded, as JSON.
    readings: Map<String, Value>,
    sample: Sample,
    /// Whether the sample is older than the readings.
    stale: bool,
    /// Whether the source told of it in the last frame.
    present: bool,
}

impl Player {
    fn new(gpu: &Gpu) -> Self {
        let sample = Sample::unknown(gpu.id.clone(), Unknown::NotRead);
        Self { readings: Map::new(), sample, stale: false, present: true }
    }
}

impl State {
    pub(super) fn new(reader: Reader, gpus: &[Gpu]) -> Self {
        Self {
            pace: Pace::Step,
            at_end: AtEnd::default(),
            reader,
            ahead: None,
            gpus: gpus.iter().map(Player::new).collect(),
            begun: None,
            progress: Progress::default(),
            failed: None,
            listeners: Vec::new(),
        }
    }

    /// Goes on to where the replay should be now: with its clock, or by one frame if `step` says so. Events are
    /// told through `told`.
    pub(super) fn go_on(&mut self, told: &Condvar, step: bool) -> Result<()> {
        let result = match &self.pace {
            Pace::Step if step => self.pass_frame(told),
            Pace::Step => Ok(()),
            Pace::Clock { speed, clock } => {
                let now = clock.monotonic().as_secs_f64() * speed;
                let now = Duration::try_from_secs_f64(now).unwrap_or(Duration::MAX);
                self.pass_until(now, told)
            }
        };
        result.map_err(|damage| {
            let error = self.reader.error(&damage);
            self.failed = Some(damage);
            error
        })
    }

    fn pass_frame(&mut self, told: &Condvar) -> Result<(), Damage> {
        let mut empty = false;
        loop {
            match self.peek()? {
                Some(Ahead { frame: true, .. }) => return self.pass(told),
                Some(_) => self.pass(told)?,
                None if self.at_end != AtEnd::Loop || empty => return Ok(()),
                None => {
                    self.rewind()?;
                    empty = true;
                }
            }
        }
    }

    fn pass_until(&mut self, now: Duration, told: &Condvar) -> Result<(), Damage> {
        let mut begun = *self.begun.get_or_insert(now);
        loop {
            match self.peek()? {
                Some(ahead) if begun.saturating_add(ahead.at) <= now => self.pass(told)?,
                Some(_) => return Ok(()),
                None if self.at_end != AtEnd::Loop || self.progress.frames == 0 => return Ok(()),
                None => {
                    // The next round begins as long after the last frame as frames are apart, at least a millisecond.
                    let apart = self.progress.at / u32::try_from(self.progress.frames).unwrap_or(u32::MAX);
                    let round = self.progress.at + apart.max(Duration::from_millis(1));
                    let rounds = now.saturating_sub(begun).as_nanos() / round.as_nanos();
                    if rounds == 0 {
                        return Ok(());
                    }
                    // Rounds that nobody looked at are passed over.
                    begun += round.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
                    self.begun = Some(begun);
                    self.rewind()?;
                }
            }
        }
    }

    /// What the next line is; nothing at the end.
    fn peek(&mut self) -> Result<Option<Ahead>, Damage> {
        if let Some(damage) = &self.failed {
            return Err(damage.clone());
        }
        if self.ahead.is_none() && !self.progress.ended {
            self.ahead = self.reader.next()?;
            match self.ahead {
                Some(Line::End { .. }) => {
                    self.ahead = None;
                    self.progress.ended = true;
                }
                Some(_) => {}
                None => {
                    let line = self.reader.line();
                    tracing::warn!(line, "the recording is cut off");
                    (self.progress.ended, self.progress.cut) = (true, Some(line));
                }
            }
        }
        let ahead = |line: &Line| Ahead { at: time_of(line), frame: matches!(line, Line::Frame { .. }) };
        Ok(self.ahead.as_ref().map(ahead))
    }

    /// Takes over the next line.
    fn pass(&mut self, told: &Condvar) -> Result<(), Damage> {
        let Some(line) = self.ahead.take() else { return Ok(()) };
        self.progress.at = time_of(&line);
        match line {
            Line::Frame { gpus, .. } => {
                if gpus.len() != self.gpus.len() {
                    let reason = format!("{} GPUs, and the first line has {}", gpus.len(), self.gpus.len());
                    return Err(self.reader.damage("a frame of the recording is not as expected", &reason));
                }
                for (player, changed) in self.gpus.iter_mut().zip(gpus) {
                    player.present = changed.is_some();
                    if let Some(changed) = changed.filter(|changed| !changed.is_empty()) {
                        player.readings.extend(changed);
                        player.stale = true;
                    }
                }
                self.progress.frames += 1;
            }
            Line::Event { event, .. } => {
                self.listeners.retain(|listener| listener.upgrade().is_some_and(|heard| tell(&heard, &event)));
                told.notify_all();
            }
            Line::End { .. } => {}
        }
        Ok(())
    }

    /// Begins the recording anew.
    fn rewind(&mut self) -> Result<(), Damage> {
        let damage = |error: Error| self.reader.damage("the recording cannot be read again", &error);
        let (_, reader) = Reader::open(self.reader.path()).map_err(damage)?;
        self.reader = reader;
        self.progress = Progress { cut: self.progress.cut, ..Progress::default() };
        for player in &mut self.gpus {
            player.readings.clear();
            player.stale = true;
            player.present = true;
        }
        Ok(())
    }

    /// The last recorded readings of these fields.
    pub(super) fn read(&mut self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        let mut place = 0;
        for player in &mut self.gpus {
            if std::mem::take(&mut player.stale) {
                match sample_of(player) {
                    Ok(sample) => player.sample = sample,
                    Err(error) => {
                        player.stale = true;
                        let message = "a reading of the recording is not as expected";
                        return Err(self.reader.error(&self.reader.damage(message, &error)));
                    }
                }
            }
            if !player.present {
                continue;
            }
            let id = &player.sample.id;
            match samples.iter().skip(place).position(|sample| sample.id == *id) {
                Some(at) => samples.swap(place, place + at),
                None => samples.insert(place, Sample::unknown(id.clone(), Unknown::NotRead)),
            }
            samples[place].update(&player.sample, fields);
            place += 1;
        }
        samples.truncate(place);
        Ok(())
    }
}

fn sample_of(player: &Player) -> serde_json::Result<Sample> {
    let mut whole = match serde_json::to_value(Sample::unknown(player.sample.id.clone(), Unknown::NotRead))? {
        Value::Object(whole) => whole,
        _ => Map::new(),
    };
    whole.extend(player.readings.clone());
    serde_json::from_value(Value::Object(whole))
}

fn time_of(line: &Line) -> Duration {
    match line {
        Line::Frame { t, .. } | Line::Event { t, .. } => Duration::from_millis(*t),
        Line::End { .. } => Duration::ZERO,
    }
}

/// Lets a listener hear an event; one that never listens loses the oldest.
fn tell(heard: &Heard, event: &Event) -> bool {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.len() == WAITING {
        heard.pop_front();
    }
    heard.push_back(event.clone());
    true
}
