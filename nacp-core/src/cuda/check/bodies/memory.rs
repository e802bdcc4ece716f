//! Whether memory holds what is written to it.
//!
//! Three families of patterns, as memory testers have used them for decades. *Moving inversions* write a word
//! everywhere, then find it and leave its complement, then find that and leave the word: cells that stick, and cells
//! that disturb their neighbours. *Own address* writes to each word its position: lines of the address that are
//! confused. *Modulo 20* writes a word to every twentieth position and its complement to all others, for each of the
//! twenty beginnings: neighbours at distances that no other pattern has, and caches that hide a fault.

use super::measure::{self, exact};
use crate::cuda::FaultKind;
use crate::cuda::check::{Bench, Metric, Outcome, Stop, Unit};
use crate::cuda::kernels::{DIFFERENCES, Image, Launch, Pattern};
use crate::cuda::reference::PatternDifferences;
use crate::cuda::session::{Buffer, Module, Refused, Session, Stream};

/// The largest piece of memory that is asked for at once.
const PIECE: u64 = 1 << 30;
/// The smallest piece that is worth asking for.
const LEAST: u64 = 1 << 20;
/// How many blocks each multiprocessor gets.
const BLOCKS: u32 = 8;

/// `mem.pattern`.
pub(super) fn patterns(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let ended = test(bench, &mut outcome);
    measure::conclude(outcome, ended)
}

fn test(bench: &Bench<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let device = measure::device(bench)?;
    let session = measure::open(bench, device)?;
    measure::label(bench, outcome);
    let stream = session.stream()?;
    let module = session.load(Image::Base, false)?;
    let errors = session.allocate(DIFFERENCES)?;
    let (free, _) = session.memory_info()?;
    let hundredth = free / 100;
    let wanted = (hundredth * u64::from(bench.sizes.memory_percent)).min(bench.sizes.memory_most) / 16 * 16;
    let pieces = take(bench, &session, wanted)?;
    let taken: u64 = pieces.iter().map(|piece| piece.memory().bytes).sum();
    outcome.measured(Metric::once("tested", exact(taken), Unit::Bytes));
    outcome.measured(Metric::once("pieces", exact(pieces.len() as u64), Unit::Count));
    outcome.read("memory.free", free, "cuMemGetInfo");
    if taken < wanted / 2 {
        outcome.warn(format!(
            "only a part of the memory that is free could be had: bytes={taken} wanted={wanted}; other programs took \
             it in between, or it is in small pieces: repeat the check on an idle GPU"
        ));
    }
    let grid = device.multiprocessors.clamp(1, 1 << 16) * BLOCKS;
    let tester = Tester { bench, stream: &stream, module: &module, errors: &errors, pieces: &pieces, grid };
    let mut checked = 0;
    let ended = tester.all(outcome, &mut checked);
    outcome.measured(Metric::once("checked", exact(checked), Unit::Bytes));
    ended
}

/// Takes this much memory in pieces: smaller ones where a large one is not to be had.
fn take<'s>(bench: &Bench<'_>, session: &'s Session<'_>, wanted: u64) -> Result<Vec<Buffer<'s>>, Stop> {
    let least = LEAST.min(wanted).max(16);
    let (mut pieces, mut left, mut size) = (Vec::new(), wanted, PIECE.min(wanted));
    let mut refused: Option<Refused> = None;
    while left >= least {
        bench.go_on()?;
        match session.allocate(size.min(left)) {
            Ok(piece) => {
                left -= piece.memory().bytes;
                pieces.push(piece);
            }
            Err(it) if it.fault.kind != FaultKind::OutOfMemory => return Err(it.into()),
            Err(it) => {
                refused = Some(it);
                if size <= least {
                    break;
                }
                size = (size / 2 / 16 * 16).max(least);
            }
        }
    }
    match refused {
        Some(refused) if pieces.is_empty() => Err(refused.into()),
        _ => Ok(pieces),
    }
}

struct Tester<'a> {
    bench: &'a Bench<'a>,
    stream: &'a Stream<'a>,
    module: &'a Module<'a>,
    errors: &'a Buffer<'a>,
    pieces: &'a [Buffer<'a>],
    grid: u32,
}

impl Tester<'_> {
    /// All patterns over all pieces. Each is written everywhere before it is looked for, so that a write that goes to
    /// another piece is seen there.
    fn all(&self, outcome: &mut Outcome, checked: &mut u64) -> Result<(), Stop> {
        for word in [0, 0x5555_5555, 0x3333_3333, 0x0f0f_0f0f_u32] {
            let (one, other) = (Pattern::Constant(word), Pattern::Constant(!word));
            let name = format!("moving inversions of {word:#010x}");
            self.write(one)?;
            let steps = [(one, true), (other, true), (one, false)];
            self.check(&name, &steps, outcome, checked)?;
        }
        let own = Pattern::Address(0x5eed_0004);
        self.write(own)?;
        self.check("own address", &[(own, false)], outcome, checked)?;
        // A simulated device takes a second for what a real one does in a millisecond.
        let distance = if self.bench.sizes.simulated { 7 } else { 1 };
        for offset in (0..20).step_by(distance) {
            let modulo = Pattern::Modulo20 { offset, here: 0x6db6_db6d, elsewhere: !0x6db6_db6d };
            self.write(modulo)?;
            self.check(&format!("modulo 20 from {offset}"), &[(modulo, false)], outcome, checked)?;
        }
        Ok(())
    }

    fn write(&self, pattern: Pattern) -> Result<(), Stop> {
        for piece in self.pieces {
            self.bench.go_on()?;
            let memory = piece.memory();
            self.stream.start(self.module, &Launch::pattern_write(memory, memory.bytes / 4, pattern, self.grid)?)?;
            self.stream.synchronize()?;
        }
        Ok(())
    }

    /// Looks for the patterns of these steps, one after the other, everywhere.
    fn check(
        &self,
        name: &str,
        steps: &[(Pattern, bool)],
        outcome: &mut Outcome,
        checked: &mut u64,
    ) -> Result<(), Stop> {
        let mut words = 0_u64;
        for (pattern, invert) in steps {
            for piece in self.pieces {
                self.bench.go_on()?;
                let memory = piece.memory();
                self.errors.write(&PatternDifferences::NONE.to_bytes(), self.stream)?;
                let errors = self.errors.memory();
                let launch = Launch::pattern_check(memory, memory.bytes / 4, *pattern, *invert, errors, self.grid)?;
                self.stream.start(self.module, &launch)?;
                let mut bytes = PatternDifferences::NONE.to_bytes();
                self.errors.read(&mut bytes, self.stream)?;
                *checked += memory.bytes;
                let PatternDifferences { count, first, bits } = PatternDifferences::from_bytes(bytes);
                if count > 0 {
                    // A broken device says any number.
                    words = words.saturating_add(count);
                    let address = memory.address.saturating_add(first.saturating_mul(4));
                    let told = format!(
                        "pattern={name:?} words={count} position={first} address={address:#x} bits={bits:#010x}"
                    );
                    outcome.read("difference", &told, "nacp_pattern_check");
                    outcome.fail(format!(
                        "memory does not hold what is written to it: {told}; look at its errors and remapped rows \
                         (nvidia-smi -q -d ECC,ROW_REMAPPER), reset the GPU, and have the board replaced if it \
                         happens again"
                    ));
                }
            }
        }
        let bytes: u64 = self.pieces.iter().map(|piece| piece.memory().bytes).sum();
        outcome.read(name, format!("{bytes} bytes, {words} words differ"), "nacp_pattern_check");
        Ok(())
    }
}
