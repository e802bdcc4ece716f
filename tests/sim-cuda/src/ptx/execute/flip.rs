//! One wrong bit: first what a lane does is written down, then, in a second run, one bit of it turns over.

use super::warp::Watch;
use crate::ptx::code::{Instruction, Register};
use crate::ptx::lanes::Lanes;

/// An instruction that a lane came to, and whether it did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) at: u32,
    pub(super) done: bool,
}

/// Writes down which instructions a lane comes to.
pub(super) struct Trace {
    lane: usize,
    passed: Vec<Passed>,
}

impl Trace {
    pub(super) fn new(lane: usize) -> Self {
        Self { lane, passed: Vec::new() }
    }

    /// The instructions, in the order in which the lane came to them.
    pub(super) fn passed(&self) -> &[Passed] {
        &self.passed
    }
}

impl Watch for Trace {
    fn before(&mut self, at: u32, mask: u32, active: u32) {
        if mask >> self.lane & 1 == 1 {
            self.passed.push(Passed { at, done: active >> self.lane & 1 == 1 });
        }
    }

    fn after(&mut self, _: &Instruction, _: u32, _: &mut [Lanes]) {}
}

/// Which bit turns over, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// After so many instructions that the lane came to, the one that writes the register among them.
    pub(super) after: usize,
    pub(super) register: Register,
    pub(super) bit: u32,
}

/// Turns over one bit in one lane.
pub(super) struct Strike {
    lane: usize,
    target: Target,
    seen: usize,
    line: Option<u32>,
}

impl Strike {
    pub(super) fn new(lane: usize, target: Target) -> Self {
        Self { lane, target, seen: 0, line: None }
    }

    /// The line of the text whose result is wrong, if it came to it.
    pub(super) fn line(&self) -> Option<u32> {
        self.line
    }
}

impl Watch for Strike {
    fn before(&mut self, _: u32, mask: u32, _: u32) {
        self.seen += usize::from(mask >> self.lane & 1 == 1);
    }

    fn after(&mut self, instruction: &Instruction, active: u32, registers: &mut [Lanes]) {
        let now = self.seen == self.target.after && active >> self.lane & 1 == 1;
        if now && self.line.is_none() {
            registers[self.target.register as usize][self.lane] ^= 1 << self.target.bit;
            self.line = Some(instruction.line);
        }
    }
}
