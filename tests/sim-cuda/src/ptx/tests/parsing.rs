//! What is no program, and what is said about it.

use proptest::prelude::*;

use super::bench::text;
use crate::ptx::Program;

fn refusal(text: &str) -> String {
    Program::parse(text).expect_err(text).to_string()
}

/// The refusal of a body whose first line is line 8 of its text.
fn of_body(body: &str) -> String {
    refusal(&text(body))
}

const HEAD: &str = ".version 6.0 .target sm_50\n";

#[test]
fn a_text_without_its_head() {
    for (text, reason) in [
        ("", "line 1: a text of PTX begins with .version, found the end"),
        ("\n\n.target sm_50", "line 3: a text of PTX begins with .version, found \".target\""),
        (".version six", "line 1: not a version of PTX: six"),
        (".version 6.0\n.entry k", "line 2: after .version comes .target, found \".entry\""),
        (".version 6.0\n.target gfx90a", "line 2: not a target that is simulated: gfx90a"),
        (".version 6.0 .target sm_50 .address_size 32", "line 1: addresses have 64 bits here"),
        (".version 6.0 .target sm_50\n.global .u32 x;", "line 2: not simulated outside a kernel: .global"),
        (".version 6.0 .target sm_50\n.func f", "line 2: not simulated outside a kernel: .func"),
    ] {
        assert_eq!(refusal(text), reason);
    }
    let program = Program::parse(".version 8.10 .target sm_90").unwrap();
    assert_eq!((program.version(), program.target()), ((8, 10), 90));
}

#[test]
fn a_kernel_that_is_not_whole() {
    for (text, reason) in [
        (".entry (", "line 2: a kernel needs a name, found \"(\""),
        (".entry k(.param .u32 a .param", "line 2: expected \",\", found \".param\""),
        (".entry k(.reg .u32 a)", "line 2: a parameter begins with .param, found \".reg\""),
        (".entry k(.param .u7 a)", "line 2: not a type: .u7"),
        (".entry k(.param .align 3 .b8 a[4])", "line 2: an alignment is a power of two up to 128"),
        (".entry k(.param .b8 a[99999999])", "line 2: an array of more than 1 MiB"),
        (".entry k()\n.reqntid 32 {", "line 3: expected \"{\", found \".reqntid\""),
        (".entry k()\n.maxntid x {", "line 3: expected a number, found \"x\""),
        (".entry k() {\n.reg .b32 %r<4>;\nadd.u32 %r1,", "line 4: expected an operand, found the end"),
        (".entry k() {\nret", "line 3: expected an operand, found the end"),
        (".entry k() { ret; }\n.entry k() { ret; }", "line 3: a second kernel of this name: k"),
        (".entry k() { /* no end", "line 2: a comment without its end"),
        (".entry k() { .pragma \"x", "line 2: a quotation without its end"),
        (".entry k() { # }", "line 2: not a character of PTX: '#'"),
        (".entry k() { \u{e9} }", "line 2: not a character of PTX: '\u{e9}'"),
    ] {
        assert_eq!(refusal(&format!("{HEAD}{text}")), reason);
    }
}

#[test]
fn instructions_that_are_none_are_told_with_their_line() {
    for (body, reason) in [
        ("frobnicate.u32 %r1,\n   %r2;", "line 8: not an instruction that is simulated: frobnicate.u32 %r1, %r2;"),
        (
            "ret;\n\n@!%p1 ex2.approx.f32 %f1, %f2;",
            "line 10: not an instruction that is simulated: @!%p1 ex2.approx.f32 %f1, %f2;",
        ),
        ("add.ftz.f32 %f1, %f2, %f3;", "line 8: not an instruction that is simulated: add.ftz.f32 %f1, %f2, %f3;"),
        (
            "div.approx.f32 %f1, %f2, %f3;",
            "line 8: not an instruction that is simulated: div.approx.f32 %f1, %f2, %f3;",
        ),
        ("fma.f32 %f1, %f2, %f3, %f4;", "line 8: not an instruction that is simulated: fma.f32 %f1, %f2, %f3, %f4;"),
        ("shl.u32 %r1, %r2, 1;", "line 8: not an instruction that is simulated: shl.u32 %r1, %r2, 1;"),
        ("ld.u32 %r1, [%d0];", "line 8: not an instruction that is simulated: ld.u32 %r1, [%d0];"),
        ("st.param.u32 [memory], %r1;", "line 8: not an instruction that is simulated: st.param.u32 [memory], %r1;"),
        (
            "red.global.cas.b32 [%d0], %r1;",
            "line 8: not an instruction that is simulated: red.global.cas.b32 [%d0], %r1;",
        ),
        ("cvt.f32.u32 %f1, %r1;", "line 8: not an instruction that is simulated: cvt.f32.u32 %f1, %r1;"),
        ("cvt.f32.f64 %f1, %g1;", "line 8: not an instruction that is simulated: cvt.f32.f64 %f1, %g1;"),
        ("bar.arrive 0, 64;", "line 8: not an instruction that is simulated: bar.arrive 0, 64;"),
        ("setp.lo.s32 %p1, %r1, %r2;", "line 8: not an instruction that is simulated: setp.lo.s32 %p1, %r1, %r2;"),
        (
            "ld.global.v4.u64 {%d1,%d2,%d3,%d4}, [%d0];",
            "line 8: not an instruction that is simulated: ld.global.v4.u64 {%d1,%d2,%d3,%d4}, [%d0];",
        ),
    ] {
        assert_eq!(of_body(body), reason);
    }
}

#[test]
fn operands_that_do_not_fit_are_named() {
    for (body, reason) in [
        ("add.u32 %r1, %r2, %x;", "not declared: %x: add.u32 %r1, %r2, %x;"),
        ("add.u32 %r1, %r2, %r40;", "not declared: %r40: add.u32 %r1, %r2, %r40;"),
        ("add.u32 %r1, %r2, %r01;", "not declared: %r01: add.u32 %r1, %r2, %r01;"),
        ("add.u32 %r1, %r2, %d1;", "%d1 has 64 bits and not 32: add.u32 %r1, %r2, %d1;"),
        ("add.u64 %r1, %d2, %d1;", "%r1 has 32 bits and not 64: add.u64 %r1, %d2, %d1;"),
        (".reg .u32 u; add.f32 %f1, %f2, u;", "u is of another type: add.f32 %f1, %f2, u;"),
        ("add.u32 %f1, %r2, 1;", "%f1 is of another type: add.u32 %f1, %r2, 1;"),
        ("add.u32 %p1, %r2, 1;", "%p1 is a predicate: add.u32 %p1, %r2, 1;"),
        ("@%r1 bra L; L:", "not a predicate: %r1: @%r1 bra L;"),
        ("selp.u32 %r1, 1, 2, %r3;", "not a predicate: %r3: selp.u32 %r1, 1, 2, %r3;"),
        ("add.u32 %r1, %r2;", "takes 3 operands and not 2: add.u32 %r1, %r2;"),
        ("add.u32 7, %r1, %r2;", "the first operand is no register: add.u32 7, %r1, %r2;"),
        ("add.u32 %r1, [%d0], %r2;", "expected a register or a number: add.u32 %r1, [%d0], %r2;"),
        ("add.u32 %r1, %r2, 4294967296;", "not a number of this type: add.u32 %r1, %r2, 4294967296;"),
        ("add.f32 %f1, %f2, 1;", "not a number of this type: add.f32 %f1, %f2, 1;"),
        ("add.u32 %r1, %r2, 0f3F800000;", "not a number of this type: add.u32 %r1, %r2, 0f3F800000;"),
        ("mov.u32 %r1, %clock64;", "%clock64 has 64 bits and not 32: mov.u32 %r1, %clock64;"),
        ("mov.u64 %d1, %tid.x;", "%tid.x has 32 bits and not 64: mov.u64 %d1, %tid.x;"),
        ("mov.b64 %d1, {%r1};", "no such parts: mov.b64 %d1, {%r1};"),
        ("ld.global.u32 %h1, [%d0];", "%h1 has 16 bits and not 32: ld.global.u32 %h1, [%d0];"),
        ("ld.global.u32 %r1, [%r2];", "%r2 has 32 bits and an address 64: ld.global.u32 %r1, [%r2];"),
        ("ld.global.v2.u32 {%r1,%r1}, [%d0];", "written twice: %r1: ld.global.v2.u32 {%r1,%r1}, [%d0];"),
        ("ld.global.v2.u32 %r1, [%d0];", "moves 2 registers: ld.global.v2.u32 %r1, [%d0];"),
        ("ld.global.u32 {%r1,%r2}, [%d0];", "moves 1 register: ld.global.u32 {%r1,%r2}, [%d0];"),
        ("ld.param.u32 %r1, [other];", "not a parameter: other: ld.param.u32 %r1, [other];"),
        ("ld.param.u32 %r1, [memory+8];", "outside the parameter: memory: ld.param.u32 %r1, [memory+8];"),
        ("ld.param.u32 %r1, [memory+2];", "not aligned: memory: ld.param.u32 %r1, [memory+2];"),
        (".shared .u32 s; ld.global.u32 %r1, [s];", "in memory of the block: s: ld.global.u32 %r1, [s];"),
        ("atom.global.add.u32 [%d0], 1;", "takes 3 operands and not 2: atom.global.add.u32 [%d0], 1;"),
        ("bra %r1, %r2;", "expected a label: bra %r1, %r2;"),
        ("bar.sync 16;", "expected the number of a barrier, 0 to 15, and no count of threads: bar.sync 16;"),
        ("lop3.b32 %r1, %r2, %r3, %r4, 256;", "expected a table of 8 bits: lop3.b32 %r1, %r2, %r3, %r4, 256;"),
        (
            "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1}, {%r1}, {%r2}, {%f1};",
            "expected 4 registers in braces: mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1}, {%r1}, {%r2}, {%f1};",
        ),
    ] {
        assert_eq!(of_body(body), format!("line 8: {reason}"));
    }
}

#[test]
fn names_that_stand_for_nothing_or_for_two_things() {
    for (body, reason) in [
        ("\nbra NOWHERE;", "line 9: no label of this name: NOWHERE"),
        ("L: ret;\nL: ret;", "line 9: a second label of this name: L"),
        (".reg .b32 x;\n.reg .b64 x;", "line 9: declared twice: x"),
        (".reg .b32 %r<5>;", "line 8: declared twice: %r"),
        (".shared .u32 s;\n.shared .u32 s;", "line 9: declared twice: s"),
        (".shared .b8 s[40000];\n.shared .b8 t[40000];", "line 9: more than 49152 bytes of memory of the block: t"),
        (".reg .b32 %r<x>;", "line 8: expected a number, found \"x\""),
        ("mov.u32 %r1, 0x;", "line 8: not a number: 0x"),
        ("mov.u32 %r1, 08;", "line 8: not a number: 08"),
        ("mov.f32 %f1, 0f3F80;", "line 8: not a number: 0f3F80"),
        ("ld.global.u32 %r1, [%d0+1.5];", "line 8: expected a whole number"),
        ("ld.global.u32 %r1, [%d0-4];", "line 8: expected \"]\", found \"-\""),
        ("ld.global.u32 %r1, [16];", "line 8: expected an address, found \"16\""),
    ] {
        assert_eq!(of_body(body), reason);
    }
}

#[test]
fn a_kernel_may_say_how_many_threads_a_block_has_at_most() {
    let most = |text: &str| {
        let program = Program::parse(&format!("{HEAD}.entry k() {text} {{ ret; }}")).unwrap();
        program.entry("k").unwrap().max_threads
    };
    assert_eq!([most(""), most(".maxntid 128"), most(".maxntid 16, 8, 4")], [None, Some(128), Some(512)]);
}

#[test]
fn instructions_need_a_language_and_devices_that_have_them() {
    let head = |version: &str, target: u32, body: &str| {
        let text = text(body).replace(".version 6.5", version).replace("sm_75", &format!("sm_{target}"));
        Program::parse(&text).map(|_| ()).map_err(|error| error.reason)
    };
    let mma =
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2}, {%r3}, {%f1,%f2,%f3,%f4};";
    let add = "red.global.add.f64 [%d0], %g1;";
    for (version, target, body, needs) in [
        (".version 6.5", 75, mma, None),
        (".version 6.4", 75, mma, Some(".version 6.5 and .target sm_75")),
        (".version 6.5", 70, mma, Some(".version 6.5 and .target sm_75")),
        (".version 5.0", 60, add, None),
        (".version 6.5", 50, add, Some(".version 5.0 and .target sm_60")),
    ] {
        let expected = needs.map_or(Ok(()), |needs| Err(format!("needs {needs}: {body}")));
        assert_eq!(head(version, target, body), expected);
    }
    let deep = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32";
    assert!(of_body(&format!("{deep} %r1;")).starts_with("line 8: needs .version 7.0 and .target sm_80: mma"));
}

#[test]
fn names_hold_within_their_braces() {
    let inner = "{ .reg .b64 %r1; mov.u64 %r1, 5; st.global.u64 [%d0], %r1; }";
    assert!(Program::parse(&text(&format!("mov.u32 %r1, 3; {inner} mov.u32 %r2, %r1;"))).is_ok());
    assert_eq!(of_body("{ .reg .b32 x; }\nmov.u32 x, 1;"), "line 9: not declared: x: mov.u32 x, 1;");
}

#[test]
fn what_changes_no_answer_is_passed_over() {
    let body = "/* a comment\n over lines */ .pragma \"nounroll\"; // another\n ret;";
    assert!(Program::parse(&text(body)).is_ok());
}

#[test]
fn a_kernel_has_a_limit_of_registers() {
    let uses: String = (0..5000).map(|number| format!("mov.u32 %x{number}, 1;\n")).collect();
    let refused = of_body(&format!(".reg .b32 %x<5000>;\n{uses}"));
    assert!(refused.contains(": more than 4096 registers: mov.u32 %x"), "{refused}");
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let _ = Program::parse(&text);
        let _ = Program::parse(&format!("{HEAD}.entry k() {{ {text} }}"));
    }

    #[test]
    fn no_order_of_words_is_too_strange(words in proptest::collection::vec(word(), 0..40)) {
        let _ = Program::parse(&super::bench::text(&words.join(" ")));
        let _ = Program::parse(&format!("{HEAD}{}", words.join(" ")));
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "add.u32",
        "mov.b64",
        "ld.global.v4.u32",
        "st.shared.u8",
        "atom.global.cas.b32",
        "red.global.add.f32",
        "bra",
        "bar.sync",
        "setp.lt.and.u32",
        "selp.b32",
        "cvt.rn.f32.u64",
        "cvt.s8.s64",
        "mma.sync",
        "shf.l.wrap.b32",
        "lop3.b32",
        "bfi.b64",
        "%r1",
        "%d1",
        "%p1",
        "%f1",
        "%h1",
        "%tid.x",
        "%clock",
        "memory",
        "L",
        "L:",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        ",",
        ";",
        ":",
        "@",
        "!",
        "+",
        "-",
        "0",
        "99999999999999999999",
        "0x",
        "0f00000000",
        "1.5e+9",
        ".reg",
        ".b32",
        ".pred",
        ".shared",
        ".align",
        "128",
        ".entry",
        ".param",
        ".u64",
        ".visible",
        ".version",
        ".pragma",
        "\"\"",
        "/*",
        "*/",
        "//",
        "\n",
    ])
}
