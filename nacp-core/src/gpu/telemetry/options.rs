//! How often to read what, and how much of it to keep.

use std::time::Duration;

use super::history::History;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Fields, GpuId};
use crate::units::Bytes;

/// The shortest time between two readings: below it the driver's lock is held more than it is free.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest time between two readings.
const LONGEST: Duration = Duration::from_secs(3600);
/// The longest history.
const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most updates that wait for one subscriber.
const BUFFER: usize = 65_536;

/// How often to read what, and how much of it to keep.
///
/// ```
/// use std::time::Duration;
/// use nacp_core::gpu::Fields;
/// use nacp_core::gpu::telemetry::{TelemetryOptions, Tier};
///
/// let calm = TelemetryOptions {
///     fast: Tier { every: Duration::from_secs(1), fields: Fields::FAST | Fields::TEMPERATURE },
///     history: Duration::from_secs(600),
///     ..TelemetryOptions::default()
/// };
/// assert!(calm.memory_for(8).0 < 1 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryOptions {
    /// What is read most often; [`Fields::FAST`] every 100 ms.
    pub fast: Tier,
    /// What is read less often; [`Fields::MEDIUM`] every second.
    pub medium: Tier,
    /// What is read seldom, or is slow to read; [`Fields::SLOW`] every 10 s. Its fields are spread over that time: on
    /// each tick a few of them are read, so that none delays the fast ones by more than itself.
    pub slow: Tier,
    /// How far back readings are kept: an hour.
    pub history: Duration,
    /// The most memory that the history may take: 64 MiB. Options that need more are refused.
    pub memory: Bytes,
    /// How many updates wait for each subscriber before it loses the oldest: 64.
    pub buffer: usize,
}

/// What is read together, and how often. A field that two tiers name is read by the faster one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The time from one reading to the next, 10 ms to an hour.
    pub every: Duration,
    /// What to read; nothing switches the tier off.
    pub fields: Fields,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        let tier = |milliseconds, fields| Tier { every: Duration::from_millis(milliseconds), fields };
        Self {
            fast: tier(100, Fields::FAST),
            medium: tier(1_000, Fields::MEDIUM),
            slow: tier(10_000, Fields::SLOW),
            history: Duration::from_secs(3600),
            memory: Bytes::mib(64),
            buffer: 64,
        }
    }
}

impl TelemetryOptions {
    /// The tiers, the fastest first, each without what a faster one reads.
    pub(super) fn tiers(&self) -> [(&'static str, Tier); 3] {
        let mut taken = Fields::NONE;
        [("fast", self.fast), ("medium", self.medium), ("slow", self.slow)].map(|(name, tier)| {
            let fields = tier.fields & !taken;
            taken = taken | fields;
            (name, Tier { fields, ..tier })
        })
    }

    /// Every field that is read.
    pub fn fields(&self) -> Fields {
        self.fast.fields | self.medium.fields | self.slow.fields
    }

    /// The most memory that the history of this many GPUs takes, in bytes.
    pub fn memory_for(&self, gpus: usize) -> Bytes {
        let bytes = History::plan(self).map(|track| track.bytes(gpus)).fold(0, usize::saturating_add);
        Bytes(bytes.try_into().unwrap_or(u64::MAX))
    }

    /// Whether these options can be kept for these GPUs.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument), with the option and the values that it may have.
    pub(super) fn check(&self, gpus: &[GpuId]) -> Result<()> {
        let wrong = |message: &str| Error::new(ErrorKind::InvalidArgument, "gpu.telemetry", message);
        let mut faster: Option<(&str, Duration)> = None;
        for (name, tier) in self.tiers().into_iter().filter(|(_, tier)| !tier.fields.is_empty()) {
            if !(SHORTEST..=LONGEST).contains(&tier.every) {
                return Err(wrong("the time between two readings is out of range")
                    .with("tier", name)
                    .with("every", format_args!("{:?}", tier.every))
                    .hint(format!("choose {SHORTEST:?} to {LONGEST:?}")));
            }
            if let Some((other, every)) = faster.filter(|(_, every)| *every > tier.every) {
                return Err(wrong("a slower tier reads more often than a faster one")
                    .with("tier", name)
                    .with("every", format_args!("{:?}", tier.every))
                    .with(other, format_args!("{every:?}"))
                    .hint(format!("choose at least {every:?} for {name}")));
            }
            faster = Some((name, tier.every));
        }
        if faster.is_none() {
            return Err(wrong("no tier reads anything").hint("give one of them fields, for example Fields::FAST"));
        }
        if self.history > OLDEST {
            return Err(wrong("the history is too long")
                .with("history", format_args!("{:?}", self.history))
                .hint(format!("choose at most {OLDEST:?}; record to a file what is to be kept longer")));
        }
        if !(1..=BUFFER).contains(&self.buffer) {
            return Err(wrong("the buffer of a subscriber is out of range")
                .with("buffer", self.buffer)
                .hint(format!("choose 1 to {BUFFER}")));
        }
        let needed = self.memory_for(gpus.len());
        if needed > self.memory {
            return Err(wrong("the history needs more memory than it may take")
                .with("needs", needed)
                .with("memory", self.memory)
                .with("gpus", gpus.len())
                .hint("shorten `history`, read less often, or raise `memory`"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut TelemetryOptions)) -> String {
        let mut options = TelemetryOptions::default();
        change(&mut options);
        let gpus = vec!["GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap(); 8];
        let error = options.check(&gpus).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.to_string()
    }

    #[test]
    fn an_option_that_cannot_be_kept_is_refused_with_what_would_do() {
        let cases = [
            (
                refusal(|options| options.fast.every = Duration::from_millis(9)),
                "the time between two readings is out of range: tier=fast every=9ms; choose 10ms to 3600s",
            ),
            (
                refusal(|options| options.slow.every = Duration::from_millis(500)),
                "a slower tier reads more often than a faster one: tier=slow every=500ms medium=1s; choose at least 1s for slow",
            ),
            (
                refusal(|options| {
                    options.fast.fields = Fields::NONE;
                    options.medium.fields = Fields::NONE;
                    options.slow.fields = Fields::NONE;
                }),
                "no tier reads anything; give one of them fields, for example Fields::FAST",
            ),
            (
                refusal(|options| options.buffer = 0),
                "the buffer of a subscriber is out of range: buffer=0; choose 1 to 65536",
            ),
        ];
        for (refusal, expected) in cases {
            assert_eq!(refusal, expected);
        }
        let big = refusal(|options| options.history = Duration::from_secs(24 * 3600));
        assert!(big.contains("memory=64 MiB gpus=8; shorten `history`"), "{big}");
        assert!(refusal(|options| options.history = Duration::MAX).contains("the history is too long"));
    }

    #[test]
    fn a_tier_without_fields_does_not_count_and_a_field_belongs_to_the_fastest_that_names_it() {
        let options = TelemetryOptions {
            fast: Tier { every: Duration::ZERO, fields: Fields::NONE },
            medium: Tier { every: Duration::from_secs(1), fields: Fields::POWER | Fields::MEMORY },
            slow: Tier { every: Duration::from_secs(2), fields: Fields::ALL },
            ..TelemetryOptions::default()
        };
        options.check(&[]).unwrap();
        let slow = options.tiers()[2].1.fields;
        assert_eq!(slow, !(Fields::POWER | Fields::MEMORY));
        assert_eq!(options.fields(), Fields::ALL);
    }
}
