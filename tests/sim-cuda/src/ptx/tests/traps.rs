//! Everything that stops a kernel before its end.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::bench::{BASE, Bench};
use crate::ptx::Trap;

fn trap(body: &str) -> Trap {
    Bench::new(64, 32).body(body).expect_err(body)
}

#[test]
fn memory_that_is_not_there() {
    for (body, address) in [
        ("ld.global.u32 %r1, [%d0+64];", BASE + 64),
        ("st.global.u32 [%d0+-4], %r1;", BASE - 4),
        ("mov.u64 %d1, 0; ld.global.u32 %r1, [%d1];", 0),
        ("atom.global.add.u32 %r1, [%d0+64], 1;", BASE + 64),
        ("ld.shared.u32 %r1, [%r2+16];", 16),
        (".shared .u32 s; st.shared.u32 [s+4], %r1;", 4),
        (".shared .u32 s; red.shared.add.u32 [s+8], 1;", 8),
        ("ld.shared.u32 %r1, [%r2+-4];", u64::MAX - 3),
        // The first lane that leaves the memory is the seventeenth.
        ("mov.u32 %r1, %tid.x; mad.wide.u32 %d1, %r1, 4, %d0; ld.global.u32 %r1, [%d1];", BASE + 64),
        ("mov.u32 %r1, %tid.x; mad.wide.u32 %d1, %r1, 4, %d0; st.global.u32 [%d1], %r1;", BASE + 64),
    ] {
        assert_eq!(trap(body), Trap::Address(address), "{body}");
    }
}

#[test]
fn addresses_between_two_values() {
    for (body, address) in [
        ("ld.global.u32 %r1, [%d0+2];", BASE + 2),
        ("ld.global.u16 %r1, [%d0+1];", BASE + 1),
        ("st.global.u64 [%d0+4], %d1;", BASE + 4),
        ("ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%d0+8];", BASE + 8),
        ("st.global.v2.u32 [%d0+4], {%r1,%r2};", BASE + 4),
        ("atom.global.add.u64 %d1, [%d0+4], 1;", BASE + 4),
        (".shared .u32 s[2]; ld.shared.u32 %r1, [s+2];", 2),
        // All 32 lanes side by side, one byte off.
        ("mov.u32 %r1, %tid.x; mad.wide.u32 %d1, %r1, 4, %d0; ld.global.u32 %r1, [%d1+1];", BASE + 1),
    ] {
        assert_eq!(trap(body), Trap::Misaligned(address), "{body}");
    }
}

#[test]
fn what_a_kernel_wrote_before_it_stopped_is_written() {
    let bench = Bench::new(64, 1);
    assert_eq!(bench.body("st.global.u32 [%d0], 9; trap;"), Err(Trap::Instruction("line 8: trap".into())));
    assert_eq!(bench.words()[0], 9);
}

#[test]
fn instructions_that_no_device_can_do() {
    let body = "mov.u32 %r1, %tid.x;\nsetp.lt.u32 %p1, %r1, 4;\n@%p1 trap;";
    assert_eq!(trap(body), Trap::Instruction("line 10: trap".into()));
    assert!(Bench::new(64, 32).body("setp.lt.u32 %p1, %r1, 0; @%p1 trap;").is_ok(), "nobody comes to it");
    let mma =
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2}, {%r3}, {%f1,%f2,%f3,%f4};";
    let some = format!("mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 4; @%p1 bra END; {mma} END:");
    assert_eq!(trap(&some), Trap::Instruction("line 8: mma without all lanes of the warp".into()));
    assert!(Bench::new(64, 32).body(mma).is_ok());
}

#[test]
fn a_kernel_without_end_is_cancelled() {
    for body in ["L: bra L;", "mov.u32 %r1, %tid.x; L: setp.lt.u32 %p1, %r1, 4; @%p1 bra L; bar.sync 0;"] {
        let bench = Bench::new(64, 256).blocks(8);
        let started = Instant::now();
        let found = std::thread::scope(|scope| {
            let kernel = scope.spawn(|| bench.body(body));
            std::thread::sleep(Duration::from_millis(20));
            bench.stop.store(true, Ordering::Relaxed);
            kernel.join().unwrap()
        });
        assert_eq!(found, Err(Trap::Cancelled), "{body}");
        assert!(started.elapsed() < Duration::from_secs(5), "{body}");
    }
    let bench = Bench::new(64, 32);
    bench.stop.store(true, Ordering::Relaxed);
    assert_eq!(bench.body(""), Err(Trap::Cancelled), "before it began");
}

#[test]
fn of_several_blocks_that_stop_the_first_one_says_why() {
    for _ in 0..50 {
        let bench = Bench::new(64, 32).blocks(40);
        let body =
            "mov.u32 %r1, %ctaid.x; setp.ge.u32 %p1, %r1, 7; mul.wide.u32 %d1, %r1, 4; @%p1 ld.global.u32 %r2, [%d1];";
        assert_eq!(bench.body(body), Err(Trap::Address(28)));
    }
}
