//! What a request costs: a slot, the time to the first token, the time of each further one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::options::ServiceOptions;
use super::tokens::{self, Answer};
use crate::clock::{Clock, SystemClock};

const LOG_LINES: usize = 200;

/// What a simulated service has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceStats {
    /// Requests for generated text or embeddings that were accepted.
    pub requests: u64,
    /// Those of them that are queued or worked on.
    pub active: u64,
    /// Those of them that the client left before the end.
    pub cancelled: u64,
    /// Tokens that were generated.
    pub tokens: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: ServiceOptions,
    pub(super) clock: SystemClock,
    slots: Arc<Semaphore>,
    requests: AtomicU64,
    active: AtomicU64,
    cancelled: AtomicU64,
    tokens: AtomicU64,
    log: Mutex<Log>,
    /// How many lines it has logged.
    logged: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    /// How many older ones were left out.
    gone: usize,
}

impl State {
    pub(super) fn new(options: ServiceOptions) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(options.slots.clamp(1, Semaphore::MAX_PERMITS))),
            options,
            clock: SystemClock::new(),
            requests: AtomicU64::new(0),
            active: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            log: Mutex::default(),
            logged: watch::Sender::new(0),
        }
    }

    pub(super) fn ready(&self) -> bool {
        !self.options.unhealthy && self.clock.monotonic() >= self.options.startup
    }

    pub(super) fn serves(&self, model: &str) -> bool {
        self.options.models.iter().any(|known| known == model)
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.wall().as_second()
    }

    pub(super) fn stats(&self) -> ServiceStats {
        ServiceStats {
            requests: self.requests.load(Ordering::Relaxed),
            active: self.active.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            tokens: self.tokens.load(Ordering::Relaxed),
        }
    }

    pub(super) fn log(&self, line: &str) {
        let line = format!("simulated service: {line}");
        if let Some(on_log) = self.options.on_log {
            on_log(&line);
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.lines.len() == LOG_LINES {
            log.lines.pop_front();
            log.gone += 1;
        }
        log.lines.push_back(line);
        self.logged.send_replace(log.gone + log.lines.len());
    }

    pub(super) fn logs(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).lines.iter().cloned().collect()
    }

    /// Its lines from this one on, counted from 0, as far as they are kept, and the number of the one to come.
    pub(super) fn logs_from(&self, number: usize) -> (Vec<String>, usize) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = log.lines.iter().skip(number.saturating_sub(log.gone)).cloned().collect();
        (lines, log.gone + log.lines.len())
    }

    /// Tells how many lines it has logged, each time that there is another one, until it is gone.
    pub(super) fn logged(&self) -> watch::Receiver<usize> {
        self.logged.subscribe()
    }
}

/// An answer that is being generated. Dropping it before its end counts as left by the client.
pub(super) struct Generation {
    state: Arc<State>,
    model: String,
    words: Vec<&'static str>,
    cut: bool,
    next: usize,
    ended: bool,
    /// Absent while the request waits in the queue.
    slot: Option<OwnedSemaphorePermit>,
    pub(super) started: Duration,
    pub(super) prompt_tokens: usize,
}

impl Generation {
    /// Waits for a slot and for the first token.
    pub(super) async fn begin(state: &Arc<State>, model: &str, prompt: &str, limit: Option<usize>) -> Self {
        state.requests.fetch_add(1, Ordering::Relaxed);
        state.active.fetch_add(1, Ordering::Relaxed);
        let Answer { words, cut } = tokens::answer(model, prompt, limit);
        let mut generation = Self {
            state: Arc::clone(state),
            model: model.to_owned(),
            words,
            cut,
            next: 0,
            ended: false,
            slot: None,
            started: state.clock.monotonic(),
            prompt_tokens: tokens::count(prompt),
        };
        generation.slot = Arc::clone(&state.slots).acquire_owned().await.ok();
        sleep(state.options.time_to_first_token).await;
        generation
    }

    /// The next piece of text, once its time has passed; nothing at the end.
    pub(super) async fn piece(&mut self) -> Option<String> {
        let Some(word) = self.words.get(self.next) else {
            self.ended = true;
            return None;
        };
        if self.next > 0 {
            sleep(self.state.options.per_token).await;
        }
        self.next += 1;
        self.state.tokens.fetch_add(1, Ordering::Relaxed);
        Some(tokens::piece(self.next - 1, word))
    }

    /// All of the text, once its time has passed.
    pub(super) async fn text(&mut self) -> String {
        let mut text = String::new();
        while let Some(piece) = self.piece().await {
            text.push_str(&piece);
        }
        text
    }

    /// How many tokens were generated so far.
    pub(super) fn tokens(&self) -> usize {
        self.next
    }

    /// Why it ended: `length` when the limit of tokens was reached, else `stop`.
    pub(super) fn reason(&self) -> &'static str {
        if self.cut { "length" } else { "stop" }
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.state.active.fetch_sub(1, Ordering::Relaxed);
        let end = if self.ended { "done" } else { "client left" };
        if !self.ended {
            self.state.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        drop(self.slot.take());
        self.state.log(&format!("{end} model={} prompt={} tokens={}", self.model, self.prompt_tokens, self.next));
    }
}

/// Embeddings cost the time to the first token; nothing is streamed.
pub(super) async fn embed(state: &Arc<State>, model: &str, texts: &[String]) -> Vec<Vec<f64>> {
    let mut generation = Generation::begin(state, model, "", Some(0)).await;
    generation.prompt_tokens = texts.iter().map(|text| tokens::count(text)).sum();
    generation.ended = true;
    texts.iter().map(|text| tokens::embedding(model, text)).collect()
}

#[expect(clippy::disallowed_methods, reason = "the simulated service spends real time")]
async fn sleep(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
