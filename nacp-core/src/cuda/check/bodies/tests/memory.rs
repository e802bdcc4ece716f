use super::super::virtual_device::VirtualDevice;
use super::*;

const MIB: u64 = 1 << 20;
/// What is tested where the size does not matter.
const SMALL: u64 = 64 << 10;

/// The address of the first piece of memory that is tested. Handles are counted: a stream, a module, the differences.
fn first_piece() -> u64 {
    MEMORY + (4 << 28)
}

fn small() -> Setup {
    Setup { free: 2 * SMALL + 4096, ..Setup::default() }
}

/// A machine whose memory is tested without a limit of its own.
fn stage(setup: Setup) -> Stage {
    let mut stage = super::stage(setup);
    stage.sizes.memory_most = u64::MAX;
    stage
}

#[test]
fn memory_that_holds_passes_and_every_pattern_is_told() {
    let outcome = found(&stage(small()), mem::patterns);
    assert_eq!(outcome.status, Status::Pass);
    let tested = value(&outcome, "tested");
    assert!((SMALL as f64..=(SMALL + 4096) as f64).contains(&tested), "{tested}");
    // Four words with three looks each, one own address, twenty beginnings.
    assert_eq!(value(&outcome, "checked"), tested * f64::from(4 * 3 + 1 + 20));
    let expected = format!("{tested} bytes, 0 words differ");
    for pattern in ["moving inversions of 0x00000000", "moving inversions of 0x0f0f0f0f", "own address"] {
        assert_eq!(told(&outcome, pattern), expected);
    }
    for offset in 0..20 {
        assert_eq!(told(&outcome, &format!("modulo 20 from {offset}")), expected);
    }
}

#[test]
fn a_bit_that_sticks_is_named_with_pattern_place_and_count() {
    let at = first_piece() + 4 * 1000 + 2;
    let outcome = found(&stage(Setup { stuck: Some((at, 0x08)), ..small() }), mem::patterns);
    let address = first_piece() + 4 * 1000;
    assert_eq!(
        reason(&outcome),
        format!(
            "fail: memory does not hold what is written to it: pattern=\"moving inversions of 0x00000000\" words=1 \
             position=1000 address={address:#x} bits=0x00080000; look at its errors and remapped rows (nvidia-smi -q -d \
             ECC,ROW_REMAPPER), reset the GPU, and have the board replaced if it happens again"
        )
    );
    assert!(
        told(&outcome, "moving inversions of 0x00000000").ends_with(" bytes, 2 words differ"),
        "0 before and after"
    );
    assert!(told(&outcome, "moving inversions of 0x0f0f0f0f").ends_with(" bytes, 1 words differ"), "its complement");
}

#[test]
fn memory_in_small_pieces_is_tested_in_small_pieces() {
    let outcome = found(&stage(Setup { free: 6 * MIB, largest: MIB, ..Setup::default() }), mem::patterns);
    assert_eq!(outcome.status, Status::Pass);
    // Half of what is free, but for a rest that is smaller than the smallest piece.
    assert_eq!((value(&outcome, "tested"), value(&outcome, "pieces")), ((2 * MIB) as f64, 2.0));
}

#[test]
fn memory_of_which_little_can_be_had_is_told() {
    // The differences, two pieces that are too large, one that is had; then somebody takes all that is left.
    let mut stage = stage(Setup { free: 8 * MIB, largest: MIB, ..Setup::default() });
    stage.driver.setup.refuses.push(("allocate", 5, 2));
    let reason = reason(&found(&stage, mem::patterns));
    assert_eq!(
        reason,
        "warn: only a part of the memory that is free could be had: bytes=1048576 wanted=4194240; other programs took it \
         in between, or it is in small pieces: repeat the check on an idle GPU"
    );
}

#[test]
fn memory_of_which_none_can_be_had_is_the_driver_s_refusal() {
    let mut stage = stage(small());
    stage.driver.setup.refuses.push(("allocate", 2, 2));
    let Status::Error { call, fault, .. } = stopped(&stage, mem::patterns).status else { panic!() };
    assert_eq!((call.as_str(), fault.code), ("cuMemAlloc", 2));
}

#[test]
fn a_limit_of_memory_is_kept() {
    let mut stage = stage(Setup { free: 8 * MIB, ..Setup::default() });
    stage.sizes.memory_most = 256 << 10;
    assert_eq!(value(&found(&stage, mem::patterns), "tested"), f64::from(256 << 10));
}

#[test]
fn a_fault_that_was_seen_is_told_even_where_the_time_is_over() {
    let at = first_piece();
    let setup = || Setup { stuck: Some((at, 1)), ..small() };
    let whole = {
        let stage = stage(setup());
        found(&stage, mem::patterns);
        stage.driver.clock_now()
    };
    let mut stage = stage(setup());
    stage.until = whole.mul_f64(0.5);
    let outcome = found(&stage, mem::patterns);
    assert!(reason(&outcome).starts_with("fail: memory does not hold"), "{}", reason(&outcome));
    assert_eq!(told(&outcome, "ended_early"), "its time was over");
}

#[test]
fn memory_that_the_system_needs_too_is_tested_in_a_small_part() {
    use crate::cuda::check::{Bench, Level};
    const FREE: u64 = MIB;
    let tested = |level, change: fn(&mut Stage)| {
        let mut stage = stage(Setup { free: FREE, ..Setup::default() });
        stage.sizes.memory_percent = if level == Level::Full { 95 } else { 50 };
        change(&mut stage);
        let outcome = mem::patterns(&Bench { level, ..stage.bench() }).unwrap();
        assert_eq!(outcome.status, Status::Pass);
        let part = outcome.evidence.iter().find(|it| it.what == "memory.part").map(|it| it.value.clone());
        (value(&outcome, "tested") / FREE as f64, part)
    };
    let integrated = |stage: &mut Stage| stage.driver.setup.attributes.extend([(18, 1)]);
    let wsl = |stage: &mut Stage| stage.driver = VirtualDevice::new(stage.driver.setup.clone()).under_wsl();
    let wddm = |stage: &mut Stage| {
        stage.gpu().modes.driver_model = crate::gpu::Reading::Known(crate::gpu::DriverModel::Wddm);
    };
    let part = |percent: u32, whole: u32| {
        Some(format!("{percent} % of what is free, in place of {whole} %: the system needs this memory too"))
    };
    for (level, change, share, told) in [
        (Level::Standard, (|_| ()) as fn(&mut Stage), 0.5, None),
        (Level::Full, |_| (), 0.95, None),
        (Level::Standard, integrated, 0.1, part(10, 50)),
        (Level::Full, integrated, 0.25, part(25, 95)),
        (Level::Standard, wsl, 0.5, None),
        (Level::Full, wsl, 0.8, part(80, 95)),
        (Level::Full, wddm, 0.8, part(80, 95)),
    ] {
        let (got, said) = tested(level, change);
        close(got, share);
        assert_eq!(said, told, "{share}");
    }
}
