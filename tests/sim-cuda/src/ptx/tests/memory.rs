//! What is read and written, and changed in one step.

use super::bench::{BASE, Bench, program, value};
use crate::ptx::{Global as _, Param, Program};

#[test]
fn narrow_values_are_filled_up_as_their_type_says() {
    let bench = Bench::new(256, 1);
    bench.put(128, &[0x80, 0xff, 0xff, 0xff, 0x01, 0x02, 0x03, 0x84]);
    for (load, expected) in [
        ("ld.global.u8 %r9, [%d0+128]", 0x80),
        ("ld.global.s8 %r9, [%d0+128]", 0xffff_ff80),
        ("ld.global.u16 %r9, [%d0+130]", 0xffff),
        ("ld.global.s16 %r9, [%d0+130]", 0xffff_ffff),
        ("ld.global.b32 %r9, [%d0+132]", 0x8403_0201),
        ("ld.global.nc.u32 %r9, [%d0+132]", 0x8403_0201),
        ("ld.volatile.global.u32 %r9, [%d0+132]", 0x8403_0201),
        ("ld.global.cs.u32 %r9, [%d0+132]", 0x8403_0201),
        ("add.u64 %d1, %d0, 140; ld.global.u32 %r9, [%d1+-8]", 0x8403_0201),
        ("cvta.to.global.u64 %d1, %d0; ld.global.u32 %r9, [%d1+132]", 0x8403_0201),
    ] {
        bench.body(&format!("{load}; st.global.u32 [%d0], %r9;")).unwrap();
        assert_eq!(bench.words()[0], expected, "{load}");
    }
    bench.body("ld.global.s32 %d1, [%d0+132]; st.global.u64 [%d0], %d1;").unwrap();
    assert_eq!(bench.words()[..2], [0x8403_0201, 0xffff_ffff]);
    bench.body("ld.global.u32 %d1, [%d0+132]; st.global.u64 [%d0], %d1;").unwrap();
    assert_eq!(bench.words()[..2], [0x8403_0201, 0]);
    bench.body("mov.u32 %r1, 0x12345678; st.global.u8 [%d0], %r1; st.global.u16 [%d0+2], %r1;").unwrap();
    assert_eq!(bench.words()[0], 0x5678_0278);
}

#[test]
fn several_registers_move_at_once() {
    let bench = Bench::new(1024, 32);
    let data: Vec<u8> = (0..=255).cycle().take(512).collect();
    bench.put(0, &data);
    bench
        .body(
            "mov.u32 %r1, %tid.x; mul.wide.u32 %d1, %r1, 16; add.u64 %d1, %d0, %d1;
             ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%d1]; st.global.v4.b32 [%d1+512], {%r5, %r4, %r3, %r2};",
        )
        .unwrap();
    let words = bench.words();
    for lane in 0..32 {
        let mut expected = words[4 * lane..4 * lane + 4].to_vec();
        expected.reverse();
        assert_eq!(words[128 + 4 * lane..132 + 4 * lane], expected);
    }
    let bench = Bench::new(64, 1);
    bench.put(16, &data[..16]);
    bench.body("ld.global.v2.u64 {%d1, %d2}, [%d0+16]; st.global.v2.u64 [%d0], {%d2, %d1};").unwrap();
    assert_eq!(bench.words()[..4], [0x0b0a_0908, 0x0f0e_0d0c, 0x0302_0100, 0x0706_0504]);
    bench.body("ld.global.v2.f32 {%f1, %f2}, [%d0+16]; st.global.v2.f32 [%d0+32], {%f2, %f1};").unwrap();
    assert_eq!(bench.words()[8..10], [0x0706_0504, 0x0302_0100]);
}

#[test]
fn lanes_that_lie_apart_read_and_write_apart() {
    let bench = Bench::new(4096, 32);
    // Lane 31 first, with gaps; and every lane but one at the same word.
    bench
        .body(
            "mov.u32 %r1, %tid.x; sub.u32 %r2, 31, %r1; mul.wide.u32 %d1, %r2, 8; add.u64 %d1, %d0, %d1;
             st.global.u32 [%d1], %r1; ld.global.u32 %r3, [%d1]; mul.wide.u32 %d2, %r1, 4; add.u64 %d2, %d0, %d2;
             st.global.u32 [%d2+1024], %r3; st.global.u32 [%d0+2048], %r1;",
        )
        .unwrap();
    let words = bench.words();
    assert_eq!(words[256..288], (0..32).collect::<Vec<u32>>());
    assert_eq!((words[0], words[1], words[2], words[512]), (31, 0, 30, 31));
}

#[test]
fn parameters_lie_one_behind_the_other() {
    let text = ".version 6.0 .target sm_50 .visible .entry k(.param .u64 a, .param .u32 b, .param .u64 c, .param .u8 d,
        .param .align 16 .b8 e[20]) { .reg .b64 %d<4>; .reg .b32 %r<5>; ld.param.u64 %d0, [a]; ld.param.u32 %r0, [b];
        ld.param.u64 %d1, [c]; ld.param.s8 %r1, [d]; ld.param.v2.u32 {%r2, %r3}, [e+8];
        st.global.u32 [%d0], %r0; st.global.u64 [%d0+8], %d1; st.global.u32 [%d0+16], %r1;
        st.global.v2.u32 [%d0+24], {%r2, %r3}; }";
    let program = Program::parse(text).unwrap();
    let entry = program.entry("k").unwrap();
    let offsets = [(8, 8, 0), (4, 4, 8), (8, 8, 16), (1, 1, 24), (20, 16, 32)];
    assert_eq!(entry.params, offsets.map(|(size, align, offset)| Param { size, align, offset }));
    let mut params = vec![0; 52];
    params[..8].copy_from_slice(&BASE.to_le_bytes());
    params[8..12].copy_from_slice(&5_u32.to_le_bytes());
    params[16..24].copy_from_slice(&(7_u64 << 32 | 6).to_le_bytes());
    params[24] = 0xfe;
    params[40..48].copy_from_slice(&(9_u64 << 32 | 8).to_le_bytes());
    let bench = Bench::new(64, 1);
    bench.launch(&program, "k", &params).unwrap();
    assert_eq!(bench.words()[..8], [5, 0, 6, 7, 0xffff_fffe, 0, 8, 9]);
}

#[test]
fn variables_of_a_block_do_not_overlap() {
    let text = format!(
        ".version 6.0 .target sm_50 .shared .b8 outer[5]; {}",
        ".visible .entry k(.param .u64 a) { .reg .b32 %r<9>; .reg .b64 %d<2>; .shared .u16 x; .shared .align 8 .b8 y[3];
         .shared .u32 z[2]; ld.param.u64 %d0, [a]; mov.u32 %r1, outer; mov.u32 %r2, x; mov.u64 %d1, y;
         cvt.u32.u64 %r3, %d1; mov.u32 %r4, z; st.global.v4.u32 [%d0], {%r1, %r2, %r3, %r4};
         st.shared.u32 [z+4], 77; ld.shared.u32 %r5, [%r4+4]; st.global.u32 [%d0+16], %r5; }"
    );
    let program = Program::parse(&text).unwrap();
    assert_eq!(program.entry("k").unwrap().shared, 20);
    let bench = Bench::new(32, 1);
    bench.launch(&program, "k", &BASE.to_le_bytes()).unwrap();
    assert_eq!(bench.words()[..5], [0, 6, 8, 12, 77]);
}

/// What is in memory and in `%r9` or `%d9` after one lane's change of a word.
fn changed(instruction: &str, kind: &str, old: u64, inputs: [u64; 2]) -> (u64, u64) {
    let bench = Bench::new(64, 1);
    bench.put(32, &old.to_le_bytes());
    let register = if kind.ends_with("64") { 'd' } else { 'r' };
    let text = format!(
        "mov.b64 %d1, {}; mov.b64 %d2, {}; cvt.u32.u64 %r1, %d1; cvt.u32.u64 %r2, %d2; mov.b32 %f1, %r1;
         mov.b64 %g1, %d1; {instruction}; st.global.b64 [%d0], %d9; cvt.u64.u32 %d8, %r9; st.global.b64 [%d0+8], %d8;",
        inputs[0], inputs[1]
    );
    bench.body(&text).unwrap();
    let words = bench.words();
    let pair = |at: usize| u64::from(words[at + 1]) << 32 | u64::from(words[at]);
    (pair(8), if register == 'd' { pair(0) } else { pair(2) })
}

#[test]
fn a_word_is_changed_in_one_step_and_its_old_value_answered() {
    let minus = |value: i64| value.cast_unsigned();
    for (action, kind, old, inputs, new) in [
        ("add", "u32", 0xffff_ffff, [2, 0], 1),
        ("add", "s32", 5, [0xffff_ffff, 0], 4),
        ("add", "u64", u64::MAX, [2, 0], 1),
        ("min", "u32", 5, [0xffff_ffff, 0], 5),
        ("min", "s32", 5, [0xffff_ffff, 0], 0xffff_ffff),
        ("max", "u32", 5, [0xffff_ffff, 0], 0xffff_ffff),
        ("max", "s32", 5, [0xffff_ffff, 0], 5),
        ("min", "u64", 1 << 40, [1 << 33, 0], 1 << 33),
        ("max", "u64", 1 << 40, [1 << 33, 0], 1 << 40),
        ("min", "s64", 5, [minus(-1), 0], minus(-1)),
        ("max", "s64", 5, [minus(-1), 0], 5),
        ("and", "b32", 0b1100, [0b1010, 0], 0b1000),
        ("or", "b32", 0b1100, [0b1010, 0], 0b1110),
        ("xor", "b64", 0b1100, [0b1010, 0], 0b0110),
        ("inc", "u32", 3, [4, 0], 4),
        ("inc", "u32", 4, [4, 0], 0),
        ("dec", "u32", 3, [4, 0], 2),
        ("dec", "u32", 0, [4, 0], 4),
        ("dec", "u32", 9, [4, 0], 4),
        ("exch", "b32", 1, [2, 0], 2),
        ("exch", "b64", 1, [1 << 50, 0], 1 << 50),
        ("cas", "b32", 1, [1, 9], 9),
        ("cas", "b32", 2, [1, 9], 2),
        ("cas", "b64", 1 << 40, [1 << 40, 1 << 41], 1 << 41),
    ] {
        let register = if kind.ends_with("64") { 'd' } else { 'r' };
        let third = if action == "cas" { format!(", %{register}2") } else { String::new() };
        let text = format!("atom.global.{action}.{kind} %{register}9, [%d0+32], %{register}1{third}");
        assert_eq!(changed(&text, kind, old, inputs), (new, old), "{text} {old:#x} {inputs:x?}");
        if !matches!(action, "exch" | "cas") {
            let text = format!("red.global.{action}.{kind} [%d0+32], %{register}1");
            assert_eq!(changed(&text, kind, old, inputs).0, new, "{text}");
        }
    }
}

#[test]
fn sums_in_the_devices_memory_lose_what_is_too_small_and_those_of_a_block_do_not() {
    let add = |old: u64, more: u64| changed("red.global.add.f32 [%d0+32], %f1", "f32", old, [more, 0]).0;
    assert_eq!(add(0x3f80_0000, 0x3f80_0000), 0x4000_0000);
    assert_eq!((add(0, 1), add(1, 1), add(0x8000_0001, 0x8000_0000)), (0, 0, 0x8000_0000));
    assert_eq!(add(0x0080_0001, 0x8080_0000), 0);
    let shared = "st.shared.u32 [s], 1; red.shared.add.f32 [s], %f1; ld.shared.u32 %r9, [s]";
    assert_eq!(changed(&format!(".shared .u32 s; {shared}"), "f32", 0, [1, 0]).1, 2);
    let double = changed("atom.global.add.f64 %g9, [%d0+32], %g1; mov.b64 %d9, %g9", "f64", 1, [1, 0]);
    assert_eq!(double, (2, 1));
}

#[test]
fn all_lanes_change_the_same_word_one_after_the_other() {
    let bench = Bench::new(4 * 258, 256);
    bench
        .body(
            "mov.u32 %r1, %tid.x; mul.wide.u32 %d1, %r1, 4; add.u64 %d1, %d0, %d1; atom.global.add.u32 %r2, [%d0+1024], 3;
             st.global.u32 [%d1], %r2; .shared .u32 s; atom.shared.add.u32 %r3, [s], 1; bar.sync 0;
             ld.shared.u32 %r4, [s]; setp.eq.u32 %p1, %r1, 0; @%p1 st.global.u32 [%d0+1028], %r4;",
        )
        .unwrap();
    let words = bench.words();
    assert_eq!(words[..256], (0..256).map(|place| 3 * place).collect::<Vec<u32>>());
    assert_eq!(words[256..], [768, 256]);
}

#[test]
fn sums_of_fractions_are_always_taken_in_the_order_of_the_blocks() {
    let sum = || {
        Bench::new(8, 32).blocks(200).after(
            "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r1, %r2, 32, %r1; mul.lo.u32 %r1, %r1, 2654435761;
             cvt.rn.f32.u32 %f1, %r1; red.global.add.f32 [%d0], %f1;",
        )
    };
    let mut expected = 0.0_f32;
    for thread in 0..6400_u32 {
        #[expect(clippy::cast_precision_loss, reason = "as the text does")]
        let value = thread.wrapping_mul(2_654_435_761) as f32;
        expected += value;
    }
    for _ in 0..10 {
        assert_eq!(sum()[0], expected.to_bits());
    }
}

#[test]
fn fences_do_nothing() {
    assert_eq!(value("membar.gl; membar.cta; membar.sys; mov.u32 %r9, 4;", &[]), 4);
    let bench = Bench::new(8, 1);
    assert!(bench.load(BASE + 8, &mut [0]).is_err(), "the bench itself ends where it should");
    assert!(program("").entry("other").is_none());
}
