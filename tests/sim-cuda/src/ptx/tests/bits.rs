//! Bits, predicates and choices.

use super::bench::{check, value};

#[test]
fn bits_are_combined_and_moved() {
    check(&[
        ("and.b32 %r9, %r1, %r2;", &[0b1100, 0b1010], 0b1000),
        ("or.b32 %r9, %r1, %r2;", &[0b1100, 0b1010], 0b1110),
        ("xor.b32 %r9, %r1, %r2;", &[0b1100, 0b1010], 0b0110),
        ("not.b32 %r9, %r1;", &[0b1100], 0xffff_fff3),
        ("not.b64 %d9, %d1;", &[1], u64::MAX - 1),
        ("not.b16 %h9, %h1;", &[1], 0xfffe),
        ("cnot.b32 %r9, %r1;", &[0], 1),
        ("cnot.b32 %r9, %r1;", &[4], 0),
        ("and.b64 %d9, %d1, %d2;", &[u64::MAX, 1 << 63], 1 << 63),
        ("or.b16 %h9, %h1, %h2;", &[0x8000, 1], 0x8001),
        ("shl.b32 %r9, %r1, %r2;", &[0x8000_0001, 1], 2),
        ("shl.b32 %r9, %r1, %r2;", &[1, 32], 0),
        ("shl.b32 %r9, %r1, %r2;", &[1, 0xffff_ffff], 0),
        ("shl.b64 %d9, %d1, %r2;", &[1, 63], 1 << 63),
        ("shl.b64 %d9, %d1, 64;", &[1], 0),
        ("shl.b16 %h9, %h1, %r2;", &[0x8001, 1], 2),
        ("shr.u32 %r9, %r1, %r2;", &[0x8000_0000, 31], 1),
        ("shr.b32 %r9, %r1, %r2;", &[0x8000_0000, 32], 0),
        ("shr.s32 %r9, %r1, %r2;", &[0x8000_0000, 31], 0xffff_ffff),
        ("shr.s32 %r9, %r1, %r2;", &[0x8000_0000, 99], 0xffff_ffff),
        ("shr.s32 %r9, %r1, %r2;", &[0x4000_0000, 30], 1),
        ("shr.u64 %d9, %d1, %r2;", &[1 << 63, 63], 1),
        ("shr.s64 %d9, %d1, %r2;", &[1 << 63, 200], u64::MAX),
        ("shr.s16 %h9, %h1, %r2;", &[0x8000, 15], 0xffff),
        ("lop3.b32 %r9, %r1, %r2, %r3, 0x96;", &[0b1111_0000, 0b1100_1100, 0b1010_1010], 0b1001_0110),
        ("lop3.b32 %r9, %r1, %r2, %r3, 0xCA;", &[0b1111_0000, 0b1100_1100, 0b1010_1010], 0b1100_1010),
    ]);
}

#[test]
fn a_funnel_moves_two_words_as_one() {
    check(&[
        ("shf.l.wrap.b32 %r9, %r1, %r2, %r3;", &[0x8000_0001, 0x1, 1], 3),
        ("shf.l.wrap.b32 %r9, %r1, %r2, %r3;", &[0xaaaa_aaaa, 0x5555_5555, 32], 0x5555_5555),
        ("shf.l.clamp.b32 %r9, %r1, %r2, %r3;", &[0xaaaa_aaaa, 0x5555_5555, 32], 0xaaaa_aaaa),
        ("shf.l.clamp.b32 %r9, %r1, %r2, %r3;", &[0xaaaa_aaaa, 0x5555_5555, 77], 0xaaaa_aaaa),
        ("shf.r.wrap.b32 %r9, %r1, %r2, %r3;", &[0x8000_0001, 0x1, 1], 0xc000_0000),
        ("shf.r.wrap.b32 %r9, %r1, %r2, %r3;", &[0xaaaa_aaaa, 0x5555_5555, 33], 0xd555_5555),
        ("shf.r.clamp.b32 %r9, %r1, %r2, %r3;", &[0xaaaa_aaaa, 0x5555_5555, 33], 0x5555_5555),
        // A rotation.
        ("shf.l.wrap.b32 %r9, %r1, %r1, 8;", &[0x1234_5678], 0x3456_7812),
    ]);
}

#[test]
fn fields_counts_and_bytes() {
    check(&[
        ("bfe.u32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 8, 8], 0x12),
        ("bfe.u32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 24, 99], 0xab),
        ("bfe.u32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 40, 8], 0),
        ("bfe.u32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 8, 0], 0),
        ("bfe.s32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 24, 8], 0xffff_ffab),
        ("bfe.s32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 8, 8], 0x12),
        ("bfe.s32 %r9, %r1, %r2, %r3;", &[0xabcd_1234, 40, 8], 0xffff_ffff),
        ("bfe.s32 %r9, %r1, %r2, %r3;", &[0x2bcd_1234, 40, 8], 0),
        ("bfe.u64 %d9, %d1, %r2, %r3;", &[0xabcd_0000_0000_1234, 48, 16], 0xabcd),
        ("bfe.s64 %d9, %d1, %r2, %r3;", &[0xabcd_0000_0000_1234, 48, 99], 0xffff_ffff_ffff_abcd),
        ("bfi.b32 %r9, %r1, %r2, %r3, %r4;", &[0xff, 0x1234_5678, 8, 8], 0x1234_ff78),
        ("bfi.b32 %r9, %r1, %r2, %r3, %r4;", &[0xff, 0x1234_5678, 28, 99], 0xf234_5678),
        ("bfi.b32 %r9, %r1, %r2, %r3, %r4;", &[0xff, 0x1234_5678, 32, 8], 0x1234_5678),
        ("bfi.b32 %r9, %r1, %r2, %r3, %r4;", &[0xff, 0x1234_5678, 8, 0], 0x1234_5678),
        ("bfi.b64 %d9, %d1, %d2, %r3, %r4;", &[0xff, 0, 56, 8], 0xff00_0000_0000_0000),
        ("brev.b32 %r9, %r1;", &[0x8000_0003], 0xc000_0001),
        ("brev.b64 %d9, %d1;", &[1], 1 << 63),
        ("popc.b32 %r9, %r1;", &[0xf0f0_0001], 9),
        ("popc.b64 %r9, %d1;", &[u64::MAX], 64),
        ("clz.b32 %r9, %r1;", &[0], 32),
        ("clz.b32 %r9, %r1;", &[0x0010_0000], 11),
        ("clz.b64 %r9, %d1;", &[0], 64),
        ("clz.b64 %r9, %d1;", &[1 << 40], 23),
        ("prmt.b32 %r9, %r1, %r2, %r3;", &[0x3322_1100, 0x7766_5544, 0x7531], 0x7755_3311),
        ("prmt.b32 %r9, %r1, %r2, %r3;", &[0x3322_1180, 0x7766_5544, 0x0123], 0x8011_2233),
        ("prmt.b32 %r9, %r1, %r2, %r3;", &[0x3322_1180, 0x7766_5544, 0x9888], 0x00ff_ffff),
    ]);
}

#[test]
fn words_are_made_of_parts_and_fall_into_them() {
    check(&[
        ("mov.u32 %r9, %r1;", &[7], 7),
        ("mov.u32 %r9, 0x80000000U;", &[], 0x8000_0000),
        ("mov.s32 %r9, -1;", &[], 0xffff_ffff),
        ("mov.b32 %r9, %f1;", &[0x3f80_0000], 0x3f80_0000),
        ("mov.f32 %f9, 0fBF800000;", &[], 0xbf80_0000),
        ("mov.f64 %g9, 0dBFF0000000000000;", &[], 0xbff0_0000_0000_0000),
        ("mov.f64 %g9, -0.25;", &[], 0xbfd0_0000_0000_0000),
        ("mov.u64 %d9, 017;", &[], 15),
        ("mov.u64 %d9, 0b101;", &[], 5),
        ("mov.b64 %d9, {%r1, %r2};", &[0x1111_1111, 0x2222_2222], 0x2222_2222_1111_1111),
        ("mov.b32 %r9, {%h1, %h2};", &[0x1111, 0x2222], 0x2222_1111),
        ("mov.b64 %d9, {%h1, %h2, %h3, %h4};", &[1, 2, 3, 4], 0x0004_0003_0002_0001),
        ("mov.b64 {%r9, %r8}, %d1;", &[0x2222_2222_1111_1111], 0x1111_1111),
        ("mov.b64 {%r8, %r9}, %d1;", &[0x2222_2222_1111_1111], 0x1111_1111 * 2),
        ("mov.b32 {%h8, %h9}, %r1; mov.b16 %h9, %h9;", &[0x2222_1111], 0x2222),
    ]);
}

#[test]
fn relations_hold_or_not() {
    for (relation, kind, register, a, b, holds) in [
        ("eq", "b32", 'r', 5, 5, true),
        ("ne", "b64", 'd', 5, 5, false),
        ("eq", "b16", 'h', 0xffff, 0x1_ffff, true),
        ("lt", "u32", 'r', 1, 0xffff_ffff, true),
        ("lt", "s32", 'r', 1, 0xffff_ffff, false),
        ("lo", "u32", 'r', 1, 2, true),
        ("ls", "u32", 'r', 2, 2, true),
        ("hi", "u32", 'r', 2, 2, false),
        ("hs", "u32", 'r', 2, 2, true),
        ("le", "s64", 'd', u64::MAX, 0, true),
        ("gt", "u64", 'd', u64::MAX, 0, true),
        ("ge", "s16", 'h', 0xffff, 0, false),
        ("gt", "s32", 'r', 5, 0xffff_fff0, true),
        ("eq", "f32", 'f', 0, 0x8000_0000, true),
        ("ne", "f32", 'f', 0x7fc0_0000, 0, false),
        ("neu", "f32", 'f', 0x7fc0_0000, 0, true),
        ("equ", "f32", 'f', 0x7fc0_0000, 0, true),
        ("lt", "f32", 'f', 0xbf80_0000, 0, true),
        ("lt", "f32", 'f', 0x7fc0_0000, 0, false),
        ("ltu", "f32", 'f', 0x7fc0_0000, 0, true),
        ("leu", "f32", 'f', 0, 0, true),
        ("gtu", "f32", 'f', 0, 0, false),
        ("geu", "f64", 'g', 0, 0, true),
        ("gt", "f64", 'g', 0x3ff0_0000_0000_0000, 0, true),
        ("le", "f64", 'g', 0x3ff0_0000_0000_0000, 0, false),
        ("ge", "f64", 'g', 0x3ff0_0000_0000_0000, 0, true),
        ("num", "f32", 'f', 0x7fc0_0000, 0, false),
        ("nan", "f32", 'f', 0x7fc0_0000, 0, true),
    ] {
        let text = format!("setp.{relation}.{kind} %p9, %{register}1, %{register}2;");
        assert_eq!(value(&text, &[a, b]), u64::from(holds), "{text} {a:#x} {b:#x}");
    }
}

#[test]
fn predicates_are_combined_and_choose() {
    let with = |text: &str| value(&format!("setp.eq.u32 %p1, %r1, 1; setp.eq.u32 %p2, %r2, 1; {text}"), &[1, 0]);
    for (text, expected) in [
        ("and.pred %p9, %p1, %p2;", 0),
        ("or.pred %p9, %p1, %p2;", 1),
        ("xor.pred %p9, %p1, %p1;", 0),
        ("not.pred %p9, %p2;", 1),
        ("mov.pred %p9, %p1;", 1),
        ("and.pred %p9, %p1, !%p2;", 1),
        ("setp.ne.and.u32 %p9, %r1, 0, %p2;", 0),
        ("setp.ne.and.u32 %p9, %r1, 0, !%p2;", 1),
        ("setp.eq.or.u32 %p9, %r1, 0, %p1;", 1),
        ("setp.eq.xor.u32 %p9, %r1, 1, %p1;", 0),
    ] {
        assert_eq!(with(text), expected, "{text}");
    }
    check(&[
        ("setp.gt.s32 %p1, %r1, 0; selp.b32 %r9, %r2, %r3, %p1;", &[1, 7, 8], 7),
        ("setp.gt.s32 %p1, %r1, 0; selp.b32 %r9, %r2, %r3, %p1;", &[0, 7, 8], 8),
        ("setp.gt.s32 %p1, %r1, 0; selp.f32 %f9, %f2, 0f3F800000, !%p1;", &[1, 7, 8], 0x3f80_0000),
        ("setp.gt.s32 %p1, %r1, 0; selp.u64 %d9, %d2, %d3, %p1;", &[1, 1 << 40, 8], 1 << 40),
    ]);
}
