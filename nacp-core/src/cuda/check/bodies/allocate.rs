//! Memory: whether it can be had and given back, and whether none is lost.

use super::measure;
use crate::cuda::check::{Bench, Metric, Outcome, Stop, Unit};
use crate::cuda::session::Session;
use crate::units::Bytes;

/// The size of a piece.
const PIECE: u64 = 1 << 20;
/// How many pieces a round takes, one after the other.
const PIECES: u32 = 8;
/// Memory that is lost in every one of these rounds is lost by the driver; in one of them another process took it.
const ROUNDS: u32 = 3;
const PINNED_WORD: [u8; 8] = *b"nacp pin";

/// `mem.alloc`.
pub(super) fn allocate(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = take(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn take(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let session = measure::open(bench, device)?;
    measure::label(bench, outcome);
    // The first piece brings a larger one of the driver's own, which it keeps.
    drop(session.allocate(PIECE)?);
    let (mut taken, mut given) = (Vec::new(), Vec::new());
    let mut lost = Vec::new();
    for _ in 0..ROUNDS {
        bench.go_on()?;
        let (before, total) = session.memory_info()?;
        outcome_total(outcome, before, total);
        for _ in 0..PIECES {
            let begun = bench.clock.monotonic();
            let piece = session.allocate(PIECE)?;
            let had = bench.clock.monotonic();
            drop(piece);
            taken.push(had.saturating_sub(begun).as_secs_f64());
            given.push(bench.clock.monotonic().saturating_sub(had).as_secs_f64());
        }
        let (after, _) = session.memory_info()?;
        lost.push(before.saturating_sub(after));
    }
    outcome.measured(Metric::of("allocate", taken, Unit::Seconds));
    outcome.measured(Metric::of("free", given, Unit::Seconds));
    judge(outcome, &lost);
    pinned(bench, &session, outcome)
}

fn outcome_total(outcome: &mut Outcome, free: u64, total: u64) {
    if !outcome.evidence.iter().any(|it| it.what == "free") {
        outcome.read("free", format!("{} of {}", Bytes(free), Bytes(total)), "cuMemGetInfo");
    }
}

fn judge(outcome: &mut Outcome, lost: &[u64]) {
    let sum = lost.iter().sum();
    let all = u64::from(PIECES) * PIECE;
    let each = |least: u64| lost.iter().all(|bytes| *bytes >= least);
    if each(all) {
        outcome.fail(format!(
            "memory that was given back is not free again: {} of {} in {ROUNDS} rounds; the driver loses it: install another \
             version of it",
            Bytes(sum),
            Bytes(all * u64::from(ROUNDS))
        ));
    } else if each(1) {
        outcome.warn(format!(
            "{} less is free after {ROUNDS} rounds of taking and giving back; another process takes memory, or the driver loses \
             some",
            Bytes(sum)
        ));
    } else {
        outcome.read("lost", format!("{} in {ROUNDS} rounds", Bytes(sum)), "cuMemGetInfo");
    }
}

/// Memory of the host that the device reads by itself. There may be little of it, and programs do without.
fn pinned(bench: &Bench<'_>, session: &Session<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    bench.go_on()?;
    let begun = bench.clock.monotonic();
    let pinned = match session.pinned(PIECE) {
        Ok(pinned) => pinned,
        Err(refused) => {
            let remedy = if bench.driver.loaded().wsl {
                "WSL2 limits it: give WSL2 more memory in .wslconfig"
            } else {
                "look at the free memory of the machine, and of the container"
            };
            outcome.warn(format!(
                "no pinned memory of {}: {refused}; programs do without it, and their copies from pageable memory are slower; \
                 {remedy}",
                Bytes(PIECE)
            ));
            return Ok(());
        }
    };
    let took = bench.clock.monotonic().saturating_sub(begun);
    outcome.measured(Metric::once("allocate_pinned", took.as_secs_f64(), Unit::Seconds));
    let last = PIECE - PINNED_WORD.len() as u64;
    pinned.write(last, &PINNED_WORD)?;
    let mut read = [0; PINNED_WORD.len()];
    pinned.read(last, &mut read)?;
    if read != PINNED_WORD {
        outcome.fail(format!(
            "pinned memory holds {read:02x?} where {PINNED_WORD:02x?} was written; test the machine's memory"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
