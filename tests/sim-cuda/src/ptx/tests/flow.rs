//! Ways that part and meet, barriers, and what a lane knows about its place.

use super::bench::{Bench, program};
use crate::ptx::{Grid, Trap};

/// Each lane's word: `%d1` is its address, `%r1` its number in the block.
const OWN: &str = "mov.u32 %r1, %tid.x; mul.wide.u32 %d1, %r1, 4; add.u64 %d1, %d0, %d1;";

fn words(body: &str, threads: u32) -> Vec<u32> {
    Bench::new(4 * threads as usize, threads).after(&format!("{OWN}\n{body}"))
}

#[test]
fn only_lanes_whose_guard_holds_take_part() {
    let body = "and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 1; mov.u32 %r3, 7; @%p1 mov.u32 %r3, 8;
        @!%p1 add.u32 %r3, %r3, 100; st.global.u32 [%d1], %r3;";
    let expected: Vec<u32> = (0..32).map(|lane| if lane % 2 == 1 { 8 } else { 107 }).collect();
    assert_eq!(words(body, 32), expected);
}

#[test]
fn lanes_go_their_own_ways_and_meet_again() {
    // Each lane counts its own steps of the Collatz sequence; together they count how often they were together.
    let body = "add.u32 %r2, %r1, 1; mov.u32 %r3, 0;
        LOOP: setp.eq.u32 %p1, %r2, 1; @%p1 bra DONE;
        and.b32 %r4, %r2, 1; setp.eq.u32 %p2, %r4, 0; @%p2 bra EVEN;
        mad.lo.u32 %r2, %r2, 3, 1; bra.uni NEXT;
        EVEN: shr.u32 %r2, %r2, 1;
        NEXT: add.u32 %r3, %r3, 1; bra LOOP;
        DONE: st.global.u32 [%d1], %r3;";
    let steps = |start: u32| {
        let mut value = start;
        let mut count = 0;
        while value != 1 {
            value = if value.is_multiple_of(2) { value / 2 } else { 3 * value + 1 };
            count += 1;
        }
        count
    };
    assert_eq!(words(body, 96), (1..=96).map(steps).collect::<Vec<u32>>());
}

#[test]
fn lanes_that_parted_do_the_rest_together() {
    // The warp's clock counts each instruction once, for all lanes that do it together.
    let body = "setp.lt.u32 %p1, %r1, 5; @%p1 bra LOW; mov.u32 %r2, 1; bra MEET; LOW: mov.u32 %r2, 2;
        MEET: mov.u32 %r3, %clock; st.global.u32 [%d1], %r3;";
    let clocks = words(body, 32);
    assert!(clocks.iter().all(|clock| *clock == clocks[0]), "{clocks:?}");
    // Six to get here, among them the parameter and the three of `OWN`; then both ways, one after the other.
    assert_eq!(clocks[0], 4 + 2 + 2 + 1 + 1);
}

#[test]
fn a_jump_backwards_past_others_is_not_lost() {
    // The even lanes go to a part of the text that stands above where the odd ones are.
    let body = "mov.u32 %r2, 0; bra START;
        ABOVE: add.u32 %r2, %r2, 10; bra END;
        START: and.b32 %r3, %r1, 1; setp.eq.u32 %p1, %r3, 0; @%p1 bra ABOVE; add.u32 %r2, %r2, 1;
        END: st.global.u32 [%d1], %r2;";
    assert_eq!(words(body, 32), (0..32).map(|lane| if lane % 2 == 0 { 10 } else { 1 }).collect::<Vec<u32>>());
}

#[test]
fn a_lane_that_has_ended_does_nothing_more() {
    let body = "st.global.u32 [%d1], 1; setp.lt.u32 %p1, %r1, 7; @%p1 exit; setp.lt.u32 %p1, %r1, 9; @%p1 ret;
        st.global.u32 [%d1], 2;";
    assert_eq!(words(body, 20), [vec![1; 9], vec![2; 11]].concat());
}

#[test]
fn each_lane_knows_its_place() {
    let place = |special: &str, grid: Grid| {
        let threads: u32 = grid.block.iter().product();
        let all = threads * grid.grid.iter().product::<u32>();
        let body = format!(
            "mov.u32 %r1, %ctaid.z; mov.u32 %r2, %nctaid.y; mov.u32 %r3, %ctaid.y; mad.lo.u32 %r1, %r1, %r2, %r3;
             mov.u32 %r2, %nctaid.x; mov.u32 %r3, %ctaid.x; mad.lo.u32 %r1, %r1, %r2, %r3;
             mov.u32 %r2, %ntid.z; mov.u32 %r3, %tid.z; mad.lo.u32 %r1, %r1, %r2, %r3;
             mov.u32 %r2, %ntid.y; mov.u32 %r3, %tid.y; mad.lo.u32 %r1, %r1, %r2, %r3;
             mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.u32 %r1, %r1, %r2, %r3;
             mul.wide.u32 %d1, %r1, 4; add.u64 %d1, %d0, %d1; mov.u32 %r4, {special}; st.global.u32 [%d1], %r4;"
        );
        let mut bench = Bench::new(4 * all as usize, 1);
        bench.grid = grid;
        bench.after(&body)
    };
    let grid = Grid { grid: [3, 2, 2], block: [5, 3, 4], multiprocessors: 5 };
    let all: Vec<u32> = (0..12 * 60).collect();
    let expect = |special: &str, of: &dyn Fn(u32, u32) -> u32| {
        let expected: Vec<u32> = all.iter().map(|thread| of(thread / 60, thread % 60)).collect();
        assert_eq!(place(special, grid), expected, "{special}");
    };
    expect("%tid.x", &|_, thread| thread % 5);
    expect("%tid.y", &|_, thread| thread / 5 % 3);
    expect("%tid.z", &|_, thread| thread / 15);
    expect("%ctaid.x", &|block, _| block % 3);
    expect("%ctaid.y", &|block, _| block / 3 % 2);
    expect("%ctaid.z", &|block, _| block / 6);
    expect("%ntid.z", &|_, _| 4);
    expect("%nctaid.x", &|_, _| 3);
    expect("%laneid", &|_, thread| thread % 32);
    expect("%lanemask_lt", &|_, thread| (1 << (thread % 32)) - 1);
    expect("%warpid", &|_, thread| thread / 32);
    expect("%nwarpid", &|_, _| 2);
    expect("%nsmid", &|_, _| 5);
    expect("%smid", &|block, _| block % 5);
}

/// Every thread writes to its place and reads its neighbour's.
const NEIGHBOUR: &str = ".shared .align 4 .b8 words[512]; mov.u32 %r2, words; mad.lo.u32 %r3, %r1, 4, %r2;
    mul.lo.u32 %r4, %r1, 10; st.shared.u32 [%r3], %r4; bar.sync 0;
    add.u32 %r5, %r1, 33; and.b32 %r5, %r5, 127; mad.lo.u32 %r3, %r5, 4, %r2; ld.shared.u32 %r6, [%r3];";

#[test]
fn a_barrier_holds_all_warps_of_a_block() {
    let found = words(&format!("{NEIGHBOUR} st.global.u32 [%d1], %r6;"), 128);
    assert_eq!(found, (0..128).map(|thread| (thread + 33) % 128 * 10).collect::<Vec<u32>>());
    // Without it, the first warp reads what the others have not written.
    let early = words(&format!("{} st.global.u32 [%d1], %r6;", NEIGHBOUR.replace("bar.sync 0;", "")), 128);
    assert_eq!(early[0], 0);
}

#[test]
fn lanes_may_come_to_a_barrier_one_after_the_other() {
    let body = format!(
        "setp.lt.u32 %p1, %r1, 5; @%p1 bra SLOW; bra WAIT;
        BACK: bra WAIT; SLOW: bra BACK;
        WAIT: {NEIGHBOUR} bar.sync 1; st.global.u32 [%d1], %r6;"
    );
    assert_eq!(words(&body, 128)[0], 330);
}

#[test]
fn a_barrier_that_not_all_reach_stops_the_kernel() {
    for (text, what) in [
        ("setp.lt.u32 %p1, %r1, 40; @%p1 bar.sync 0;", "a part of a warp passes by"),
        ("setp.lt.u32 %p1, %r1, 32; @%p1 bra END; bar.sync 0; END:", "a warp ends before it"),
        ("setp.lt.u32 %p1, %r1, 5; @%p1 exit; bar.sync 0;", "lanes end before it"),
        (
            "L: bar.sync 0; setp.lt.u32 %p1, %r1, 5; @%p1 exit; add.u32 %r2, %r2, 1; setp.lt.u32 %p2, %r2, 3; @%p2 bra L;",
            "lanes end before it comes again",
        ),
        ("setp.lt.u32 %p1, %r1, 5; @%p1 bra OTHER; bar.sync 0; bra END; OTHER: bar.sync 0; END:", "two places"),
        ("setp.lt.u32 %p1, %r1, 32; @%p1 bra OTHER; bar.sync 0; bra END; OTHER: bar.sync 1; END:", "two barriers"),
    ] {
        assert_eq!(Bench::new(1024, 64).body(&format!("{OWN} {text}")), Err(Trap::Barrier), "{what}");
    }
    // Two warps may wait at the same barrier in two places.
    let text = "setp.lt.u32 %p1, %r1, 32; @%p1 bra OTHER; bar.sync 3; bra END; OTHER: bar.sync 3; END:";
    assert!(Bench::new(1024, 64).body(&format!("{OWN} {text}")).is_ok());
}

#[test]
fn warps_that_wait_for_one_another_in_a_loop_get_their_turns() {
    // The first warp spins until the second, which runs after it, has written.
    let body = ".shared .u32 flag; setp.ge.u32 %p1, %r1, 32; @%p1 bra SECOND;
        SPIN: ld.volatile.shared.u32 %r2, [flag]; setp.eq.u32 %p2, %r2, 0; @%p2 bra SPIN; bra END;
        SECOND: st.volatile.shared.u32 [flag], 9; mov.u32 %r2, 5;
        END: st.global.u32 [%d1], %r2;";
    assert_eq!(words(body, 64), [vec![9; 32], vec![5; 32]].concat());
}

#[test]
fn a_block_begins_with_nothing_of_the_one_before() {
    let body = ".shared .u32 word; mov.u32 %r1, %ctaid.x; mul.wide.u32 %d1, %r1, 4; add.u64 %d1, %d0, %d1;
        ld.shared.u32 %r2, [word]; add.u32 %r2, %r2, %r3; st.global.u32 [%d1], %r2;
        mov.u32 %r3, 7; st.shared.u32 [word], %r3;";
    assert_eq!(Bench::new(256, 1).blocks(64).after(body), vec![0; 64]);
}

#[test]
fn what_ran_is_counted_by_lane() {
    let bench = Bench::new(1024, 40).blocks(3);
    // The parameter, the comparison, two or one, and the end.
    let stats = bench.body("mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 10; @%p1 mov.u32 %r2, 1;").unwrap();
    assert_eq!(stats.instructions, 3 * (40 * 4 + 10));
    assert_eq!(stats.flipped, None);
    assert_eq!(program("").version(), (6, 5));
    assert_eq!(program("").target(), 75);
}
