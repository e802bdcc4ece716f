//! Programs as the simulated multiprocessors run them: numbers in place of names, functions in place of opcodes.

use std::fmt;

use super::lanes::{Compare, Compute};

/// The number of a register among those of a warp.
pub(super) type Register = u32;

/// One instruction.
pub(super) struct Instruction {
    /// In which line of the text it stands.
    pub(super) line: u32,
    pub(super) guard: Option<Guard>,
    pub(super) work: Work,
}

/// Which lanes take part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    pub(super) predicate: Register,
    /// Those in which it does not hold.
    pub(super) negated: bool,
}

/// What an instruction does.
pub(super) enum Work {
    /// Computes a register from others.
    Compute { run: Compute, to: Register, from: [Register; 4], sources: usize, demand: Demand },
    /// Computes a predicate from two registers, and combines it with another one.
    Compare { run: Compare, to: Register, from: [Register; 2], with: Option<(Logic, Guard)> },
    /// Computes a predicate from two.
    Combine { logic: Logic, to: Register, from: [Guard; 2] },
    /// Takes the first where a predicate holds, else the second.
    Select { to: Register, from: [Register; 2], by: Guard },
    /// A number that this lane, and no other place, knows: a parameter or a place in the grid.
    Given { to: Register, from: Register },
    /// How many instructions the warp has done.
    Clock { to: Register, mask: u64 },
    /// Reads registers from memory.
    Load { place: Place, to: Vec<Register>, item: Item },
    /// Writes registers to memory.
    Store { place: Place, from: Vec<Register>, item: Item },
    /// Changes a word of memory in one step.
    Atomic { place: Place, to: Option<Register>, from: [Register; 2], item: Item, change: Change },
    /// Multiplies matrices that the lanes of a warp hold together.
    Multiply { to: [Register; 4], left: Vec<Register>, right: Vec<Register>, add: [Register; 4] },
    /// Goes on elsewhere.
    Branch { to: u32 },
    /// Waits for the block.
    Barrier { number: u32 },
    /// Orders memory, which is always in order here.
    Fence,
    /// Ends the lane.
    Exit,
    /// Ends the kernel as a fault.
    Trap,
}

/// What is at an address, and what shall be.
pub(super) type Change = Box<dyn Fn(u64, u64, u64) -> u64 + Send + Sync>;

/// A place in memory: what a register holds, and this much more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) space: Space,
    pub(super) base: Register,
    pub(super) offset: i64,
}

/// Whose memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The device's.
    Global,
    /// The block's.
    Shared,
    /// What the kernel was given.
    Param,
}

/// What one register takes from memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// In bytes.
    pub(super) size: usize,
    /// The sign fills the register.
    pub(super) signed: bool,
    /// The register's width, as a mask.
    pub(super) mask: u64,
}

/// How two predicates become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logic {
    And,
    Or,
    Xor,
}

impl Logic {
    pub(super) fn of(self, a: u32, b: u32) -> u32 {
        match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
        }
    }
}

/// Which bits of the sources matter if some bits of the result do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// All.
    All,
    /// The same bits.
    Same,
    /// Those up to the highest.
    Low,
    /// The same bits, where the other source is one.
    And,
    /// The same bits, where the other source is zero.
    Or,
    /// Bits that lie lower by the second source.
    Left,
    /// Bits that lie higher by the second source; the topmost of so many fills in if there is one.
    Right { sign: Option<u32> },
    /// The low bits, as many; the topmost of them stands for all above it if there is a sign.
    Narrow { bits: u32, signed: bool },
}

/// What a lane knows about itself and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Special {
    Thread(Axis),
    Threads(Axis),
    Block(Axis),
    Blocks(Axis),
    Lane,
    LanesBelow,
    Warp,
    Warps,
    Multiprocessor,
    Multiprocessors,
}

/// A direction of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Axis {
    X,
    Y,
    Z,
}

/// What a kernel does, and what it does it with.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) instructions: Vec<Instruction>,
    /// How many bits each register has.
    pub(super) widths: Vec<u32>,
    pub(super) predicates: usize,
    /// What stands in registers from the start.
    pub(super) constants: Vec<(Register, u64)>,
    pub(super) specials: Vec<(Register, Special)>,
    /// Blocks must not run side by side, because an answer depends on their order.
    pub(super) in_order: bool,
}

impl Work {
    /// The registers that it writes and that are not predicates.
    pub(super) fn writes(&self) -> &[Register] {
        match self {
            Self::Compute { to, .. } | Self::Select { to, .. } | Self::Given { to, .. } | Self::Clock { to, .. } => {
                std::slice::from_ref(to)
            }
            Self::Atomic { to, .. } => to.as_slice(),
            Self::Load { to, .. } => to,
            Self::Multiply { to, .. } => to,
            _ => &[],
        }
    }
}

impl fmt::Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instruction").field("line", &self.line).finish_non_exhaustive()
    }
}
