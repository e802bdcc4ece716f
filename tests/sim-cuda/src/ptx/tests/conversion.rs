//! From one type to another.

use super::bench::check;

#[test]
fn whole_numbers_are_cut_and_filled() {
    check(&[
        ("cvt.u64.u32 %d9, %r1;", &[0xffff_ffff], 0xffff_ffff),
        ("cvt.s64.s32 %d9, %r1;", &[0xffff_ffff], u64::MAX),
        ("cvt.u64.s32 %d9, %r1;", &[0xffff_ffff], u64::MAX),
        ("cvt.u32.u64 %r9, %d1;", &[0x1_2345_6789], 0x2345_6789),
        ("cvt.u16.u32 %h9, %r1;", &[0x1_2345], 0x2345),
        ("cvt.u32.u16 %r9, %h1;", &[0xffff], 0xffff),
        ("cvt.s32.s16 %r9, %h1;", &[0xffff], 0xffff_ffff),
        ("cvt.u32.u8 %r9, %r1;", &[0x1234], 0x34),
        ("cvt.s32.s8 %r9, %r1;", &[0x12f4], 0xffff_fff4),
        // A narrow result in a wide register is filled up with its sign.
        ("cvt.s8.s32 %r9, %r1;", &[0x12f4], 0xffff_fff4),
        ("cvt.u8.u32 %r9, %r1;", &[0x12f4], 0xf4),
        ("cvt.u64.u32 %d9, %laneid; mov.u64 %d9, 3;", &[], 3),
    ]);
}

#[test]
fn whole_numbers_become_the_nearest_fractions() {
    check(&[
        ("cvt.rn.f32.u32 %f9, %r1;", &[0xffff_ffff], 0x4f80_0000),
        ("cvt.rn.f32.s32 %f9, %r1;", &[0xffff_ffff], 0xbf80_0000),
        ("cvt.rn.f32.u32 %f9, %r1;", &[0x0100_0001], 0x4b80_0000),
        ("cvt.rn.f32.u32 %f9, %r1;", &[0x0100_0003], 0x4b80_0002),
        // Through 64 bits it would be rounded twice.
        ("cvt.rn.f32.u64 %f9, %d1;", &[0x8000_0080_0000_0001], 0x5f00_0001),
        ("cvt.rn.f32.s64 %f9, %d1;", &[u64::MAX], 0xbf80_0000),
        ("cvt.rn.f64.u64 %g9, %d1;", &[u64::MAX], 0x43f0_0000_0000_0000),
        ("cvt.rn.f64.s64 %g9, %d1;", &[u64::MAX], 0xbff0_0000_0000_0000),
        ("cvt.rn.f64.u32 %g9, %r1;", &[3], 0x4008_0000_0000_0000),
        ("cvt.rn.f64.s32 %g9, %r1;", &[0xffff_fffd], 0xc008_0000_0000_0000),
        ("cvt.rn.f32.u16 %f9, %h1;", &[0xffff], 0x477f_ff00),
        ("cvt.rn.f32.s16 %f9, %h1;", &[0xffff], 0xbf80_0000),
        ("cvt.rn.f32.u8 %f9, %r1;", &[0x1ff], 0x437f_0000),
        ("cvt.rn.f16.u32 %h9, %r1;", &[2049], 0x6800),
        ("cvt.rn.f16.s32 %h9, %r1;", &[0xffff_ffff], 0xbc00),
        ("cvt.rn.f16.u32 %h9, %r1;", &[65_519], 0x7bff),
        ("cvt.rn.f16.u32 %h9, %r1;", &[65_520], 0x7c00),
    ]);
}

#[test]
fn fractions_become_whole_in_four_directions_and_stop_at_the_ends() {
    check(&[
        ("cvt.rzi.u32.f32 %r9, %f1;", &[0x3fff_ffff], 1),
        ("cvt.rzi.s32.f32 %r9, %f1;", &[0xbfff_ffff], 0xffff_ffff),
        ("cvt.rni.s32.f32 %r9, %f1;", &[0x4020_0000], 2),
        ("cvt.rni.s32.f32 %r9, %f1;", &[0x4060_0000], 4),
        ("cvt.rmi.s32.f32 %r9, %f1;", &[0xbf00_0000], 0xffff_ffff),
        ("cvt.rpi.s32.f32 %r9, %f1;", &[0x3f00_0000], 1),
        ("cvt.rzi.u32.f32 %r9, %f1;", &[0xbf80_0000], 0),
        ("cvt.rzi.u32.f32 %r9, %f1;", &[0x4f80_0000], 0xffff_ffff),
        ("cvt.rzi.s32.f32 %r9, %f1;", &[0x4f00_0000], 0x7fff_ffff),
        ("cvt.rzi.s32.f32 %r9, %f1;", &[0xff80_0000], 0x8000_0000),
        ("cvt.rzi.s32.f32 %r9, %f1;", &[0x7fc0_0000], 0),
        ("cvt.rzi.s64.f32 %d9, %f1;", &[0x7fc0_0000], 1 << 63),
        ("cvt.rzi.u64.f32 %d9, %f1;", &[0x5f80_0000], u64::MAX),
        ("cvt.rzi.s64.f64 %d9, %g1;", &[0xc008_0000_0000_0000], (-3_i64).cast_unsigned()),
        ("cvt.rzi.u32.f64 %r9, %g1;", &[0x7ff8_0000_0000_0000], 0x8000_0000),
        ("cvt.rzi.s32.f64 %r9, %g1;", &[0x41e0_0000_0000_0000], 0x7fff_ffff),
        ("cvt.rzi.s16.f32 %h9, %f1;", &[0x4780_0000], 0x7fff),
        ("cvt.rzi.s16.f32 %r9, %f1;", &[0xbf80_0000], 0xffff_ffff),
        ("cvt.rzi.u8.f32 %r9, %f1;", &[0x4780_0000], 0xff),
        ("cvt.rzi.s32.f16 %r9, %h1;", &[0xc200], 0xffff_fffd),
    ]);
}

#[test]
fn fractions_change_their_width() {
    check(&[
        ("cvt.f64.f32 %g9, %f1;", &[1], 0x36a0_0000_0000_0000),
        ("cvt.f64.f32 %g9, %f1;", &[0x7fff_ffff], 0xfff8_0000_0000_0000),
        ("cvt.rn.f32.f64 %f9, %g1;", &[0x3ff0_0000_1000_0000], 0x3f80_0000),
        ("cvt.rn.f32.f64 %f9, %g1;", &[0x3ff0_0000_1000_0001], 0x3f80_0001),
        ("cvt.rn.f32.f64 %f9, %g1;", &[0x36a0_0000_0000_0000], 1),
        ("cvt.rn.f32.f64 %f9, %g1;", &[0x7fe0_0000_0000_0000], 0x7f80_0000),
        ("cvt.rn.f32.f64 %f9, %g1;", &[0x7ff8_0000_0000_0000], 0x7fff_ffff),
        ("cvt.f32.f16 %f9, %h1;", &[1], 0x3380_0000),
        ("cvt.f32.f16 %f9, %h1;", &[0x7bff], 0x477f_e000),
        ("cvt.f64.f16 %g9, %h1;", &[0x3c00], 0x3ff0_0000_0000_0000),
        ("cvt.rn.f16.f32 %h9, %f1;", &[0x3f80_1000], 0x3c00),
        ("cvt.rn.f16.f32 %h9, %f1;", &[0x3f80_3000], 0x3c02),
        ("cvt.rn.f16.f32 %h9, %f1;", &[0x477f_efff], 0x7bff),
        ("cvt.rn.f16.f32 %h9, %f1;", &[0x477f_f000], 0x7c00),
        ("cvt.rn.f16.f32 %h9, %f1;", &[0x3380_0000], 1),
        ("cvt.rn.f16.f32 %h9, %f1;", &[0x7fc0_0000], 0x7fff),
        ("cvt.rni.f32.f32 %f9, %f1;", &[0x4020_0000], 0x4000_0000),
        ("cvt.rzi.f32.f32 %f9, %f1;", &[0xc02c_cccd], 0xc000_0000),
        ("cvt.rmi.f64.f64 %g9, %g1;", &[0xbfe0_0000_0000_0000], 0xbff0_0000_0000_0000),
        ("cvt.rpi.f64.f64 %g9, %g1;", &[0x3fe0_0000_0000_0000], 0x3ff0_0000_0000_0000),
    ]);
}
