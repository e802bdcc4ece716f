//! One wrong bit: first what a lane does is written down, then, in a second run, one bit of it turns over.

use super::warp::Watch;
use crate::ptx::code::{Instruction, Register};
use crate::ptx::lanes::Lanes;

/// Writes down which instructions a lane does.
pub(super) struct Trace {
    lane: usize,
    done: Vec<u32>,
}

impl Trace {
    pub(super) fn new(lane: usize) -> Self {
        Self { lane, done: Vec::new() }
    }

    /// The places of the instructions, in the order in which they were done.
    pub(super) fn done(&self) -> &[u32] {
        &self.done
    }
}

impl Watch for Trace {
    fn before(&mut self, at: u32, active: u32) {
        if active >> self.lane & 1 == 1 {
            self.done.push(at);
        }
    }

    fn after(&mut self, _: &Instruction, _: u32, _: &mut [Lanes]) {}
}

/// Which bit turns over, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// After so many instructions of the lane, the one that writes the register among them.
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
    fn before(&mut self, _: u32, active: u32) {
        self.seen += usize::from(active >> self.lane & 1 == 1);
    }

    fn after(&mut self, instruction: &Instruction, active: u32, registers: &mut [Lanes]) {
        let now = self.seen == self.target.after && active >> self.lane & 1 == 1;
        if now && self.line.is_none() {
            registers[self.target.register as usize][self.lane] ^= 1 << self.target.bit;
            self.line = Some(instruction.line);
        }
    }
}
