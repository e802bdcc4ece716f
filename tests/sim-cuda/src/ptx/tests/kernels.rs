//! NACP's own kernels, against their twins on the CPU.

use nacp_core::cuda::{Memory, Profile};

use nacp_core::cuda::kernels::{Argument, Image, Kernel, Launch, Pattern};
use nacp_core::cuda::reference::{self, PatternDifferences};

use super::bench::{BASE, Bench};
use crate::ptx::{Flip, Grid, Program, Stats};

const SEED: u32 = 2026;
/// Where the answers go, and where the numbers of the multiprocessors.
pub(super) const OUT: Memory = Memory { address: BASE, bytes: 1 << 20 };
pub(super) const SMS: Memory = Memory { address: BASE + (1 << 20), bytes: 1 << 20 };

/// Both images, ready to run.
pub(super) struct Images([Program; 2]);

impl Images {
    pub(super) fn new() -> Self {
        Self(Image::ALL.map(|image| Program::parse(image.ptx()).unwrap_or_else(|error| panic!("{image:?} {error}"))))
    }

    pub(super) fn of(&self, kernel: Kernel) -> &Program {
        &self.0[usize::from(kernel.image() == Image::Tensor)]
    }

    /// Does a launch on new memory, or on what is given.
    pub(super) fn launch(&self, launch: &Launch, flip: Option<Flip>, memory: Option<Bench>) -> (Bench, Stats) {
        let mut bench = memory.unwrap_or_else(|| Bench::new((1 << 20) + (1 << 18), 1));
        bench.grid = Grid { grid: [launch.grid(), 1, 1], block: [launch.block(), 1, 1], multiprocessors: 7 };
        bench.flip = flip;
        let kernel = launch.kernel();
        let entry = self.of(kernel).entry(kernel.symbol()).unwrap();
        let mut params = vec![0; entry.params_len()];
        assert_eq!(entry.params.len(), launch.arguments().len());
        for (param, argument) in entry.params.iter().zip(launch.arguments()) {
            let bytes = match argument {
                Argument::Memory(memory) => memory.address.to_le_bytes().to_vec(),
                Argument::U64(number) => number.to_le_bytes().to_vec(),
                Argument::U32(number) => number.to_le_bytes().to_vec(),
            };
            params[param.offset..param.offset + param.size].copy_from_slice(&bytes);
        }
        assert!(entry.max_threads.is_none_or(|most| u64::from(launch.block()) <= most));
        let stats = bench.launch(self.of(kernel), kernel.symbol(), &params).unwrap();
        (bench, stats)
    }
}

/// The kernels whose answers are the same everywhere, as a profile runs them.
pub(super) fn suite(profile: Profile) -> Vec<Launch> {
    let (lanes, steps) = (profile.lanes(), profile.steps());
    let mut launches: Vec<Launch> = [Kernel::Hash, Kernel::Fma, Kernel::Ieee]
        .map(|kernel| Launch::lanes(kernel, OUT, SMS, lanes, steps, SEED, 128).unwrap())
        .into();
    launches.push(Launch::reduce(OUT, SMS, profile.chunks(), SEED).unwrap());
    launches.push(Launch::rows(OUT, SMS, 3, profile.rows(), SEED, 5).unwrap());
    launches.push(Launch::mma(OUT, SMS, profile.warps(), steps, SEED).unwrap());
    launches
}

/// The words that a launch leaves.
pub(super) fn answers(bench: &Bench, count: usize) -> Vec<u32> {
    bench.words()[..count].to_vec()
}

#[test]
fn every_kernel_is_there() {
    let images = Images::new();
    for kernel in Kernel::ALL {
        assert!(images.of(kernel).entry(kernel.symbol()).is_some(), "{kernel:?}");
    }
    for image in Image::ALL {
        let program = Program::parse(image.ptx()).unwrap();
        assert_eq!(program.version(), (image.isa().major, image.isa().minor));
        assert_eq!(program.target(), 10 * image.target().major + image.target().minor);
    }
}

#[test]
fn every_kernel_of_the_suite_computes_what_its_twin_computes() {
    let images = Images::new();
    for profile in [Profile::Tiny, Profile::Small] {
        for launch in suite(profile) {
            let expected = reference::of_launch(&launch).unwrap();
            let (bench, _) = images.launch(&launch, None, None);
            assert_eq!(answers(&bench, expected.len()), expected, "{:?} {profile:?}", launch.kernel());
            let blocks: Vec<u32> = (0..launch.grid()).map(|block| block % 7).collect();
            assert_eq!(bench.words()[1 << 18..][..blocks.len()], blocks, "{:?} {profile:?}", launch.kernel());
        }
    }
}

#[test]
fn the_size_of_a_block_changes_no_answer() {
    let images = Images::new();
    for kernel in [Kernel::Hash, Kernel::Fma, Kernel::Ieee] {
        for block in [32, 96, 1024] {
            let launch = Launch::lanes(kernel, OUT, SMS, 300, 5, SEED, block).unwrap();
            let (bench, _) = images.launch(&launch, None, None);
            assert_eq!(answers(&bench, 300), reference::of_launch(&launch).unwrap(), "{kernel:?} {block}");
            assert_eq!(bench.words()[300], 0, "behind the last lane");
        }
    }
    for grid in [1, 3, 8] {
        let launch = Launch::rows(OUT, SMS, 0, 8, SEED, grid).unwrap();
        assert_eq!(answers(&images.launch(&launch, None, None).0, 16), reference::of_launch(&launch).unwrap());
    }
}

#[test]
fn kernels_of_rates_compute_what_their_twins_compute() {
    let images = Images::new();
    for launch in [Launch::fma_rate(OUT, 100, 1500, SEED, 64).unwrap(), Launch::mma_rate(OUT, 8, 1100, SEED).unwrap()] {
        let expected = reference::of_launch(&launch).unwrap();
        let (bench, _) = images.launch(&launch, None, None);
        assert_eq!(answers(&bench, expected.len()), expected, "{:?}", launch.kernel());
    }
}

#[test]
fn sums_by_atomics_are_within_their_range() {
    let (bench, _) = Images::new().launch(&Launch::atomics(OUT, 5000, SEED).unwrap(), None, None);
    let sum = f64::from(f32::from_bits(bench.words()[0]));
    assert!(reference::atomics(5000, SEED).contains(&sum), "{sum}");
}

#[test]
fn memory_is_filled_compared_and_copied() {
    let images = Images::new();
    let words = 10_007;
    for pattern in [
        Pattern::Constant(0x5555_5555),
        Pattern::Address(SEED),
        Pattern::Modulo20 { offset: 7, here: 0xffff_ffff, elsewhere: 3 },
    ] {
        let write = Launch::pattern_write(OUT, words, pattern, 4).unwrap();
        let (bench, _) = images.launch(&write, None, None);
        let expected: Vec<u32> = reference::pattern(pattern, 0).take(10_007).collect();
        assert_eq!(answers(&bench, 10_007), expected, "{pattern:?}");
        assert_eq!(bench.words()[10_007], 0, "behind the last word");

        bench.put(4 * 9000, &(expected[9000] ^ 0x10).to_le_bytes());
        bench.put(4 * 501, &(expected[501] ^ 0x8000_0000).to_le_bytes());
        bench.put(1 << 20, &PatternDifferences::NONE.to_bytes());
        let damaged = answers(&bench, 10_007);
        let check = Launch::pattern_check(OUT, words, pattern, true, SMS, 4).unwrap();
        let (bench, _) = images.launch(&check, None, Some(bench));
        let found: Vec<u8> = bench.words()[1 << 18..][..6].iter().flat_map(|word| word.to_le_bytes()).collect();
        let found = PatternDifferences::from_bytes(found.try_into().unwrap());
        assert_eq!(found, reference::compare(&damaged, pattern, PatternDifferences::NONE), "{pattern:?}");
        assert_eq!(found, PatternDifferences { count: 2, first: 501, bits: 0x8000_0010 });
        let inverted: Vec<u32> = expected.iter().map(|word| !word).collect();
        assert_eq!(answers(&bench, 10_007), inverted, "{pattern:?}");

        let copy = Launch::copy(SMS, OUT, 40_016, 3).unwrap();
        let (bench, _) = images.launch(&copy, None, Some(bench));
        assert_eq!(bench.words()[1 << 18..][..10_004], bench.words()[..10_004]);
    }
    assert_eq!(images.launch(&Launch::empty(), None, None).1.instructions, 32);
}
