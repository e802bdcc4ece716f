//! Runs programs, block by block.

mod block;
mod flip;
mod live;
mod memory;
mod mma;
mod overlay;
mod warp;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Entry, Flip, Global, Grid, Stats, Trap};
use block::{Runner, blocks, threads};

/// As [`super::run`].
pub(super) fn run(
    entry: &Entry,
    grid: &Grid,
    params: &[u8],
    global: &dyn Global,
    flip: Option<&Flip>,
    stop: &AtomicBool,
) -> Result<Stats, Trap> {
    let work = Shared {
        entry,
        grid,
        params,
        global,
        flip: flip.filter(|flip| flip.kernel.as_ref().is_none_or(|kernel| *kernel == entry.name)),
        stop,
        next: AtomicU64::new(0),
        // A block that stopped ends the run; those before it still run, so that the first one is always the same.
        first: AtomicU64::new(blocks(grid)),
        trap: Mutex::new(None),
    };
    let workers = if entry.code.in_order || blocks(grid) == 1 { 1 } else { workers() };
    let stats = if workers == 1 {
        work.run()
    } else {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(|| work.run())).collect();
            let mut stats = work.run();
            for other in others {
                // A worker that panicked was in the middle of a block, which nobody may take for done.
                let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                stats.instructions += other.instructions;
                stats.flipped = stats.flipped.or(other.flipped);
                stats.steps += other.steps;
            }
            stats
        })
    };
    match work.trap.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some((_, trap)) => Err(trap),
        None => Ok(stats),
    }
}

/// How many threads of the host run blocks.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

/// What all workers of a run see.
struct Shared<'a> {
    entry: &'a Entry,
    grid: &'a Grid,
    params: &'a [u8],
    global: &'a dyn Global,
    flip: Option<&'a Flip>,
    stop: &'a AtomicBool,
    /// The block that nobody has taken yet.
    next: AtomicU64,
    /// The first block that stopped, and why.
    first: AtomicU64,
    trap: Mutex<Option<(u64, Trap)>>,
}

impl Shared<'_> {
    /// Takes block after block until there is none left.
    fn run(&self) -> Stats {
        let mut stats = Stats::default();
        let mut runner = Runner::new(self.entry, self.grid, self.params, self.global, self.stop);
        let threads = u64::from(threads(self.grid));
        loop {
            let block = self.next.fetch_add(1, Ordering::Relaxed);
            if block >= self.first.load(Ordering::Acquire) {
                return stats;
            }
            let flip = self.flip.filter(|flip| flip.lane / threads.max(1) == block);
            let done = match flip {
                None => runner.run(block),
                Some(flip) => self.run_flipped(&mut runner, block, flip, &mut stats),
            };
            match done {
                Ok(instructions) => stats.instructions += instructions,
                Err(trap) => self.stopped(block, trap),
            }
        }
    }

    fn stopped(&self, block: u64, trap: Trap) {
        let mut found = self.trap.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if found.as_ref().is_none_or(|(first, _)| block < *first) {
            *found = Some((block, trap));
            self.first.fetch_min(block, Ordering::Release);
        }
    }

    /// Runs a block in one of whose lanes a bit turns over.
    fn run_flipped(&self, runner: &mut Runner<'_>, block: u64, flip: &Flip, stats: &mut Stats) -> Result<u64, Trap> {
        let threads = threads(self.grid).max(1);
        let thread = usize::try_from(flip.lane % u64::from(threads)).unwrap_or(0);
        let (warp, lane) = (thread / 32, thread % 32);
        let overlay = overlay::Overlay::new(self.global);
        let mut trace = flip::Trace::new(lane);
        let mut trial = Runner::new(self.entry, self.grid, self.params, &overlay, self.stop);
        // A block that faults by itself leaves the trace of what its lane did before.
        if trial.run_watched(block, warp, &mut trace) == Err(Trap::Cancelled) {
            return Err(Trap::Cancelled);
        }
        let steps = live::steps(&self.entry.code, trace.done());
        stats.steps = steps.len() as u64;
        let Some(target) = live::choose(&self.entry.code, &steps, flip) else { return runner.run(block) };
        let mut strike = flip::Strike::new(lane, target);
        let done = runner.run_watched(block, warp, &mut strike);
        stats.flipped = strike.line();
        done
    }
}
