//! An interpreter of PTX: the programs of a simulated device run in it, and leave the bits that they would leave on a
//! real one.
//!
//! A text is read once ([`Program::parse`]): [`text`] takes it apart, [`translate`] looks up its names, checks its types
//! and makes of each instruction a function over the 32 lanes of a warp ([`lanes`], [`code`]). [`run`] then gives the
//! blocks of a grid to the cores of the host ([`execute`]).
//!
//! What is simulated; anything else is refused with its line:
//!
//! | theme | instructions |
//! |---|---|
//! | whole numbers of 16, 32, 64 bits | `add sub mul.lo mul.hi mul.wide mad.lo mad.hi mad.wide div rem min max neg abs` |
//! | bits | `and or xor not cnot shl shr shf.{l,r}.{wrap,clamp} bfe bfi brev popc clz prmt lop3` |
//! | fractions of 32, 64 bits | `add sub mul` (also `.rn`), `fma.rn div.rn sqrt.rn rcp.rn neg abs min max` |
//! | conversions | `cvt` between whole numbers; `.rn` to `f16 f32 f64`; `.rni .rzi .rmi .rpi` to whole; among fractions |
//! | moves | `mov` (also `{a, b}` to and from wider ones, places in the grid, `%clock`), `selp`, `cvta.to.global` |
//! | choices | `setp` (also `.and .or .xor`), `and or xor not` of `.pred`, `bra ret exit trap`, `@p`, `@!p` |
//! | memory | `ld` of `param global shared`, `st` of `global shared`, both `.v2 .v4`; `membar` |
//! | atomics | `atom` and `red` of `global shared`: `add min max and or xor inc dec`; `atom` also `exch cas` |
//! | blocks | `bar.sync` 0 to 15; `mma.sync.aligned.m16n8k8` and `m16n8k16` of `f16` into `f32` |
//!
//! Fractions are those of IEEE 754, subnormals included. An answer that is not a number is `0x7fffffff` in 32 bits and
//! `0xfff8000000000000` in 64. Atomic sums of 32 bits in global memory flush subnormals, as devices do. Division by zero
//! gives all ones, the remainder is the dividend. What a register, or memory of a block, holds before it is written is
//! zero.
//!
//! The same run leaves the same bits, however many cores the host has. Blocks run side by side only in kernels whose
//! atomics on global memory give the same in any order; otherwise they run one after the other. A kernel whose blocks
//! race without atomics is on its own. The clock counts the instructions of the warp.
//!
//! A barrier is strict where devices are lenient: lanes that ended before it, or that wait elsewhere, stop the kernel.

mod code;
mod execute;
mod lanes;
#[cfg(test)]
mod tests;
mod text;
mod translate;

use std::fmt;
use std::sync::atomic::AtomicBool;

/// A parsed text of PTX.
#[derive(Debug)]
pub(crate) struct Program {
    version: (u32, u32),
    target: u32,
    entries: Vec<Entry>,
}

impl Program {
    /// Parses a text.
    ///
    /// # Errors
    /// The first line that is not PTX, or that is not simulated.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let module = text::Module::parse(text)?;
        let entries = module.kernels.iter().map(|kernel| translate::entry(kernel, &module));
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Self { version: module.version, target: module.target, entries })
    }

    /// The version of the language that the text is written in: major and minor.
    pub(crate) fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The least compute capability that the text is for: 50 for `sm_50`.
    pub(crate) fn target(&self) -> u32 {
        self.target
    }

    /// The kernel of this name.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// A kernel.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// What it is given, in order.
    pub(crate) params: Vec<Param>,
    /// How much memory each block of it shares, in bytes.
    pub(crate) shared: usize,
    /// The most threads that a block of it may have (`.maxntid`), if its text says so.
    pub(crate) max_threads: Option<u64>,
    code: code::Code,
}

impl Entry {
    /// The length of all parameters together with the gaps between them, in bytes: what [`run`] is given.
    pub(crate) fn params_len(&self) -> usize {
        self.params.last().map_or(0, |last| last.offset + last.size)
    }
}

/// A parameter of a kernel, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Param {
    pub(crate) size: usize,
    pub(crate) align: usize,
    /// Where it lies among the others.
    pub(crate) offset: usize,
}

/// Why a text is no program, worded for a compiler's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// From 1.
    pub(crate) line: u32,
    /// What is wrong, with the text that is.
    pub(crate) reason: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// The memory of a device as its kernels see it.
///
/// Alignment is checked by who calls. `bytes` may hold the neighbouring accesses of several lanes, so its length is
/// any number and says nothing about alignment; if such a long one is refused, each lane's own is tried alone.
pub(crate) trait Global: Sync {
    /// Reads.
    ///
    /// # Errors
    /// [`Trap::Address`] where not all of it is memory of the device; then nothing is to be read.
    fn load(&self, address: u64, bytes: &mut [u8]) -> Result<(), Trap>;

    /// Writes.
    ///
    /// # Errors
    /// As [`load`](Self::load); then nothing was written.
    fn store(&self, address: u64, bytes: &[u8]) -> Result<(), Trap>;

    /// Changes `size` bytes (4 or 8) as one step that no other access divides, and answers what was there.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn update(&self, address: u64, size: usize, change: &mut dyn FnMut(u64) -> u64) -> Result<u64, Trap>;
}

/// Why a kernel stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// No memory is at this address (`CUDA_ERROR_ILLEGAL_ADDRESS`, 700).
    Address(u64),
    /// The address is not a multiple of what is read or written there (`CUDA_ERROR_MISALIGNED_ADDRESS`, 716).
    Misaligned(u64),
    /// An instruction that stops the kernel (`CUDA_ERROR_ILLEGAL_INSTRUCTION`, 715).
    Instruction(String),
    /// Some threads of a block wait for others that never come (`CUDA_ERROR_LAUNCH_FAILED`, 719).
    Barrier,
    /// Somebody else stopped it (`CUDA_ERROR_LAUNCH_TIMEOUT`, 702).
    Cancelled,
}

/// How many threads run, and on how many multiprocessors. Blocks are given to the multiprocessors in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// How many blocks there are in each direction.
    pub(crate) grid: [u32; 3],
    /// How many threads a block has in each direction.
    pub(crate) block: [u32; 3],
    pub(crate) multiprocessors: u32,
}

/// One wrong bit, once: a fault that no part of a device notices.
///
/// The steps of a thread are the writings of registers whose value flows, through other registers, into something that
/// the thread stores or gives to the tensor units, and not into an address, a guard or a branch. Parameters, places in
/// the grid and the clock are no steps. To know them, the thread's block first runs once in front of the memory without
/// changing it; what the thread did is then gone through backwards, bit by bit. So every step is a value that is used,
/// and the wrong bit one of those that its users look at. Whether the answer differs is then the kernel's merit alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flip {
    /// In which kernel; none means in any.
    pub(crate) kernel: Option<String>,
    /// In which thread, counted over the whole grid. Where there is none, nothing happens.
    pub(crate) lane: u64,
    /// At which of the thread's steps, from 0; beyond the last, counted on from the first.
    pub(crate) step: u64,
    /// Which bit of what the step wrote, counted round its width; if nobody looks at it, the next higher one that
    /// somebody looks at.
    pub(crate) bit: u32,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Instructions, each counted once for every thread that did it.
    pub(crate) instructions: u64,
    /// Where the wrong bit struck, if it did: the line of the text.
    pub(crate) flipped: Option<u32>,
    /// How many steps the thread has in which the wrong bit was to strike; 0 if there is no such thread.
    pub(crate) steps: u64,
}

/// Runs a kernel to its end. `params` has the length and the layout of the entry's parameters.
///
/// # Errors
/// Why it stopped before its end; what it wrote until then is written.
pub(crate) fn run(
    _program: &Program,
    entry: &Entry,
    grid: &Grid,
    params: &[u8],
    global: &dyn Global,
    flip: Option<&Flip>,
    stop: &AtomicBool,
) -> Result<Stats, Trap> {
    execute::run(entry, grid, params, global, flip, stop)
}
