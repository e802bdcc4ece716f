//! A warp: 32 lanes that do the same instruction together, as far as their ways are the same.
//!
//! Each lane has its own place in the program. The lanes at the lowest place go first, until they reach the place of
//! others, with whom they go on together. So lanes that parted meet again where their ways do, and each lane sees its
//! own instructions in their order. Lanes that wait for one another in a loop, without a barrier, do not get further:
//! who runs them cancels them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::memory::Memory;
use super::mma;
use crate::ptx::Trap;
use crate::ptx::code::{Code, Guard, Instruction, Work};
use crate::ptx::lanes::{Lanes, lanes};

/// How many instructions a warp does before the others of its block get their turn.
const TURN: u64 = 1 << 16;
/// How many instructions pass between two looks at who wants to stop. A power of two.
const LOOK: u64 = 1 << 10;

/// What watches a warp at its work, and may change what it did.
pub(super) trait Watch {
    /// Before the lanes of `active` do an instruction.
    fn before(&mut self, at: u32, active: u32);
    /// After they did one that may have written registers.
    fn after(&mut self, instruction: &Instruction, active: u32, registers: &mut [Lanes]);
}

/// Nobody watches.
pub(super) struct Unwatched;

impl Watch for Unwatched {
    #[inline(always)]
    fn before(&mut self, _: u32, _: u32) {}
    #[inline(always)]
    fn after(&mut self, _: &Instruction, _: u32, _: &mut [Lanes]) {}
}

/// How far a warp has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its turn is over.
    Running,
    /// All of its lanes wait at this barrier.
    Waiting(u32),
    /// All of its lanes have ended.
    Ended,
}

/// The state of a warp.
pub(super) struct Warp {
    pub(super) registers: Vec<Lanes>,
    predicates: Vec<u32>,
    /// What is computed, before the lanes that take part get it.
    result: Lanes,
    /// The lanes that there are, and those that have not ended.
    all: u32,
    live: u32,
    /// Those that wait at the barrier.
    waiting: u32,
    barrier: u32,
    /// The next instruction of each lane.
    at: [u32; 32],
    /// Instructions that the warp did, and the sum of the lanes that did them.
    done: u64,
    pub(super) lanes_done: u64,
}

impl Warp {
    pub(super) fn new() -> Self {
        Self {
            registers: Vec::new(),
            predicates: Vec::new(),
            result: [0; 32],
            all: 0,
            live: 0,
            waiting: 0,
            barrier: 0,
            at: [0; 32],
            done: 0,
            lanes_done: 0,
        }
    }

    /// Begins with so many lanes, in which nothing but the constants is known.
    pub(super) fn reset(&mut self, code: &Code, count: u32) {
        self.registers.clear();
        self.registers.resize(code.widths.len(), [0; 32]);
        for (register, value) in &code.constants {
            self.registers[*register as usize] = [*value; 32];
        }
        self.predicates.clear();
        self.predicates.resize(code.predicates, 0);
        self.all = u32::MAX >> (32 - count.clamp(1, 32));
        self.live = self.all;
        self.waiting = 0;
        self.at = [0; 32];
        self.done = 0;
        self.lanes_done = 0;
    }

    /// Lets the lanes that wait go on.
    pub(super) fn release(&mut self) {
        self.waiting = 0;
    }

    /// Runs until all lanes have ended or wait, or the turn is over.
    pub(super) fn run(
        &mut self,
        code: &Code,
        memory: &Memory<'_>,
        watch: &mut impl Watch,
        stop: &AtomicBool,
    ) -> Result<Progress, Trap> {
        let end = self.done + TURN;
        loop {
            let ready = self.live & !self.waiting;
            if ready == 0 {
                return self.rest();
            }
            if self.done >= end {
                return Ok(Progress::Running);
            }
            let lowest = lanes(ready).map(|lane| self.at[lane]).min().unwrap_or(0);
            let mask = self.lanes_at(ready, lowest);
            let next = lanes(ready & !mask).map(|lane| self.at[lane]).min().unwrap_or(u32::MAX);
            self.together(code, memory, watch, stop, Way { mask, at: lowest, next, end })?;
        }
    }

    /// What it means that no lane is ready.
    fn rest(&self) -> Result<Progress, Trap> {
        if self.live == 0 {
            return Ok(Progress::Ended);
        }
        let first = lanes(self.live).map(|lane| self.at[lane]).next().unwrap_or(0);
        let same = self.live == self.all && self.lanes_at(self.all, first) == self.all;
        if same { Ok(Progress::Waiting(self.barrier)) } else { Err(Trap::Barrier) }
    }

    fn lanes_at(&self, among: u32, at: u32) -> u32 {
        lanes(among).filter(|lane| self.at[*lane] == at).fold(0, |mask, lane| mask | 1 << lane)
    }

    fn part(&mut self, mask: u32, at: u32) {
        lanes(mask).for_each(|lane| self.at[lane] = at);
    }

    fn holds(&self, guard: Guard) -> u32 {
        let holds = self.predicates[guard.predicate as usize];
        if guard.negated { !holds } else { holds }
    }

    /// Runs lanes that are at the same place until they part, end, wait, or reach the place of others.
    fn together(
        &mut self,
        code: &Code,
        memory: &Memory<'_>,
        watch: &mut impl Watch,
        stop: &AtomicBool,
        way: Way,
    ) -> Result<(), Trap> {
        let Way { mut mask, mut at, next, end } = way;
        while at < next && self.done < end {
            if self.done.is_multiple_of(LOOK) && stop.load(Ordering::Relaxed) {
                return Err(Trap::Cancelled);
            }
            let instruction = &code.instructions[at as usize];
            let active = instruction.guard.map_or(mask, |guard| mask & self.holds(guard));
            self.done += 1;
            self.lanes_done += u64::from(active.count_ones());
            watch.before(at, active);
            at += 1;
            match &instruction.work {
                Work::Branch { to } => {
                    if active == mask {
                        at = *to;
                    } else if active != 0 {
                        self.part(active, *to);
                        self.part(mask & !active, at);
                        return Ok(());
                    }
                }
                Work::Exit => {
                    self.live &= !active;
                    mask &= !active;
                    if mask == 0 {
                        return Ok(());
                    }
                }
                Work::Barrier { number } => {
                    if active != 0 {
                        if self.waiting != 0 && self.barrier != *number {
                            return Err(Trap::Barrier);
                        }
                        self.barrier = *number;
                        self.waiting |= active;
                        self.part(active, at);
                        mask &= !active;
                        if mask == 0 {
                            return Ok(());
                        }
                    }
                }
                _ if active == 0 => {}
                work => {
                    self.work(work, active, memory).map_err(|trap| located(trap, instruction.line))?;
                    watch.after(instruction, active, &mut self.registers);
                }
            }
        }
        self.part(mask, at);
        Ok(())
    }

    /// Does what an instruction does within the lanes of `active`, which are not none.
    #[inline(always)]
    fn work(&mut self, work: &Work, active: u32, memory: &Memory<'_>) -> Result<(), Trap> {
        match work {
            Work::Compute { run, to, from, .. } => {
                run(from.map(|from| &self.registers[from as usize]), &mut self.result);
                take_over(&mut self.registers[*to as usize], &self.result, active);
            }
            Work::Compare { run, to, from, with } => {
                let found = run(from.map(|from| &self.registers[from as usize]));
                let found = with.map_or(found, |(logic, guard)| logic.of(found, self.holds(guard)));
                self.decide(*to, found, active);
            }
            Work::Combine { logic, to, from: [a, b] } => {
                self.decide(*to, logic.of(self.holds(*a), self.holds(*b)), active);
            }
            Work::Select { to, from, by } => {
                let holds = self.holds(*by);
                let [a, b] = from.map(|from| &self.registers[from as usize]);
                let mut result = *b;
                take_over(&mut result, a, holds);
                self.write(*to, &result, active);
            }
            Work::Given { to, from } => {
                let given = self.registers[*from as usize];
                self.write(*to, &given, active);
            }
            Work::Clock { to, mask } => self.write(*to, &[self.done & mask; 32], active),
            Work::Load { place, to, item } => memory.load(*place, to, *item, active, &mut self.registers)?,
            Work::Store { place, from, item } => memory.store(*place, from, *item, active, &self.registers)?,
            Work::Atomic { place, to, from: [b, c], item, change } => {
                for lane in lanes(active) {
                    let address = self.registers[place.base as usize][lane].wrapping_add_signed(place.offset);
                    let [b, c] = [b, c].map(|from| self.registers[*from as usize][lane]);
                    let old = memory.update(place.space, address, item.size, &mut |old| change(old, b, c))?;
                    if let Some(to) = to {
                        self.registers[*to as usize][lane] = old & item.mask;
                    }
                }
            }
            Work::Multiply { to, left, right, add } => {
                if active != u32::MAX {
                    return Err(Trap::Instruction("mma without all lanes of the warp".into()));
                }
                let of = |registers: &[u32]| -> Vec<&Lanes> {
                    registers.iter().map(|register| &self.registers[*register as usize]).collect()
                };
                let add = add.map(|register| &self.registers[register as usize]);
                let result = mma::multiply(&of(left), &of(right), add);
                for (to, result) in to.iter().zip(&result) {
                    self.write(*to, result, active);
                }
            }
            Work::Trap => return Err(Trap::Instruction("trap".into())),
            Work::Fence | Work::Branch { .. } | Work::Barrier { .. } | Work::Exit => {}
        }
        Ok(())
    }

    fn write(&mut self, to: u32, result: &Lanes, active: u32) {
        take_over(&mut self.registers[to as usize], result, active);
    }

    #[inline(always)]
    fn decide(&mut self, to: u32, found: u32, active: u32) {
        let to = &mut self.predicates[to as usize];
        *to = *to & !active | found & active;
    }
}

/// Some lanes at one place.
#[derive(Clone, Copy)]
struct Way {
    mask: u32,
    at: u32,
    /// Where the next others are.
    next: u32,
    /// When the turn is over.
    end: u64,
}

/// Takes over the lanes of a mask.
#[inline(always)]
fn take_over(to: &mut Lanes, from: &Lanes, mask: u32) {
    if mask == u32::MAX {
        *to = *from;
        return;
    }
    for (lane, (to, from)) in to.iter_mut().zip(from).enumerate() {
        let all = u64::from(mask >> lane & 1).wrapping_neg();
        *to = *to & !all | *from & all;
    }
}

/// Adds the line to a trap that has room for it.
fn located(trap: Trap, line: u32) -> Trap {
    match trap {
        Trap::Instruction(what) => Trap::Instruction(format!("line {line}: {what}")),
        other => other,
    }
}
