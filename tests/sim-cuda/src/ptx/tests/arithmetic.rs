//! Whole and floating-point numbers.

use super::bench::{check, value};

const MIN32: u64 = 0x8000_0000;
const MIN64: u64 = 1 << 63;

#[test]
fn whole_numbers_wrap_at_their_width() {
    check(&[
        ("add.u32 %r9, %r1, %r2;", &[0xffff_ffff, 2], 1),
        ("add.s32 %r9, %r1, %r2;", &[0x7fff_ffff, 1], MIN32),
        ("add.u32 %r9, %r1, -1;", &[0], 0xffff_ffff),
        ("add.u64 %d9, %d1, %d2;", &[u64::MAX, 2], 1),
        ("add.s64 %d9, %d1, %d2;", &[5, (-7_i64).cast_unsigned()], (-2_i64).cast_unsigned()),
        ("add.u16 %h9, %h1, %h2;", &[0xffff, 2], 1),
        ("sub.u32 %r9, %r1, %r2;", &[1, 2], 0xffff_ffff),
        ("sub.s64 %d9, %d1, %d2;", &[1, 2], u64::MAX),
        ("sub.s16 %h9, %h1, %h2;", &[1, 2], 0xffff),
        ("mul.lo.u32 %r9, %r1, %r2;", &[0x1_0001, 0x1_0001], 0x2_0001),
        ("mul.lo.s32 %r9, %r1, %r2;", &[0xffff_ffff, 5], 0xffff_fffb),
        ("mul.lo.u64 %d9, %d1, %d2;", &[1 << 40, 1 << 30], 0),
        ("mul.lo.u16 %h9, %h1, %h2;", &[0x101, 0x101], 0x201),
        ("mad.lo.u32 %r9, %r1, %r2, %r3;", &[0x1_0000, 0x1_0000, 7], 7),
        ("mad.lo.s64 %d9, %d1, %d2, %d3;", &[3, u64::MAX, 2], u64::MAX),
        ("neg.s32 %r9, %r1;", &[MIN32], MIN32),
        ("neg.s64 %d9, %d1;", &[1], u64::MAX),
        ("neg.s16 %h9, %h1;", &[1], 0xffff),
        ("abs.s32 %r9, %r1;", &[0xffff_fff9], 7),
        ("abs.s32 %r9, %r1;", &[MIN32], MIN32),
        ("abs.s64 %d9, %d1;", &[(-9_i64).cast_unsigned()], 9),
        ("abs.s16 %h9, %h1;", &[0xffff], 1),
    ]);
}

#[test]
fn a_product_has_an_upper_half_and_a_whole() {
    check(&[
        ("mul.hi.u32 %r9, %r1, %r2;", &[0xffff_ffff, 0xffff_ffff], 0xffff_fffe),
        ("mul.hi.s32 %r9, %r1, %r2;", &[0xffff_ffff, 5], 0xffff_ffff),
        ("mul.hi.s32 %r9, %r1, %r2;", &[MIN32, MIN32], 0x4000_0000),
        ("mul.hi.u64 %d9, %d1, %d2;", &[u64::MAX, u64::MAX], u64::MAX - 1),
        ("mul.hi.s64 %d9, %d1, %d2;", &[u64::MAX, 5], u64::MAX),
        ("mul.hi.u16 %h9, %h1, %h2;", &[0xffff, 0xffff], 0xfffe),
        ("mul.hi.s16 %h9, %h1, %h2;", &[0xffff, 5], 0xffff),
        ("mad.hi.u32 %r9, %r1, %r2, %r3;", &[0xffff_ffff, 0xffff_ffff, 3], 1),
        ("mad.hi.s32 %r9, %r1, %r2, %r3;", &[0xffff_ffff, 5, 1], 0),
        ("mad.hi.u64 %d9, %d1, %d2, %d3;", &[u64::MAX, u64::MAX, 1], u64::MAX),
        ("mul.wide.u32 %d9, %r1, %r2;", &[0xffff_ffff, 0xffff_ffff], 0xffff_fffe_0000_0001),
        ("mul.wide.s32 %d9, %r1, %r2;", &[0xffff_ffff, 5], (-5_i64).cast_unsigned()),
        ("mul.wide.u16 %r9, %h1, %h2;", &[0xffff, 0xffff], 0xfffe_0001),
        ("mul.wide.s16 %r9, %h1, %h2;", &[0xffff, 5], 0xffff_fffb),
        ("mad.wide.u32 %d9, %r1, %r2, %d3;", &[0xffff_ffff, 0xffff_ffff, 1 << 33], 0x0000_0000_0000_0001),
        ("mad.wide.s32 %d9, %r1, %r2, %d3;", &[0xffff_ffff, 5, 6], 1),
        ("mad.wide.u16 %r9, %h1, %h2, %r3;", &[0xffff, 2, 3], 0x2_0001),
        ("mad.wide.s16 %r9, %h1, %h2, %r3;", &[0xffff, 2, 3], 1),
    ]);
}

#[test]
fn division_and_order_know_the_sign() {
    check(&[
        ("div.u32 %r9, %r1, %r2;", &[0xffff_fffe, 2], 0x7fff_ffff),
        ("div.s32 %r9, %r1, %r2;", &[0xffff_fff9, 2], 0xffff_fffd),
        ("div.s32 %r9, %r1, %r2;", &[MIN32, 0xffff_ffff], MIN32),
        ("div.u32 %r9, %r1, %r2;", &[5, 0], 0xffff_ffff),
        ("div.u64 %d9, %d1, %d2;", &[u64::MAX, 20], u64::MAX / 20),
        ("div.s64 %d9, %d1, %d2;", &[MIN64, u64::MAX], MIN64),
        ("div.u16 %h9, %h1, %h2;", &[1000, 7], 142),
        ("rem.u32 %r9, %r1, %r2;", &[43, 20], 3),
        ("rem.s32 %r9, %r1, %r2;", &[0xffff_fff9, 4], 0xffff_fffd),
        ("rem.u64 %d9, %d1, %d2;", &[u64::MAX, 20], u64::MAX % 20),
        ("rem.u32 %r9, %r1, %r2;", &[43, 0], 43),
        ("min.u32 %r9, %r1, %r2;", &[0xffff_ffff, 1], 1),
        ("min.s32 %r9, %r1, %r2;", &[0xffff_ffff, 1], 0xffff_ffff),
        ("max.u32 %r9, %r1, %r2;", &[0xffff_ffff, 1], 0xffff_ffff),
        ("max.s32 %r9, %r1, %r2;", &[0xffff_ffff, 1], 1),
        ("min.s64 %d9, %d1, %d2;", &[MIN64, 1], MIN64),
        ("max.u64 %d9, %d1, %d2;", &[MIN64, 1], MIN64),
        ("min.s16 %h9, %h1, %h2;", &[0x8000, 1], 0x8000),
        ("max.u16 %h9, %h1, %h2;", &[0x8000, 1], 0x8000),
    ]);
}

/// What is not a number, in 32 bits.
const NONE: u64 = 0x7fff_ffff;
const NONE64: u64 = 0xfff8_0000_0000_0000;
const INFINITY: u64 = 0x7f80_0000;
const INFINITY64: u64 = 0x7ff0_0000_0000_0000;
const ONE: u64 = 0x3f80_0000;
const ONE64: u64 = 0x3ff0_0000_0000_0000;
/// The least number above zero.
const LEAST: u64 = 1;

#[test]
fn numbers_of_32_bits_are_rounded_once_and_keep_the_smallest() {
    check(&[
        // 1 + 2^-24 is half way between 1 and the next: to the even one.
        ("add.rn.f32 %f9, %f1, %f2;", &[ONE, 0x3380_0000], ONE),
        ("add.f32 %f9, %f1, %f2;", &[0x3f80_0001, 0x3380_0000], 0x3f80_0002),
        ("add.rn.f32 %f9, %f1, %f2;", &[LEAST, LEAST], 2),
        ("add.rn.f32 %f9, %f1, %f2;", &[INFINITY, 0xff80_0000], NONE),
        ("add.rn.f32 %f9, %f1, %f2;", &[0xffc0_0001, ONE], NONE),
        ("add.rn.f32 %f9, %f1, 0f3F800000;", &[ONE], 0x4000_0000),
        ("add.rn.f32 %f9, %f1, 1.5;", &[ONE], 0x4020_0000),
        ("sub.rn.f32 %f9, %f1, %f2;", &[0x0080_0000, 0x007f_ffff], LEAST),
        ("sub.rn.f32 %f9, %f1, %f2;", &[ONE, ONE], 0),
        ("mul.rn.f32 %f9, %f1, %f2;", &[0x0080_0000, 0x3f00_0000], 0x0040_0000),
        ("mul.rn.f32 %f9, %f1, %f2;", &[0x7f7f_ffff, 0x4000_0000], INFINITY),
        // (1 + 2^-12)^2 - 1 has 2^-24 that two roundings lose.
        ("fma.rn.f32 %f9, %f1, %f2, %f3;", &[0x3f80_0800, 0x3f80_0800, 0xbf80_0000], 0x3a00_0400),
        ("fma.rn.f32 %f9, %f1, %f2, %f3;", &[INFINITY, 0, ONE], NONE),
        ("div.rn.f32 %f9, %f1, %f2;", &[ONE, 0x4040_0000], 0x3eaa_aaab),
        ("div.rn.f32 %f9, %f1, %f2;", &[ONE, 0x8000_0000], 0xff80_0000),
        ("div.rn.f32 %f9, %f1, %f2;", &[0x0080_0000, 0x4040_0000], 0x002a_aaab),
        ("div.rn.f32 %f9, %f1, %f2;", &[0, 0], NONE),
        ("sqrt.rn.f32 %f9, %f1;", &[0x4000_0000], 0x3fb5_04f3),
        ("sqrt.rn.f32 %f9, %f1;", &[LEAST], 0x1a35_04f3),
        ("sqrt.rn.f32 %f9, %f1;", &[0x8000_0000], 0x8000_0000),
        ("sqrt.rn.f32 %f9, %f1;", &[0xbf80_0000], NONE),
        ("rcp.rn.f32 %f9, %f1;", &[0x4040_0000], 0x3eaa_aaab),
        ("rcp.rn.f32 %f9, %f1;", &[0x7f00_0000], 0x0040_0000),
        ("neg.f32 %f9, %f1;", &[0], 0x8000_0000),
        ("abs.f32 %f9, %f1;", &[0xbf80_0000], ONE),
        ("min.f32 %f9, %f1, %f2;", &[0, 0x8000_0000], 0x8000_0000),
        ("min.f32 %f9, %f1, %f2;", &[0x8000_0000, 0], 0x8000_0000),
        ("max.f32 %f9, %f1, %f2;", &[0x8000_0000, 0], 0),
        ("max.f32 %f9, %f1, %f2;", &[0, 0x8000_0000], 0),
        ("min.f32 %f9, %f1, %f2;", &[0x7fc0_0000, ONE], ONE),
        ("max.f32 %f9, %f1, %f2;", &[ONE, 0x7fc0_0000], ONE),
        ("min.f32 %f9, %f1, %f2;", &[0x7fc0_0000, 0xffc0_0000], NONE),
        ("min.f32 %f9, %f1, %f2;", &[0x4000_0000, ONE], ONE),
        ("max.f32 %f9, %f1, %f2;", &[0x4000_0000, ONE], 0x4000_0000),
    ]);
}

#[test]
fn numbers_of_64_bits_are_rounded_once_and_keep_the_smallest() {
    check(&[
        ("add.rn.f64 %g9, %g1, %g2;", &[ONE64, 0x3ca0_0000_0000_0000], ONE64),
        ("add.rn.f64 %g9, %g1, %g2;", &[LEAST, LEAST], 2),
        ("sub.rn.f64 %g9, %g1, %g2;", &[INFINITY64, INFINITY64], NONE64),
        ("mul.rn.f64 %g9, %g1, %g2;", &[0x0010_0000_0000_0000, 0x3fe0_0000_0000_0000], 0x0008_0000_0000_0000),
        (
            "fma.rn.f64 %g9, %g1, %g2, %g3;",
            &[0x3ff0_0000_0400_0000, 0x3ff0_0000_0400_0000, 0xbff0_0000_0000_0000],
            0x3e60_0000_0200_0000,
        ),
        ("div.rn.f64 %g9, %g1, %g2;", &[ONE64, 0x4008_0000_0000_0000], 0x3fd5_5555_5555_5555),
        ("sqrt.rn.f64 %g9, %g1;", &[0x4000_0000_0000_0000], 0x3ff6_a09e_667f_3bcd),
        ("rcp.rn.f64 %g9, %g1;", &[0x4008_0000_0000_0000], 0x3fd5_5555_5555_5555),
        ("neg.f64 %g9, %g1;", &[ONE64], 0xbff0_0000_0000_0000),
        ("abs.f64 %g9, %g1;", &[0xbff0_0000_0000_0000], ONE64),
        ("min.f64 %g9, %g1, %g2;", &[ONE64, 0x4000_0000_0000_0000], ONE64),
        ("max.f64 %g9, %g1, 0d4000000000000000;", &[ONE64], 0x4000_0000_0000_0000),
        ("add.rn.f64 %g9, %g1, 0.5;", &[ONE64], 0x3ff8_0000_0000_0000),
    ]);
}

#[test]
fn a_fused_multiply_add_is_not_a_product_and_a_sum() {
    let inputs = [0x3f80_0800, 0x3f80_0800, 0xbf80_0000];
    let apart = value("mul.rn.f32 %f8, %f1, %f2; add.rn.f32 %f9, %f8, %f3;", &inputs);
    assert_eq!(apart, 0x3a00_0000);
    assert_ne!(apart, value("fma.rn.f32 %f9, %f1, %f2, %f3;", &inputs));
}
