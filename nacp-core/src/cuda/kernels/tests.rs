//! The text keeps to its rules, and what a launch hands over is what the text takes.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::cuda::Memory;
use crate::error::ErrorKind;

const OUT: Memory = Memory { address: 0x1_0000, bytes: 0x1_0000 };
const SMS: Memory = Memory { address: 0x2_0000, bytes: 0x1_0000 };

/// The parameters of each entry of an image, in order: type and name.
fn parameters(image: Image) -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let entries = image.ptx().split(".visible .entry ").skip(1);
    entries
        .map(|entry| {
            let (name, rest) = entry.split_once('(').unwrap();
            let (list, _) = rest.split_once(')').unwrap();
            let each = list.split(',').map(str::trim).filter(|parameter| !parameter.is_empty());
            let each = each.map(|parameter| {
                let words: Vec<&str> = parameter.split_whitespace().collect();
                assert_eq!((words.len(), words[0]), (3, ".param"), "{parameter}");
                (words[1], words[2].strip_prefix("p_").unwrap())
            });
            (name, each.collect())
        })
        .collect()
}

/// The text of an entry, without comments.
fn body(kernel: Kernel) -> String {
    let text = kernel.image().ptx();
    let from = text.find(&format!(".entry {}(", kernel.symbol())).unwrap();
    let body = &text[from..];
    let body = &body[..body.find("\n}").unwrap()];
    body.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The instructions of an entry: without predicate and operands.
fn instructions(kernel: Kernel) -> Vec<String> {
    let body = body(kernel);
    let (_, code) = body.split_once('{').unwrap();
    let lines = code.lines().map(str::trim).filter(|line| line.ends_with(';') && !line.starts_with('.'));
    lines
        .map(|line| {
            let line = line.strip_prefix('@').map_or(line, |line| line.split_once(' ').unwrap().1);
            line.split([' ', ';']).next().unwrap().to_owned()
        })
        .collect()
}

/// One launch of each kernel, and what its parameters are called.
fn launches() -> Vec<(Launch, &'static str)> {
    let modulo = Pattern::Modulo20 { offset: 3, here: 1, elsewhere: 2 };
    let lanes = |kernel| Launch::lanes(kernel, OUT, SMS, 100, 7, 5, 64).unwrap();
    vec![
        (lanes(Kernel::Hash), "out sms lanes=100 steps=7 seed=5"),
        (lanes(Kernel::Fma), "out sms lanes=100 steps=7 seed=5"),
        (lanes(Kernel::Ieee), "out sms lanes=100 steps=7 seed=5"),
        (Launch::reduce(OUT, SMS, 6, 5).unwrap(), "out sms chunks=6 seed=5"),
        (Launch::rows(OUT, SMS, 9, 6, 5, 2).unwrap(), "out sms first=9 rows=6 seed=5"),
        (Launch::atomics(OUT, 100, 5).unwrap(), "out values=100 seed=5"),
        (Launch::pattern_write(OUT, 10, modulo, 2).unwrap(), "memory=out words=10 kind=2 first=1 second=2 offset=3"),
        (
            Launch::pattern_check(OUT, 10, modulo, true, SMS, 2).unwrap(),
            "memory=out errors=sms words=10 kind=2 first=1 second=2 offset=3 invert=1",
        ),
        (Launch::copy(OUT, SMS, 64, 2).unwrap(), "to=out from=sms quads=4"),
        (Launch::empty(), ""),
        (Launch::fma_rate(OUT, 100, 7, 5, 64).unwrap(), "out lanes=100 steps=7 seed=5"),
        (Launch::mma(OUT, SMS, 8, 7, 5).unwrap(), "out sms warps=8 steps=7 seed=5"),
        (Launch::mma_rate(OUT, 8, 7, 5).unwrap(), "out warps=8 steps=7 seed=5"),
    ]
}

#[test]
fn the_text_has_the_entries_in_their_order() {
    let entries: Vec<&str> = Image::ALL.into_iter().flat_map(parameters).map(|(name, _)| name).collect();
    assert_eq!(entries, Kernel::ALL.map(Kernel::symbol));
    for kernel in Kernel::ALL {
        assert!(parameters(kernel.image()).iter().any(|(name, _)| *name == kernel.symbol()), "{kernel:?}");
    }
}

#[test]
fn a_launch_hands_over_what_the_text_takes() {
    let taken: BTreeMap<_, _> = Image::ALL.into_iter().flat_map(parameters).collect();
    let launches = launches();
    assert_eq!(launches.iter().map(|(launch, _)| launch.kernel()).collect::<Vec<_>>(), Kernel::ALL);
    for (launch, names) in launches {
        let given = names.split_whitespace().zip(launch.arguments()).map(|(name, argument)| {
            let (name, value) = name.split_once('=').unwrap_or((name, name));
            match argument {
                Argument::Memory(memory) => {
                    assert_eq!(*memory, if value == "out" { OUT } else { SMS }, "{name}");
                    (".u64", name)
                }
                Argument::U32(number) => {
                    assert_eq!(number.to_string(), value, "{name}");
                    (".u32", name)
                }
                Argument::U64(number) => {
                    assert_eq!(number.to_string(), value, "{name}");
                    (".u64", name)
                }
            }
        });
        assert_eq!(given.collect::<Vec<_>>(), taken[launch.kernel().symbol()], "{:?}", launch.kernel());
        assert_eq!(names.split_whitespace().count(), launch.arguments().len());
    }
}

#[test]
fn a_block_is_as_large_as_the_text_allows() {
    for (launch, _) in launches() {
        let body = body(launch.kernel());
        let most = body.lines().find_map(|line| line.strip_prefix(".maxntid ")?.split(',').next()?.parse().ok());
        match launch.kernel() {
            Kernel::Hash | Kernel::Fma | Kernel::Ieee | Kernel::FmaRate => assert_eq!(most, Some(1024)),
            Kernel::Atomics | Kernel::Empty => assert_eq!(most, None),
            kernel => assert_eq!(most, Some(launch.block()), "{kernel:?}"),
        }
    }
}

#[test]
fn images_say_what_they_are_written_for() {
    for image in Image::ALL {
        let (isa, target) = (image.isa(), image.target());
        assert!(image.ptx().contains(&format!("\n.version {}.{}\n", isa.major, isa.minor)));
        assert!(image.ptx().contains(&format!("\n.target sm_{}{}\n", target.major, target.minor)));
        assert!(image.ptx().contains("\n.address_size 64\n"));
        assert!(image.ptx().is_ascii());
    }
}

#[test]
fn the_text_keeps_to_its_instructions() {
    let used: BTreeSet<String> = Kernel::ALL.into_iter().flat_map(instructions).collect();
    let listed = "
        add.u32 sub.u32 mul.lo.u32 mul.hi.u32 mad.lo.u32 min.u32 mul.wide.u32
        add.u64 sub.u64 mad.lo.u64 mul.hi.u64 rem.u64
        and.b32 xor.b32 not.b32 shl.b32 and.b64 xor.b64 shl.b64 shr.u32 shr.u64
        popc.b32 clz.b32 brev.b32 bfe.u32 prmt.b32 shf.l.wrap.b32 shf.r.wrap.b32
        add.rn.f32 sub.rn.f32 mul.rn.f32 fma.rn.f32 div.rn.f32 sqrt.rn.f32 rcp.rn.f32
        add.rn.f64 sub.rn.f64 mul.rn.f64 fma.rn.f64 div.rn.f64 sqrt.rn.f64 rcp.rn.f64
        cvt.rn.f32.f64 cvt.f64.f32 cvt.rn.f32.u32 cvt.rn.f32.s32 cvt.rn.f64.u64 cvt.rni.s32.f32 cvt.u32.u64 cvt.u64.u32
        mov.u32 mov.b32 mov.b64 selp.b32
        setp.eq.u32 setp.ne.u32 setp.ge.u32 setp.lt.u32 setp.ge.u64 setp.lt.u64 bra ret bar.sync
        ld.param.u32 ld.param.u64 cvta.to.global.u64
        ld.global.u32 st.global.u32 ld.global.v4.u32 st.global.v4.u32 st.global.v2.u32
        ld.shared.u32 st.shared.u32 ld.shared.u64 st.shared.u64
        atom.global.add.f32 atom.global.add.u64 atom.global.min.u64 atom.global.or.b32
        mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32";
    let listed: BTreeSet<String> = listed.split_whitespace().map(str::to_owned).collect();
    assert_eq!(used, listed);
}

#[test]
fn numbers_are_rounded_as_ieee_asks_and_only_the_counterexample_adds_by_atomics() {
    for kernel in Kernel::ALL {
        for instruction in instructions(kernel) {
            assert!(!instruction.contains(".ftz") && !instruction.contains(".approx"), "{kernel:?}: {instruction}");
            let mut parts = instruction.split('.');
            let (name, float) = (parts.next().unwrap(), parts.any(|part| part == "f32" || part == "f64"));
            if float && ["add", "sub", "mul", "fma", "mad", "div", "sqrt", "rcp"].contains(&name) {
                assert!(instruction.contains(".rn."), "{kernel:?}: {instruction}");
            }
            if float && name == "atom" {
                assert_eq!(kernel, Kernel::Atomics);
            }
        }
    }
}

#[test]
fn the_operations_of_a_step_are_those_of_the_text() {
    let count = |kernel: Kernel| -> u64 {
        let weight = |instruction: &String| match instruction.split('.').next().unwrap() {
            "fma" => 2,
            "add" | "sub" | "mul" | "div" | "sqrt" | "rcp" => 1,
            _ => 0,
        };
        let floats = |instruction: &String| instruction.ends_with(".f32") || instruction.ends_with(".f64");
        instructions(kernel).iter().filter(|it| floats(it)).map(weight).sum()
    };
    let lanes = |kernel, steps| Launch::lanes(kernel, OUT, SMS, 1, steps, 5, 32).unwrap().flops();
    assert_eq!(lanes(Kernel::Fma, 1), count(Kernel::Fma));
    assert_eq!(lanes(Kernel::Ieee, 1), count(Kernel::Ieee));
    assert_eq!(lanes(Kernel::Ieee, 65), 65 * 20 + 2 * 17);
    // Eight steps and one stand in the text.
    assert_eq!(Launch::fma_rate(OUT, 1, 9, 5, 32).unwrap().flops(), count(Kernel::FmaRate));
    assert_eq!(lanes(Kernel::Hash, 1), 0);
}

#[test]
fn costs_follow_their_formulas() {
    let costs: Vec<(u64, u64)> = launches().iter().map(|(launch, _)| (launch.flops(), launch.bytes())).collect();
    assert_eq!(
        costs,
        [
            (0, 408),
            (2800, 408),
            (100 * (140 + 17), 408),
            (6 * 1023, 72),
            (6 * 1023, 56),
            (100, 800),
            (0, 40),
            (0, 80),
            (0, 128),
            (0, 0),
            (22_400, 400),
            (8 * 7 * 2048, 8 * 128 + 8),
            (8 * 7 * 8 * 2048, 8 * 128),
        ]
    );
}

#[test]
fn a_launch_that_would_leave_its_memory_is_refused() {
    let small = |bytes| Memory { address: 0x9_0000, bytes };
    let nowhere = Memory { address: 0, bytes: u64::MAX };
    let (constant, far) = (Pattern::Constant(0), Memory { address: u64::MAX - 15, bytes: 16 });
    let lanes = |out, sms, lanes, block| Launch::lanes(Kernel::Hash, out, sms, lanes, 7, 5, block);
    let check = |memory, words, errors| Launch::pattern_check(memory, words, constant, false, errors, 2);
    let refused = [
        (lanes(small(399), SMS, 100, 32), "memory=out bytes=399 items=100 item=4"),
        (lanes(OUT, small(15), 100, 32), "memory=sms bytes=15 items=4 item=4"),
        (lanes(OUT, SMS, 0, 32), "lanes=0 least=1 most=4294967295"),
        (lanes(OUT, SMS, 100, 48), "block=48; 64 is"),
        (lanes(OUT, SMS, 100, 0), "block=0; 32 is"),
        (lanes(OUT, SMS, 100, 1056), "block=1056; 1024 is"),
        (lanes(Memory { address: 2, ..OUT }, SMS, 100, 32), "memory=out address=0x2 multiple_of=4"),
        (Launch::lanes(Kernel::Copy, OUT, SMS, 1, 1, 1, 32), "kernel=nacp_copy; the kernels of lanes are"),
        (Launch::reduce(small(47), SMS, 6, 5), "memory=out bytes=47 items=6 item=8"),
        (Launch::reduce(OUT, small(23), 6, 5), "memory=sms bytes=23 items=6 item=4"),
        (Launch::reduce(nowhere, nowhere, 1 << 31, 5), "chunks=2147483648 least=1 most=2147483647"),
        (Launch::reduce(OUT, SMS, 0, 5), "chunks=0"),
        (Launch::reduce(Memory { address: 4, ..OUT }, SMS, 1, 5), "memory=out address=0x4 multiple_of=8"),
        (Launch::rows(small(47), SMS, 0, 6, 5, 2), "memory=out bytes=47"),
        (Launch::rows(OUT, small(7), 0, 6, 5, 2), "memory=sms bytes=7 items=2"),
        (Launch::rows(OUT, SMS, 0, 0, 5, 2), "rows=0"),
        (Launch::rows(OUT, SMS, 0, 6, 5, 0), "grid=0"),
        (Launch::rows(OUT, SMS, u32::MAX - 5, 6, 5, 2), "rows=6 least=1 most=5"),
        (Launch::atomics(small(3), 6, 5), "memory=out bytes=3"),
        (Launch::atomics(OUT, 0, 5), "values=0"),
        (Launch::mma(small(511), SMS, 4, 7, 5), "memory=out bytes=511 items=4 item=128"),
        (Launch::mma(OUT, small(3), 4, 7, 5), "memory=sms bytes=3"),
        (Launch::mma(OUT, SMS, 5, 7, 5), "warps=5 block=4; 8 is a multiple of 4"),
        (Launch::mma(nowhere, nowhere, (1 << 27) + 4, 7, 5), "warps=134217732 least=1 most=134217728"),
        (Launch::mma_rate(small(1023), 8, 7, 5), "memory=out bytes=1023"),
        (Launch::mma_rate(OUT, 0, 7, 5), "warps=0"),
        (Launch::mma_rate(OUT, 12, 7, 5), "warps=12 block=8; 16 is a multiple of 8"),
        (Launch::fma_rate(small(7), 2, 7, 5, 32), "memory=out bytes=7"),
        (Launch::fma_rate(OUT, 2, 7, 5, 31), "block=31"),
        (Launch::pattern_write(small(39), 10, constant, 2), "memory=memory bytes=39 items=10 item=4"),
        (Launch::pattern_write(nowhere, u64::MAX / 4 + 1, constant, 2), "items=4611686018427387904"),
        (Launch::pattern_write(OUT, 10, constant, 0), "grid=0"),
        (Launch::pattern_write(Memory { address: 8, ..OUT }, 10, constant, 1), "address=0x8 multiple_of=16"),
        (
            Launch::pattern_write(OUT, 1, Pattern::Modulo20 { offset: 43, here: 0, elsewhere: 1 }, 1),
            "offset=43; 3 is the same place",
        ),
        (check(small(39), 10, SMS), "memory=memory bytes=39"),
        (check(OUT, 10, small(23)), "memory=errors bytes=23"),
        (check(OUT, 10, Memory { address: OUT.address + 32, ..OUT }), "memory=memory other=errors"),
        (check(OUT, 10, Memory { address: 4, ..OUT }), "memory=errors address=0x4 multiple_of=8"),
        (Launch::copy(OUT, SMS, 8, 2), "bytes=8; 0 is"),
        (Launch::copy(small(15), SMS, 16, 2), "memory=to bytes=15"),
        (Launch::copy(OUT, small(15), 16, 2), "memory=from bytes=15"),
        (Launch::copy(OUT, Memory { address: OUT.address + 16, ..OUT }, 32, 2), "memory=to other=from"),
        (Launch::copy(far, far, 16, 2), "memory=to other=from"),
        (Launch::copy(OUT, SMS, 32, 1 << 31), "grid=2147483648"),
    ];
    for (launch, text) in refused {
        let error = launch.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(text), "{error} does not say {text}");
    }
}

#[test]
fn a_launch_that_just_fits_is_made() {
    let exact = |bytes| Memory { address: 0x9_0000, bytes };
    assert_eq!(Launch::lanes(Kernel::Fma, exact(400), exact(16), 100, 7, 5, 32).unwrap().grid(), 4);
    assert_eq!(Launch::mma(exact(512), exact(4), 4, 7, 5).unwrap().block(), 128);
    assert!(Launch::pattern_check(exact(40), 10, Pattern::Constant(0), false, SMS, 1).is_ok());
    assert!(Launch::copy(exact(32), Memory { address: 0x9_0020, bytes: 32 }, 32, 1).is_ok());
    assert!(Launch::rows(OUT, SMS, u32::MAX - 6, 6, 5, 2).is_ok());
}
