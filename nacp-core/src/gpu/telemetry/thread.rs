//! The threads that make a poller run by itself.

use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::channel::Update;
use super::lock;
use super::options::TelemetryOptions;
use super::poller::Poller;
use super::view::{Listening, View};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Event, Events, Node};

/// How long dropping waits for the threads.
const FAREWELL: Duration = Duration::from_secs(1);
/// The longest wait before looking at the clock again: it may be one that jumps.
const GLANCE: Duration = Duration::from_secs(1);
/// The longest wait for events before looking whether to end.
const LISTEN: Duration = Duration::from_millis(250);
/// The time between two attempts to listen to a source that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// The pause after a wait for events that came back at once without any.
const BREATH: Duration = Duration::from_millis(10);

/// A poller that runs by itself, on a thread `nacp-telemetry` of its own; a second one, `nacp-events`, waits for what
/// happens to the GPUs. Everything that can be asked is in [`View`], which this is one of.
///
/// Dropping it ends the threads and waits for them, a second at most: one that hangs in the driver is left behind and
/// ends as soon as the driver answers. See the [module](super).
#[derive(Debug)]
pub struct Telemetry {
    view: View,
    clock: Arc<dyn Clock>,
    end: Arc<End>,
    threads: Vec<JoinHandle<()>>,
}

impl Telemetry {
    /// Begins to read.
    ///
    /// # Errors
    /// As for [`Poller::new`]; [`ResourceExhausted`](ErrorKind::ResourceExhausted) when the system gives no thread.
    pub fn start(node: Node, options: TelemetryOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut poller = Poller::new(node, options)?;
        let view = poller.view().clone();
        let mut telemetry =
            Self { view: view.clone(), clock: Arc::clone(&clock), end: Arc::default(), threads: Vec::new() };

        // One that fails now is tried again, as one that fails later.
        let events = match view.node().events() {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                view.deaf(Listening::NotOffered(Arc::new(error)));
                None
            }
            answer => Some(answer),
        };
        let time = Arc::clone(&clock);
        telemetry.spawn("nacp-telemetry", move |end| {
            while !end.asked() {
                let tick = poller.poll(&*time);
                end.wait(tick.next.saturating_sub(time.monotonic()).min(GLANCE));
            }
        })?;
        if let Some(events) = events {
            telemetry.spawn("nacp-events", move |end| listen(&view, events, &*clock, end))?;
        }
        Ok(telemetry)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&End) + Send + 'static) -> Result<()> {
        let end = Arc::clone(&self.end);
        lock(&end.state).running += 1;
        let running = Running(Arc::clone(&end));
        let thread = Builder::new().name(name.to_owned()).spawn(move || work(&running.0));
        self.threads.push(thread.map_err(|error| {
            Error::new(ErrorKind::ResourceExhausted, "gpu.telemetry.start", "the system gives no thread")
                .with("reason", &error)
                .retry_later()
                .caused_by(error)
        })?);
        Ok(())
    }

    /// Everything that can be asked, to be kept or given away.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// How old the last readings are; nothing before there are any. Much more than a period means that the source hangs: a
    /// driver that neither answers nor fails is seen in this alone.
    pub fn age(&self) -> Option<Duration> {
        self.view.ticked().map(|ticked| self.clock.monotonic().saturating_sub(ticked))
    }

    /// The clock by which it ticks.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Ends the threads and waits for them. Subscribers are told the end in any case.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) when the source has not answered in time; its thread ends when it does.
    pub fn stop(mut self, limit: Duration) -> Result<()> {
        self.finish(limit)
    }

    fn finish(&mut self, limit: Duration) -> Result<()> {
        let ended = self.end.ask(limit);
        self.view.hub().end();
        let threads = std::mem::take(&mut self.threads);
        if !ended {
            return Err(Error::new(ErrorKind::Timeout, "gpu.telemetry.stop", "the source has not answered in time")
                .with("limit", format_args!("{limit:?}"))
                .with("source", &self.view.node().origin().name)
                .hint("its thread is left behind and ends when it answers"));
        }
        // A thread that panicked has said so on its own.
        threads.into_iter().for_each(|thread| drop(thread.join()));
        Ok(())
    }
}

impl Deref for Telemetry {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            let _ = self.finish(FAREWELL).inspect_err(|error| tracing::warn!(%error, "left a thread behind"));
        }
    }
}

/// Passes on what happens until it is asked to end.
fn listen(view: &View, begun: Result<Box<dyn Events>>, clock: &dyn Clock, end: &End) {
    let mut heard: Vec<Event> = Vec::new();
    let mut source: Option<Box<dyn Events>> = None;
    let mut attempt = Some(begun);
    while !end.asked() {
        let before = clock.monotonic();
        let answer = match source.as_mut() {
            Some(events) => events.wait(LISTEN, clock, &mut heard),
            None => attempt.take().unwrap_or_else(|| view.node().events()).map(|events| {
                view.hear(events.hears());
                source = Some(events);
            }),
        };
        let silent = heard.is_empty();
        heard.drain(..).for_each(|event| view.hub().tell(&Update::Event(event)));
        if let Err(error) = answer {
            tracing::warn!(%error, "the source of GPUs tells no events");
            let error = Arc::new(error);
            if source.take().is_some() {
                view.hub().tell(&Update::Error(Arc::clone(&error)));
            }
            view.deaf(Listening::Failing(error));
            end.wait(AGAIN);
        } else if silent && clock.monotonic().saturating_sub(before) < BREATH {
            end.wait(BREATH);
        }
    }
    view.deaf(Listening::Off);
}

/// How the threads learn that they are to end, and how their owner learns that they have.
#[derive(Debug, Default)]
struct End {
    state: Mutex<EndState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct EndState {
    asked: bool,
    running: usize,
}

impl End {
    fn asked(&self) -> bool {
        lock(&self.state).asked
    }

    /// Waits for this long, or until the end is asked for.
    fn wait(&self, time: Duration) {
        drop(self.changed.wait_timeout_while(lock(&self.state), time, |state| !state.asked));
    }

    /// Asks for the end, and waits for it; whether it came in time.
    fn ask(&self, limit: Duration) -> bool {
        let mut state = lock(&self.state);
        state.asked = true;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(state, limit, |state| state.running > 0);
        waited.is_ok_and(|(state, _)| state.running == 0)
    }
}

/// Counts a thread as running for as long as it lives, also when it panics.
struct Running(Arc<End>);

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.0.state).running -= 1;
        self.0.changed.notify_all();
    }
}
