//! The loop that keeps apps running, against a world in which everything goes wrong, as databases are tested: one thread,
//! virtual time, and chance drawn from one seed, so that whatever happens once happens again.
//!
//! `NACP_SIM_SEEDS` says how many seeds are played, `NACP_SIM_FIRST` where they begin. A seed that fails tells how to
//! play it again. The chapter `docs/simulation-of-control.md` says what is checked.

mod checks;
mod engine;
mod faults;
mod mutation;
mod naive;
mod node;
mod rng;
mod run;
mod scenario;
mod seams;
mod tasks;
mod time;
mod trace;
mod users;
mod world;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use faults::{Counts, Fault, Mask};
use mutation::Mutation;
use run::{Options, Outcome, play};

/// How many seeds are played where nobody says.
const SEEDS: u64 = 200;

/// Of how many of a hundred seeds a violation is known and not mended yet (docs/simulation-of-control.md): it may only fall.
const KNOWN: u64 = 2;

/// The least number of seeds in which everything is expected to have happened at least once.
const ENOUGH: u64 = 1_000;

/// What users and programs did, beside the faults: each must have happened.
const EXPECTED: &[&str] = &[
    "converged",
    "cordon",
    "create",
    "delete",
    "drain",
    "exec",
    "list",
    "logs",
    "pause",
    "pull",
    "remove",
    "rename",
    "resume",
    "scale",
    "services",
    "standby",
    "start",
    "stop",
    "told-converged",
    "told-cordoned",
    "told-ended",
    "told-not-ready",
    "told-rolled-back",
    "told-standby",
    "uncordon",
    "undrain",
    "update",
    "update-badly",
    "update-in-peace",
    "watch",
    "withdraw",
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Plays seeds on all cores until one fails; returns what happened over all of them, and the failures.
fn play_all(first: u64, seeds: u64, mutation: Mutation) -> (Counts, Vec<(Options, Outcome)>) {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let parts = std::thread::scope(|scope| {
        let work = || {
            let (mut counts, mut failures) = (Counts::default(), Vec::new());
            while failures.is_empty() {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds {
                    break;
                }
                let options = Options { mutation, ..Options::seed(seed) };
                let outcome = play(options);
                counts.merge(&outcome.counts);
                if outcome.violation.is_some() {
                    next.store(first + seeds, Ordering::Relaxed);
                    failures.push((options, outcome));
                }
            }
            (counts, failures)
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let (mut counts, mut failures) = (Counts::default(), Vec::new());
    for (part, failed) in parts {
        counts.merge(&part);
        failures.extend(failed);
    }
    failures.sort_by_key(|(options, _)| options.seed);
    (counts, failures)
}

/// What a failure says: the seed, the invariant, the end of the trace, which faults it needs, and how to play it again.
fn report(options: Options, outcome: &Outcome) -> String {
    let Some(violation) = &outcome.violation else { return String::new() };
    let mut text = format!("seed {} violates {}: {}\n", options.seed, violation.invariant, violation.what);
    for line in &outcome.last {
        let _ = writeln!(text, "{line}");
    }
    let needless = shrink(options, violation.invariant);
    let names: Vec<_> = needless.iter().map(|fault| fault.name()).collect();
    let needed: Vec<_> =
        Fault::ALL.iter().filter(|fault| !needless.contains(fault)).map(|fault| fault.name()).collect();
    let _ = writeln!(text, "it needs only these faults: {}", needed.join(", "));
    let _ = writeln!(
        text,
        "play it again: NACP_SIM_SEED={} cargo test -p nacp-core --test simulation replay -- --nocapture",
        options.seed
    );
    let _ = writeln!(text, "with these faults alone: add NACP_SIM_WITHOUT={}", names.join(","));
    text
}

/// The classes of faults without which the same invariant is violated all the same: each is switched off in turn, and
/// stays off where that changes nothing.
fn shrink(options: Options, invariant: &str) -> Vec<Fault> {
    let (mut mask, mut needless) = (options.mask, Vec::new());
    for fault in Fault::ALL {
        let without = Options { mask: mask.without(*fault), aloud: false, ..options };
        if play(without).violation.is_some_and(|found| found.invariant == invariant) {
            mask = without.mask;
            needless.push(*fault);
        }
    }
    needless
}

/// Plays all these seeds, also after one that fails, on two threads.
fn play_on(first: u64, seeds: u64) -> (Counts, Vec<(Options, Outcome)>) {
    let half = |offset: u64| {
        let mut counts = Counts::default();
        let mut failures = Vec::new();
        for seed in (first + offset..first + seeds).step_by(2) {
            let options = Options::seed(seed);
            let outcome = play(options);
            counts.merge(&outcome.counts);
            if outcome.violation.is_some() {
                failures.push((options, outcome));
            }
        }
        (counts, failures)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let (mut counts, mut failures) = half(0);
        let (more, others) = other.join().unwrap();
        counts.merge(&more);
        failures.extend(others);
        (counts, failures)
    })
}

#[test]
fn the_loop_violates_no_more_than_what_is_known_and_open() {
    let (first, seeds) = (number("NACP_SIM_FIRST").unwrap_or(1), number("NACP_SIM_SEEDS").unwrap_or(SEEDS));
    let (counts, failures) = play_on(first, seeds);
    for (options, outcome) in &failures {
        let violation = outcome.violation.as_ref().unwrap();
        println!("seed {} violates {}: {}", options.seed, violation.invariant, violation.what);
    }
    println!("{seeds} seeds from {first}, {} violate something", failures.len());
    for (name, count) in &counts.0 {
        println!("{count:>12} {name}");
    }
    let failed = || failures.iter().map(|(options, outcome)| report(*options, outcome)).collect::<String>();
    assert!(failures.len() as u64 * 100 <= KNOWN * seeds, "{}", failed());
    if seeds >= ENOUGH {
        let names = Fault::ALL.iter().map(|fault| fault.name()).chain(EXPECTED.iter().copied());
        let never: Vec<_> = names.filter(|name| counts.of(name) == 0).collect();
        assert!(never.is_empty(), "never happened in {seeds} seeds: {never:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 7, 11, 19, 23] {
        let (first, second) = (play(Options::seed(seed)), play(Options::seed(seed)));
        assert_eq!(first.trace, second.trace, "seed {seed}:\n{:#?}\n{:#?}", first.last, second.last);
        assert_eq!((first.steps, first.time), (second.steps, second.time));
        assert_ne!(first.trace, play(Options::seed(seed + 1)).trace);
    }
}

/// `NACP_SIM_LOOP=naive` plays the naive loop in place of the real one.
fn loop_of_the_environment() -> Mutation {
    let naive = std::env::var("NACP_SIM_LOOP").is_ok_and(|which| which == "naive");
    if naive { Mutation::NaiveLoop } else { Mutation::None }
}

/// Plays one seed aloud: `NACP_SIM_SEED` names it, `NACP_SIM_WITHOUT` the faults that are switched off.
#[test]
fn replay() {
    let Some(seed) = number("NACP_SIM_SEED") else { return };
    let mask = Mask::all_but(&std::env::var("NACP_SIM_WITHOUT").unwrap_or_default());
    let outcome = play(Options { mask, mutation: loop_of_the_environment(), aloud: true, seed });
    println!("{} steps, {:?} of virtual time", outcome.steps, outcome.time);
    assert_eq!(outcome.violation, None);
}

/// Which invariants a number of seeds violate, and one seed of each: `NACP_SIM_SEEDS`, `NACP_SIM_LOOP`.
#[test]
fn survey() {
    let Some(seeds) = number("NACP_SIM_SURVEY") else { return };
    let first = number("NACP_SIM_FIRST").unwrap_or(1);
    let mut found = std::collections::BTreeMap::<_, (u64, u64, String)>::new();
    for seed in first..first + seeds {
        if let Some(violation) = play(Options { mutation: loop_of_the_environment(), ..Options::seed(seed) }).violation
        {
            println!("seed {seed} violates {}: {}", violation.invariant, violation.what);
            found.entry(violation.invariant).or_insert((0, seed, violation.what)).0 += 1;
        }
    }
    for (invariant, (count, seed, what)) in found {
        println!("{count:>6} {invariant}: seed {seed}: {what}");
    }
}

/// Plants a bug and looks which invariant finds it.
fn is_found(mutation: Mutation, within: u64, by: &[&str]) {
    let (_, failures) = play_all(1, within, mutation);
    let (options, outcome) = failures.first().unwrap_or_else(|| panic!("{mutation:?} is not found in {within} seeds"));
    let found = outcome.violation.as_ref().unwrap();
    assert!(by.contains(&found.invariant), "seed {}: {found:?}\n{:#?}", options.seed, outcome.last);
    println!("{mutation:?} is found by seed {}: {}", options.seed, found.invariant);
}

#[test]
fn an_engine_that_takes_a_second_container_of_a_name_is_found() {
    is_found(Mutation::CreateAcceptsTakenName, 500, &["one-copy", "convergence", "unrest", "promises"]);
}

#[test]
fn who_takes_a_label_for_a_name_is_found_to_touch_strangers() {
    is_found(Mutation::NamesNotCompared, 500, &["strangers"]);
}

#[test]
fn a_lease_that_everyone_gets_is_found() {
    is_found(Mutation::EveryoneHasTheLease, 500, &["one-keeper"]);
}

#[test]
fn a_prober_that_says_ready_at_once_is_found() {
    is_found(Mutation::ReadyAtOnce, 500, &["start-order", "availability"]);
}

#[test]
fn a_loop_that_was_written_on_an_afternoon_is_found_out() {
    let by = ["availability", "convergence", "exclusive", "gpu-memory", "pause", "promises", "start-order", "unrest"];
    is_found(Mutation::NaiveLoop, 50, &by);
}
