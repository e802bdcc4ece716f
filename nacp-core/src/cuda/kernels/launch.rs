//! One start of a kernel. Each way to make one checks that what the kernel will touch is there.

use super::Kernel;
use crate::cuda::Memory;
use crate::error::{Error, ErrorKind, Result};

/// A value that a kernel is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A piece of memory, by its address.
    Memory(Memory),
    /// A number of 32 bits.
    U32(u32),
    /// A number of 64 bits.
    U64(u64),
}

/// One start of a kernel: how many threads, and what they are given.
///
/// There is no way to make one whose kernel would leave the memory that it is given, so that a
/// [`Driver`](crate::cuda::Execute) may start it without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    kernel: Kernel,
    grid: u32,
    block: u32,
    arguments: Vec<Argument>,
}

/// What memory is filled with, word by word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The same word everywhere.
    Constant(u32),
    /// Each word its own position, mixed with a seed.
    Address(u32),
    /// The first word at every twentieth position from `offset` on, the second everywhere else.
    Modulo20 {
        /// The first such position, below 20.
        offset: u32,
        /// The word there.
        here: u32,
        /// The word elsewhere.
        elsewhere: u32,
    },
}

/// What a kernel of memory is asked to fill it with, or to find in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// How many words.
    pub words: u64,
    /// What stands there.
    pub pattern: Pattern,
    /// Whether its complement is left behind.
    pub inverts: bool,
}

/// How many values a chunk of [`Kernel::Reduce`] and a row of [`Kernel::Rows`] have.
pub(crate) const ROW: u32 = 1024;
/// How many threads sum a chunk or a row.
const TREE: u32 = 256;
/// How many threads of a block work on memory.
const STREAMING: u32 = 256;
/// How many chains each thread of [`Kernel::FmaRate`] has.
pub(crate) const CHAINS: u32 = 16;
/// How many sums each warp of [`Kernel::MmaRate`] has.
pub(crate) const ACCUMULATORS: u32 = 8;
/// How many steps [`Kernel::FmaRate`] and [`Kernel::MmaRate`] do between two folds.
pub(crate) const PART: u32 = 1024;
/// What [`Launch::pattern_check`] writes, in bytes.
pub(crate) const DIFFERENCES: u64 = 24;
/// How many blocks a launch has at most in its first direction, on every device (CUDA C++ Programming Guide, "Technical
/// Specifications per Compute Capability").
const BLOCKS: u32 = i32::MAX as u32;
/// How many warps there are at most, so that their threads are counted in 32 bits.
const WARPS: u32 = 1 << 27;

impl Argument {
    /// The number, if it is one of 32 bits.
    pub(crate) fn u32(&self) -> Option<u32> {
        match self {
            Self::U32(number) => Some(*number),
            _ => None,
        }
    }
}

impl Launch {
    /// Which kernel.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// How many blocks.
    pub fn grid(&self) -> u32 {
        self.grid
    }

    /// How many threads a block has.
    pub fn block(&self) -> u32 {
        self.block
    }

    /// What it is given, in order.
    pub fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// What [`Kernel::PatternWrite`] fills memory with, or [`Kernel::PatternCheck`] compares it with; none for another
    /// kernel.
    pub fn filling(&self) -> Option<Filling> {
        let rest = match (self.kernel, self.arguments.as_slice()) {
            (Kernel::PatternWrite, [_, rest @ ..]) | (Kernel::PatternCheck, [_, _, rest @ ..]) => rest,
            _ => return None,
        };
        let [Argument::U64(words), rest @ ..] = rest else { return None };
        let numbers: Vec<u32> = rest.iter().filter_map(Argument::u32).collect();
        let [kind, first, second, offset, inverts @ ..] = numbers.as_slice() else { return None };
        let pattern = match kind {
            0 => Pattern::Constant(*first),
            1 => Pattern::Address(*first),
            _ => Pattern::Modulo20 { offset: *offset, here: *first, elsewhere: *second },
        };
        Some(Filling { words: *words, pattern, inverts: inverts == [1] })
    }
}

/// The ways to make one. `out` is where the answers go; `sms` gets, for each block, the number of the multiprocessor
/// that it ran on (4 bytes each).
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where a piece of memory is too small for what the kernel
/// writes or does not begin where the kernel's words may, or a number is out of its range.
impl Launch {
    /// [`Kernel::Hash`], [`Kernel::Fma`] or [`Kernel::Ieee`]: `lanes` threads of `steps` steps each, in blocks of
    /// `block` threads (a multiple of 32, at most 1024). Writes one word a lane.
    pub fn lanes(
        kernel: Kernel,
        out: Memory,
        sms: Memory,
        lanes: u32,
        steps: u32,
        seed: u32,
        block: u32,
    ) -> Result<Self> {
        if !matches!(kernel, Kernel::Hash | Kernel::Fma | Kernel::Ieee) {
            return Err(refused("not a kernel of lanes", "kernel", kernel.symbol())
                .hint("the kernels of lanes are nacp_hash, nacp_fma and nacp_ieee"));
        }
        let grid = blocks("lanes", lanes, block)?;
        room("out", out, 4, u64::from(lanes))?;
        room("sms", sms, 4, u64::from(grid))?;
        use Argument::{Memory as M, U32};
        Ok(Self { kernel, grid, block, arguments: vec![M(out), M(sms), U32(lanes), U32(steps), U32(seed)] })
    }

    /// [`Kernel::Reduce`]: sums `chunks` chunks of 1024 values, a block each. Writes two words a chunk: the bits of the
    /// sum, and the fold of every sum on the way.
    pub fn reduce(out: Memory, sms: Memory, chunks: u32, seed: u32) -> Result<Self> {
        some("chunks", chunks, BLOCKS)?;
        room("out", out, 8, u64::from(chunks))?;
        room("sms", sms, 4, u64::from(chunks))?;
        use Argument::{Memory as M, U32};
        let arguments = vec![M(out), M(sms), U32(chunks), U32(seed)];
        Ok(Self { kernel: Kernel::Reduce, grid: chunks, block: TREE, arguments })
    }

    /// [`Kernel::Rows`]: sums the rows `first` to `first + rows` with `grid` blocks that take them in turns. Writes two
    /// words a row, as [`reduce`](Self::reduce) does for a chunk.
    pub fn rows(out: Memory, sms: Memory, first: u32, rows: u32, seed: u32, grid: u32) -> Result<Self> {
        some("rows", rows, u32::MAX - first)?;
        some("grid", grid, BLOCKS)?;
        room("out", out, 8, u64::from(rows))?;
        room("sms", sms, 4, u64::from(grid))?;
        use Argument::{Memory as M, U32};
        let arguments = vec![M(out), M(sms), U32(first), U32(rows), U32(seed)];
        Ok(Self { kernel: Kernel::Rows, grid, block: TREE, arguments })
    }

    /// [`Kernel::Atomics`]: adds `values` values to the one word of `out`, which must be zero before.
    pub fn atomics(out: Memory, values: u32, seed: u32) -> Result<Self> {
        let grid = blocks("values", values, STREAMING)?;
        room("out", out, 4, 1)?;
        let arguments = vec![Argument::Memory(out), Argument::U32(values), Argument::U32(seed)];
        Ok(Self { kernel: Kernel::Atomics, grid, block: STREAMING, arguments })
    }

    /// [`Kernel::Mma`]: `warps` warps (a multiple of 4, which make a block) of `steps` products each. Writes one word a
    /// thread: the fold of its part of every product.
    pub fn mma(out: Memory, sms: Memory, warps: u32, steps: u32, seed: u32) -> Result<Self> {
        let grid = groups(warps, 4)?;
        room("out", out, 128, u64::from(warps))?;
        room("sms", sms, 4, u64::from(grid))?;
        use Argument::{Memory as M, U32};
        let arguments = vec![M(out), M(sms), U32(warps), U32(steps), U32(seed)];
        Ok(Self { kernel: Kernel::Mma, grid, block: 128, arguments })
    }

    /// [`Kernel::PatternWrite`]: fills the first `words` words with `grid` blocks.
    pub fn pattern_write(memory: Memory, words: u64, pattern: Pattern, grid: u32) -> Result<Self> {
        some("grid", grid, BLOCKS)?;
        room("memory", memory, 4, words)?;
        aligned("memory", memory, 16)?;
        let mut arguments = vec![Argument::Memory(memory), Argument::U64(words)];
        arguments.extend(pattern.arguments()?);
        Ok(Self { kernel: Kernel::PatternWrite, grid, block: STREAMING, arguments })
    }

    /// [`Kernel::PatternCheck`]: compares the first `words` words with the pattern, and with `invert` leaves the
    /// complement of the pattern behind. Adds what differs to the 24 bytes at `errors`, which the caller sets to
    /// [`PatternDifferences::NONE`](crate::cuda::reference::PatternDifferences::NONE) before: the count of words that differ (8
    /// bytes), the lowest position that differs (8), and all bits that differed in any word (4; 4 unused).
    pub fn pattern_check(
        memory: Memory,
        words: u64,
        pattern: Pattern,
        invert: bool,
        errors: Memory,
        grid: u32,
    ) -> Result<Self> {
        some("grid", grid, BLOCKS)?;
        room("memory", memory, 4, words)?;
        aligned("memory", memory, 16)?;
        room("errors", errors, DIFFERENCES, 1)?;
        aligned("errors", errors, 8)?;
        apart(("memory", memory, words.saturating_mul(4)), ("errors", errors, DIFFERENCES))?;
        let mut arguments = vec![Argument::Memory(memory), Argument::Memory(errors), Argument::U64(words)];
        arguments.extend(pattern.arguments()?);
        arguments.push(Argument::U32(u32::from(invert)));
        Ok(Self { kernel: Kernel::PatternCheck, grid, block: STREAMING, arguments })
    }

    /// [`Kernel::Copy`]: copies `bytes` bytes, a multiple of 16, with `grid` blocks.
    pub fn copy(to: Memory, from: Memory, bytes: u64, grid: u32) -> Result<Self> {
        some("grid", grid, BLOCKS)?;
        if !bytes.is_multiple_of(16) {
            return Err(
                refused("not a multiple of 16 bytes", "bytes", bytes).hint(format!("{} is", bytes - bytes % 16))
            );
        }
        for (name, memory) in [("to", to), ("from", from)] {
            room(name, memory, 1, bytes)?;
            aligned(name, memory, 16)?;
        }
        apart(("to", to, bytes), ("from", from, bytes))?;
        let arguments = vec![Argument::Memory(to), Argument::Memory(from), Argument::U64(bytes / 16)];
        Ok(Self { kernel: Kernel::Copy, grid, block: STREAMING, arguments })
    }

    /// [`Kernel::Empty`]: one block of 32 threads that do nothing.
    pub fn empty() -> Self {
        Self { kernel: Kernel::Empty, grid: 1, block: 32, arguments: Vec::new() }
    }

    /// [`Kernel::FmaRate`]: `lanes` threads with 16 chains of `steps` multiply-adds each. Writes one word a lane, the
    /// fold of its chains after each 1024 steps and at their end.
    pub fn fma_rate(out: Memory, lanes: u32, steps: u32, seed: u32, block: u32) -> Result<Self> {
        let grid = blocks("lanes", lanes, block)?;
        room("out", out, 4, u64::from(lanes))?;
        let arguments = vec![Argument::Memory(out), Argument::U32(lanes), Argument::U32(steps), Argument::U32(seed)];
        Ok(Self { kernel: Kernel::FmaRate, grid, block, arguments })
    }

    /// [`Kernel::MmaRate`]: `warps` warps (a multiple of 8, which make a block) with 8 sums of `steps` products each.
    /// Writes one word a thread, the fold of its part of the sums after each 1024 steps and at their end.
    pub fn mma_rate(out: Memory, warps: u32, steps: u32, seed: u32) -> Result<Self> {
        let grid = groups(warps, 8)?;
        room("out", out, 128, u64::from(warps))?;
        let arguments = vec![Argument::Memory(out), Argument::U32(warps), Argument::U32(steps), Argument::U32(seed)];
        Ok(Self { kernel: Kernel::MmaRate, grid, block: 256, arguments })
    }
}

impl Pattern {
    /// Kind, two words and an offset, as both kernels take them.
    fn arguments(self) -> Result<[Argument; 4]> {
        let [kind, first, second, offset] = match self {
            Self::Constant(word) => [0, word, 0, 0],
            Self::Address(seed) => [1, seed, 0, 0],
            Self::Modulo20 { offset, .. } if offset >= 20 => {
                return Err(
                    refused("not below 20", "offset", offset).hint(format!("{} is the same place", offset % 20))
                );
            }
            Self::Modulo20 { offset, here, elsewhere } => [2, here, elsewhere, offset],
        };
        Ok([kind, first, second, offset].map(Argument::U32))
    }
}

/// How many blocks hold this many threads.
fn blocks(name: &'static str, threads: u32, block: u32) -> Result<u32> {
    some(name, threads, u32::MAX)?;
    if block == 0 || block > 1024 || !block.is_multiple_of(32) {
        let near = block.clamp(1, 1024).next_multiple_of(32);
        return Err(refused("not a multiple of 32 threads up to 1024", "block", block).hint(format!("{near} is")));
    }
    Ok(threads.div_ceil(block))
}

/// How many blocks of `size` warps these are.
fn groups(warps: u32, size: u32) -> Result<u32> {
    some("warps", warps, WARPS)?;
    if !warps.is_multiple_of(size) {
        return Err(refused("a block would not be full", "warps", warps)
            .with("block", size)
            .hint(format!("{} is a multiple of {size}", warps.next_multiple_of(size))));
    }
    Ok(warps / size)
}

/// At least one, and not more than `most`.
fn some(name: &'static str, count: u32, most: u32) -> Result<()> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(refused("not in its range", name, count).with("least", 1).with("most", most))
}

/// Whether `count` items of `size` bytes have room, and the words that they are made of begin where they may.
fn room(name: &'static str, memory: Memory, size: u64, count: u64) -> Result<()> {
    if size.checked_mul(count).is_none_or(|needed| needed > memory.bytes) {
        return Err(refused("the memory is too small for what the kernel does with it", "memory", name)
            .with("bytes", memory.bytes)
            .with("items", count)
            .with("item", size));
    }
    aligned(name, memory, if size == 8 { 8 } else { 4 })
}

fn aligned(name: &'static str, memory: Memory, to: u64) -> Result<()> {
    if memory.address.is_multiple_of(to) {
        return Ok(());
    }
    Err(refused("the memory does not begin where a kernel can reach it", "memory", name)
        .with("address", format_args!("{:#x}", memory.address))
        .with("multiple_of", to))
}

/// Whether two pieces do not overlap: name, where, and how many bytes.
fn apart(one: (&'static str, Memory, u64), other: (&'static str, Memory, u64)) -> Result<()> {
    let (begin, length) = (one.1.address, one.2);
    let (other_begin, other_length) = (other.1.address, other.2);
    if begin.saturating_add(length) <= other_begin || other_begin.saturating_add(other_length) <= begin {
        return Ok(());
    }
    Err(refused("the pieces of memory overlap", "memory", one.0).with("other", other.0))
}

fn refused(message: &'static str, key: &'static str, value: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, "cuda.launch", message).with(key, value)
}
