//! An interpreter of PTX: the programs of a simulated device run in it as they would on a real one.

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

/// One wrong bit, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flip {
    /// In which kernel; none means in any.
    pub(crate) kernel: Option<String>,
    /// In which thread, counted over the whole grid.
    pub(crate) lane: u64,
    /// At which of the thread's steps.
    pub(crate) step: u64,
    /// Which bit of what the step wrote.
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
