//! What an instruction that computes needs to be placed in a program.

use crate::ptx::code::Demand;
use crate::ptx::lanes::Compute;
use crate::ptx::text::Type;

/// A function and the types that its result and its sources must have.
pub(super) struct Plan {
    pub(super) run: Compute,
    pub(super) to: Type,
    pub(super) from: Vec<Type>,
    pub(super) demand: Demand,
}

impl Plan {
    /// A function whose result and sources are of one type.
    pub(super) fn of(kind: Type, sources: usize, demand: Demand, run: Compute) -> Self {
        Self { run, to: kind, from: vec![kind; sources], demand }
    }

    /// The same with another type of the result.
    pub(super) fn gives(self, to: Type) -> Self {
        Self { to, ..self }
    }

    /// The same with another type of the sources from this one on.
    pub(super) fn takes(mut self, first: usize, kind: Type) -> Self {
        self.from.iter_mut().skip(first).for_each(|from| *from = kind);
        self
    }
}
