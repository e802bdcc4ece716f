//! Every end of the check of memory, with its message.

use super::super::scripted::{Script, Scripted};
use super::*;

fn losing(bytes: u64, pieces: u32) -> String {
    Scripted::new(Script { loses: (bytes, pieces), ..Script::default() }).ends(allocate)
}

#[test]
fn memory_is_taken_and_given_back() {
    let driver = Scripted::new(Script::default());
    let outcome = driver.check(allocate).unwrap();
    assert_eq!(outcome.status, crate::cuda::check::Status::Pass);
    let metrics: Vec<_> = outcome.metrics.iter().map(|it| (it.name.as_str(), it.n)).collect();
    assert_eq!(metrics, [("allocate", 24), ("free", 24), ("allocate_pinned", 1)]);
    assert_eq!(driver.called("allocate"), 25);
    assert_eq!(driver.reads(allocate, "lost").as_deref(), Some("0 B in 3 rounds"));
}

#[test]
fn memory_that_is_lost_in_every_round_is_a_leak() {
    assert_eq!(
        losing(1 << 20, u32::MAX),
        "fail: memory that was given back is not free again: 24 MiB of 24 MiB in 3 rounds; the driver loses it: install another \
         version of it"
    );
    assert_eq!(
        losing(1 << 10, u32::MAX),
        "warn: 24 KiB less is free after 3 rounds of taking and giving back; another process takes memory, or the driver loses \
         some"
    );
    // One round only: another process.
    assert_eq!(losing(1 << 20, 9), "pass");
}

#[test]
fn a_refused_allocation_says_what_refused_it() {
    let refusing = |call, code| Script { refuses: [(call, code)].into(), ..Script::default() };
    assert_eq!(
        Scripted::new(refusing("allocate", 2)).ends(allocate),
        "error: cuMemAlloc: not enough memory on the GPU (2); free memory on the GPU, or ask for less"
    );
    assert!(Scripted::new(refusing("memory_info", 999)).ends(allocate).starts_with("error: cuMemGetInfo: "));
    let pinned = refusing("allocate_pinned", 2);
    assert_eq!(
        Scripted::new(pinned.clone()).ends(allocate),
        "warn: no pinned memory of 1 MiB: cuMemHostAlloc: not enough memory on the GPU (2); programs do without it, and their \
         copies from pageable memory are slower; look at the free memory of the machine, and of the container"
    );
    assert_eq!(
        Scripted::new(Script { library: "/usr/lib/wsl/lib/libcuda.so.1", ..pinned }).ends(allocate),
        "warn: no pinned memory of 1 MiB: cuMemHostAlloc: not enough memory on the GPU (2); programs do without it, and their \
         copies from pageable memory are slower; WSL2 limits it: give WSL2 more memory in .wslconfig"
    );
    assert!(
        Scripted::new(refusing("write_pinned", 1)).ends(allocate).starts_with("fail: pinned memory holds [00, 00, ")
    );
}
