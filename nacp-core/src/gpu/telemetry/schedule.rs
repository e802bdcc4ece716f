//! When each field is due.

use std::time::Duration;

use super::options::TelemetryOptions;
use crate::gpu::Fields;

/// When each field is due. Times are nanoseconds of the caller's monotonic clock.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: Vec<Entry>,
    /// Whether the first tick is still to come: it reads everything.
    fresh: bool,
    /// Whether the next tick reads everything, whatever is due.
    everything: bool,
}

#[derive(Debug)]
struct Entry {
    field: Fields,
    every: u64,
    /// How long after the first tick it is due for the second time; then it comes every `every`.
    phase: u64,
    next: u64,
}

/// What a tick is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) fields: Fields,
    /// How many ticks were passed over because this one is late.
    pub(super) missed: u64,
}

impl Schedule {
    /// Fast and medium fields are due together. The slow ones are spread over their time, each on a fast tick: one that
    /// takes the driver milliseconds then delays no other.
    pub(super) fn new(options: &TelemetryOptions) -> Self {
        let tiers = options.tiers().map(|(_, tier)| tier);
        let used = || tiers.iter().filter(|tier| !tier.fields.is_empty());
        let base = used().map(|tier| nanoseconds(tier.every)).min().unwrap_or(1).max(1);
        let slowest = used().count() > 1;
        let mut entries = Vec::new();
        for (at, tier) in tiers.iter().enumerate() {
            let every = nanoseconds(tier.every).max(1);
            let fields: Vec<_> =
                Fields::names().map(|(_, field)| field).filter(|it| tier.fields.contains(*it)).collect();
            let spread = at == 2 && slowest;
            for (turn, field) in (1u64..).zip(&fields) {
                let share = every / fields.len() as u64 * turn;
                let phase = if spread { (share / base * base).max(base) } else { every };
                entries.push(Entry { field: *field, every, phase, next: 0 });
            }
        }
        Self { entries, fresh: true, everything: false }
    }

    /// What is due at this moment. Deadlines that have passed more than once are passed over, not made up for.
    pub(super) fn due(&mut self, now: Duration) -> Due {
        let now = nanoseconds(now);
        let mut due = Due { fields: Fields::NONE, missed: 0 };
        if std::mem::take(&mut self.fresh) {
            for entry in &mut self.entries {
                due.fields = due.fields | entry.field;
                entry.next = now.saturating_add(entry.phase);
            }
            return due;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.next <= now) {
            let over = (now - entry.next) / entry.every;
            entry.next = entry.next.saturating_add(entry.every.saturating_mul(over + 1));
            due = Due { fields: due.fields | entry.field, missed: due.missed.max(over) };
        }
        if !due.fields.is_empty() && std::mem::take(&mut self.everything) {
            due.fields = self.entries.iter().fold(Fields::NONE, |all, entry| all | entry.field);
        }
        due
    }

    /// Makes the next tick read everything; what is due when stays as it is.
    pub(super) fn read_everything(&mut self) {
        self.everything = true;
    }

    /// When the next field is due.
    pub(super) fn next(&self) -> Duration {
        Duration::from_nanos(self.entries.iter().map(|entry| entry.next).min().unwrap_or(u64::MAX))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// How often each field was due in this time, when every tick comes at its moment.
    fn counts(schedule: &mut Schedule, until: Duration) -> BTreeMap<&'static str, u32> {
        let mut counts = BTreeMap::new();
        while schedule.next() < until {
            let due = schedule.due(schedule.next());
            assert_eq!(due.missed, 0);
            for (name, field) in Fields::names().filter(|(_, field)| due.fields.contains(*field)) {
                assert!(!field.is_empty());
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    }

    #[test]
    fn each_tier_keeps_its_rate_whatever_the_others_do() {
        let options = TelemetryOptions::default();
        let mut schedule = Schedule::new(&options);
        let counts = counts(&mut schedule, Duration::from_millis(99_950));
        for (name, field) in Fields::names() {
            let expected = match field {
                field if Fields::FAST.contains(field) => 1_000..=1_000,
                field if Fields::MEDIUM.contains(field) => 100..=100,
                _ => 10..=11,
            };
            assert!(expected.contains(&counts[name]), "{name}: {}", counts[name]);
        }
    }

    #[test]
    fn after_the_first_tick_no_tick_reads_more_than_one_slow_field() {
        let mut schedule = Schedule::new(&TelemetryOptions::default());
        assert_eq!(schedule.due(Duration::from_secs(5)).fields, Fields::ALL, "the first reads everything");
        while schedule.next() < Duration::from_secs(60) {
            let slow = schedule.due(schedule.next()).fields & Fields::SLOW;
            let many = Fields::names().filter(|(_, field)| slow.contains(*field)).count();
            assert!(many <= 1, "{slow}");
        }
    }

    #[test]
    fn late_ticks_do_not_pile_up() {
        let mut schedule = Schedule::new(&TelemetryOptions::default());
        schedule.due(Duration::ZERO);
        assert_eq!(schedule.next(), Duration::from_millis(100));
        let due = schedule.due(Duration::from_millis(730));
        assert_eq!((due.fields & Fields::FAST, due.missed), (Fields::FAST, 6), "those at 100 to 600 ms");
        assert_eq!(schedule.next(), Duration::from_millis(800));
        assert!(schedule.due(Duration::from_millis(799)).fields.is_empty(), "too early");
    }

    #[test]
    fn reading_everything_once_moves_no_deadline() {
        let mut schedule = Schedule::new(&TelemetryOptions::default());
        schedule.due(Duration::ZERO);
        schedule.read_everything();
        assert_eq!(schedule.due(Duration::from_millis(100)).fields, Fields::ALL);
        assert_eq!(schedule.due(Duration::from_millis(200)).fields, Fields::FAST);
        assert_eq!(schedule.due(Duration::MAX).missed, u64::MAX / 100_000_000 - 3, "no overflow at the end of time");
    }
}
