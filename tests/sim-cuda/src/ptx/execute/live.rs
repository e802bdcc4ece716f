//! Which bits of which registers matter to what a lane leaves behind.
//!
//! A bit that turns over where nobody looks again is no fault. So the instructions that a lane did are gone through
//! from the last to the first, with two questions of each register: which of its bits flow, through other registers,
//! into a value that the lane stores or gives to the tensor units; and does it flow into an address, a guard or a
//! branch, where one wrong bit would make the kernel go astray in place of computing wrongly. A *step* is the writing of
//! a register of which the first is true and the second is not, by anything but the reading of parameters, of the clock
//! and of the lane's own place.

use std::collections::HashMap;

use super::flip::Target;
use crate::ptx::Flip;
use crate::ptx::code::{Code, Demand, Guard, Place, Register, Space, Work};
use crate::ptx::lanes::ones;

/// A step of a lane: after how many of its instructions, which register, and the bits of it that matter.
type Step = (usize, Register, u64);

/// Where a wrong bit strikes: `step` counts round among the steps that there are, and a bit that does not matter gives
/// way to the next higher one that does, round as well. None if the lane has no step.
pub(super) fn choose(code: &Code, steps: &[Step], flip: &Flip) -> Option<Target> {
    let number = flip.step.checked_rem(steps.len() as u64)?;
    let (after, register, bits) = *steps.get(usize::try_from(number).ok()?)?;
    let width = code.widths[register as usize];
    let bit = (0..width).map(|more| (flip.bit % width + more) % width).find(|bit| bits >> bit & 1 == 1)?;
    Some(Target { after, register, bit })
}

/// The steps of a lane that did these instructions, in their order.
pub(super) fn steps(code: &Code, done: &[u32]) -> Vec<Step> {
    Liveness::steps(code, done)
}

/// What is asked of the registers at a place of the way back.
struct Liveness<'a> {
    constants: &'a HashMap<Register, u64>,
    /// The bits of each register that flow into a value.
    data: Vec<u64>,
    /// Those that flow into an address or a decision.
    control: Vec<bool>,
    predicate_data: Vec<bool>,
    predicate_control: Vec<bool>,
}

impl Liveness<'_> {
    fn steps(code: &Code, done: &[u32]) -> Vec<Step> {
        let constants = code.constants.iter().copied().collect();
        let mut live = Liveness {
            constants: &constants,
            data: vec![0; code.widths.len()],
            control: vec![false; code.widths.len()],
            predicate_data: vec![false; code.predicates],
            predicate_control: vec![false; code.predicates],
        };
        let mut steps = Vec::new();
        for (before, at) in done.iter().enumerate().rev() {
            let Some(instruction) = code.instructions.get(*at as usize) else { continue };
            let work = &instruction.work;
            let inputs = matches!(
                work,
                Work::Given { .. } | Work::Clock { .. } | Work::Load { place: Place { space: Space::Param, .. }, .. }
            );
            for register in work.writes().iter().rev() {
                let bits = live.data[*register as usize] & ones(code.widths[*register as usize]);
                if bits != 0 && !live.control[*register as usize] && !inputs {
                    steps.push((before + 1, *register, bits));
                }
            }
            live.back(work);
            if let Some(guard) = instruction.guard {
                live.predicate_control[guard.predicate as usize] = true;
            }
        }
        steps.reverse();
        steps
    }

    /// Goes back over one instruction: what it writes is not asked for before it, what it reads is.
    fn back(&mut self, work: &Work) {
        let results: Vec<(u64, bool)> = work.writes().iter().map(|to| self.take(*to)).collect();
        let bits = results.iter().fold(0, |bits, (data, _)| bits | data);
        let control = results.iter().any(|(_, control)| *control);
        match work {
            Work::Compute { from, sources, demand, .. } => {
                let from = from.get(..*sources).unwrap_or(from);
                for (number, register) in from.iter().enumerate() {
                    let wanted = self.demanded(*demand, bits, from, number);
                    self.read(*register, wanted, control);
                }
            }
            Work::Select { from, by, .. } => {
                from.iter().for_each(|register| self.read(*register, bits, control));
                self.ask(*by, bits != 0, control);
            }
            Work::Compare { to, from, with, .. } => {
                let (data, control) = self.decided(*to);
                let bits = if data { u64::MAX } else { 0 };
                from.iter().for_each(|register| self.read(*register, bits, control));
                if let Some((_, guard)) = with {
                    self.ask(*guard, data, control);
                }
            }
            Work::Combine { to, from, .. } => {
                let (data, control) = self.decided(*to);
                from.iter().for_each(|guard| self.ask(*guard, data, control));
            }
            Work::Load { place, .. } => self.read(place.base, 0, true),
            Work::Store { place, from, item } => {
                self.read(place.base, 0, true);
                let bits = ones(8 * u32::try_from(item.size).unwrap_or(8));
                from.iter().for_each(|register| self.read(*register, bits, false));
            }
            Work::Atomic { place, from, .. } => {
                self.read(place.base, 0, true);
                from.iter().for_each(|register| self.read(*register, u64::MAX, control));
            }
            Work::Multiply { left, right, add, .. } => {
                // What this lane gives goes into what other lanes get.
                left.iter().chain(right).chain(add).for_each(|register| self.read(*register, u64::MAX, control));
            }
            _ => {}
        }
    }

    fn take(&mut self, register: Register) -> (u64, bool) {
        let place = register as usize;
        (std::mem::take(&mut self.data[place]), std::mem::take(&mut self.control[place]))
    }

    fn decided(&mut self, predicate: Register) -> (bool, bool) {
        let place = predicate as usize;
        (std::mem::take(&mut self.predicate_data[place]), std::mem::take(&mut self.predicate_control[place]))
    }

    fn read(&mut self, register: Register, bits: u64, control: bool) {
        self.data[register as usize] |= bits;
        self.control[register as usize] |= control;
    }

    fn ask(&mut self, guard: Guard, data: bool, control: bool) {
        self.predicate_data[guard.predicate as usize] |= data;
        self.predicate_control[guard.predicate as usize] |= control;
    }

    /// The bits of a source that flow into these bits of the result.
    fn demanded(&self, demand: Demand, bits: u64, from: &[Register], number: usize) -> u64 {
        if bits == 0 {
            return 0;
        }
        let constant = |number: usize| from.get(number).and_then(|register| self.constants.get(register).copied());
        let other = constant(1 - number.min(1));
        match demand {
            Demand::All => u64::MAX,
            Demand::Same => bits,
            Demand::Low => u64::MAX >> bits.leading_zeros(),
            Demand::And => bits & other.unwrap_or(u64::MAX),
            Demand::Or => bits & !other.unwrap_or(0),
            Demand::Left | Demand::Right { .. } if number > 0 => u64::MAX,
            Demand::Left => constant(1).map_or(u64::MAX, |by| shift(bits, by, false)),
            Demand::Right { sign } => constant(1).map_or(u64::MAX, |by| {
                let filled = sign.filter(|sign| u64::from(*sign) < by + u64::from(63 - bits.leading_zeros()));
                shift(bits, by, true) | filled.map_or(0, |sign| 1 << sign)
            }),
            Demand::Narrow { bits: width, signed } => {
                let low = bits & ones(width);
                let filled = signed && bits & !ones(width) != 0;
                low | if filled { 1 << (width - 1) } else { 0 }
            }
        }
    }
}

fn shift(bits: u64, by: u64, left: bool) -> u64 {
    let by = u32::try_from(by).unwrap_or(64);
    let moved = if left { bits.checked_shl(by) } else { bits.checked_shr(by) };
    moved.unwrap_or(0)
}
