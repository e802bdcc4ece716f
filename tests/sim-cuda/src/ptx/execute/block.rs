//! A block: warps that share memory and wait for one another.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use super::memory::Memory;
use super::warp::{Progress, Unwatched, Warp, Watch};
use crate::ptx::code::{Axis, Special};
use crate::ptx::{Entry, Global, Grid, Trap};

/// What runs block after block.
pub(super) struct Runner<'a> {
    entry: &'a Entry,
    grid: &'a Grid,
    memory: Memory<'a>,
    warps: Vec<Warp>,
    stop: &'a AtomicBool,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        entry: &'a Entry,
        grid: &'a Grid,
        params: &'a [u8],
        global: &'a dyn Global,
        stop: &'a AtomicBool,
    ) -> Self {
        let memory = Memory { global, params, shared: RefCell::new(Vec::new()) };
        let warps = (0..threads(grid).div_ceil(32)).map(|_| Warp::new()).collect();
        Self { entry, grid, memory, warps, stop }
    }

    /// Runs a block, and answers how many instructions its lanes did together.
    pub(super) fn run(&mut self, block: u64) -> Result<u64, Trap> {
        self.run_watched(block, usize::MAX, &mut Unwatched)
    }

    /// Runs a block, one of whose warps is watched.
    pub(super) fn run_watched(&mut self, block: u64, watched: usize, watch: &mut impl Watch) -> Result<u64, Trap> {
        self.begin(block);
        let code = &self.entry.code;
        loop {
            let mut progress = Vec::with_capacity(self.warps.len());
            for (number, warp) in self.warps.iter_mut().enumerate() {
                progress.push(if number == watched {
                    warp.run(code, &self.memory, watch, self.stop)?
                } else {
                    warp.run(code, &self.memory, &mut Unwatched, self.stop)?
                });
            }
            if progress.contains(&Progress::Running) {
                continue;
            }
            match progress.first() {
                Some(Progress::Waiting(_)) if progress.windows(2).all(|pair| pair[0] == pair[1]) => {
                    self.warps.iter_mut().for_each(Warp::release);
                }
                _ if progress.iter().all(|one| *one == Progress::Ended) => break,
                _ => return Err(Trap::Barrier),
            }
        }
        Ok(self.warps.iter().map(|warp| warp.lanes_done).sum())
    }

    /// Tells each lane who and where it is.
    fn begin(&mut self, block: u64) {
        let code = &self.entry.code;
        let shared = self.memory.shared.get_mut();
        shared.clear();
        shared.resize(self.entry.shared, 0);
        let count = threads(self.grid);
        let place = split(block, self.grid.grid);
        for (warp, number) in self.warps.iter_mut().zip(0_u32..) {
            warp.reset(code, count - 32 * number);
            for (register, special) in &code.specials {
                for (lane, value) in warp.registers[*register as usize].iter_mut().zip(0_u32..) {
                    let who = Who { block, place, warp: number, lane: value };
                    *lane = who.knows(*special, self.grid);
                }
            }
        }
    }
}

/// How many threads a block has.
pub(super) fn threads(grid: &Grid) -> u32 {
    grid.block.iter().fold(1, |product: u32, side| product.saturating_mul(*side))
}

/// How many blocks there are.
pub(super) fn blocks(grid: &Grid) -> u64 {
    grid.grid.iter().fold(1, |product: u64, side| product.saturating_mul(u64::from(*side)))
}

/// A number as a place in a box of these sides.
fn split(number: u64, [x, y, _]: [u32; 3]) -> [u64; 3] {
    let (x, y) = (u64::from(x.max(1)), u64::from(y.max(1)));
    [number % x, number / x % y, number / x / y]
}

/// A lane, and where it is.
struct Who {
    block: u64,
    place: [u64; 3],
    warp: u32,
    lane: u32,
}

impl Who {
    fn knows(&self, special: Special, grid: &Grid) -> u64 {
        let along = |axis: Axis, sides: [u64; 3]| match axis {
            Axis::X => sides[0],
            Axis::Y => sides[1],
            Axis::Z => sides[2],
        };
        match special {
            Special::Thread(axis) => along(axis, split(u64::from(32 * self.warp + self.lane), grid.block)),
            Special::Threads(axis) => along(axis, grid.block.map(u64::from)),
            Special::Block(axis) => along(axis, self.place),
            Special::Blocks(axis) => along(axis, grid.grid.map(u64::from)),
            Special::Lane => u64::from(self.lane),
            Special::LanesBelow => (1 << self.lane) - 1,
            Special::Warp => u64::from(self.warp),
            Special::Warps => u64::from(threads(grid).div_ceil(32)),
            Special::Multiprocessor => self.block % u64::from(grid.multiprocessors.max(1)),
            Special::Multiprocessors => u64::from(grid.multiprocessors),
        }
    }
}
