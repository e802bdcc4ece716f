//! The verdicts on programs: NVIDIA's rules, as far as possible as `ptxas` follows them.

use proptest::prelude::*;

use super::*;
use crate::cuda::compat::Platform;
use crate::cuda::compat::tables::CAPABILITIES;

fn arch(text: &str) -> Arch {
    text.parse().unwrap()
}

fn cc(text: &str) -> ComputeCapability {
    text.parse().unwrap()
}

fn serving(cuda: &str) -> InstalledDriver {
    InstalledDriver::serving(cuda.parse().unwrap(), Platform::Linux)
}

fn on(sass: &[&str], ptx: &[(&str, &str)], gpu: &str, cuda: &str) -> ProgramVerdict {
    let sass: Vec<_> = sass.iter().map(|it| arch(it)).collect();
    let ptx: Vec<_> = ptx.iter().map(|(target, isa)| (arch(target), isa.parse().unwrap())).collect();
    program(&sass, &ptx, cc(gpu), &serving(cuda))
}

#[test]
fn machine_code_runs_on_its_major_version_from_its_minor_one_on() {
    use ProgramFit::{Native, Refused, Unknown};
    for (made, gpu, fit) in [
        ("sm_80", "8.0", Native),
        ("sm_80", "8.6", Native),
        ("sm_86", "8.9", Native),
        ("sm_86", "8.0", Refused),
        ("sm_80", "9.0", Refused),
        ("sm_90", "10.0", Refused),
        ("sm_90a", "9.0", Native),
        ("sm_90a", "9.1", Refused),
        ("sm_100", "10.3", Native),
        ("sm_100a", "10.3", Refused),
        ("sm_100f", "10.3", Native),
        ("sm_103f", "10.0", Refused),
        ("sm_100f", "11.0", Refused),
        ("sm_100", "12.0", Refused),
        ("sm_120", "12.1", Native),
        ("sm_120f", "12.1", Native),
        ("sm_120f", "12.3", Unknown),
        // A part of a system on a chip.
        ("sm_80", "8.7", Unknown),
        ("sm_87", "8.9", Unknown),
        ("sm_87", "8.7", Native),
        ("sm_101", "11.0", Unknown),
        ("sm_150", "15.3", Native),
        ("sm_140", "15.0", Refused),
    ] {
        let verdict = on(&[made], &[], gpu, "13.0");
        assert_eq!(verdict.fit, fit, "{made} on {gpu}: {verdict}");
    }
}

/// The answers of `ptxas` 13.5 to PTX of each target, for each architecture that it knows, as it was asked.
#[test]
fn ptx_is_compiled_for_the_devices_for_which_ptxas_compiles_it() {
    let knows = "75 80 86 87 88 89 90 100 103 107 110 120 121";
    let table = [
        ("50", knows),
        ("75", knows),
        ("86", "86 87 88 89 90 100 103 107 110 120 121"),
        ("88", "88 89 90 100 103 107 110 120 121"),
        ("90", "90 100 103 107 110 120 121"),
        ("90a", "90"),
        ("100", "100 103 107 110 120 121"),
        ("100a", "100"),
        ("100f", "100 103 107"),
        ("101", "103 107 110 120 121"),
        ("101a", "110"),
        ("101f", "110"),
        ("103", "103 107 110 120 121"),
        ("103a", "103"),
        ("103f", "103 107"),
        ("107", "107 110 120 121"),
        ("107a", "107"),
        ("107f", "107"),
        ("110", "110 120 121"),
        ("110f", "110"),
        ("120", "120 121"),
        ("120a", "120"),
        ("120f", "120 121"),
        ("121", "121"),
        ("121a", "121"),
        ("121f", "121"),
    ];
    for (target, expected) in table {
        let compiled: Vec<&str> = knows
            .split(' ')
            .filter(|gpu| {
                let gpu = arch(&format!("sm_{gpu}")).compute.to_string();
                on(&[], &[(&format!("compute_{target}"), "9.5")], &gpu, "13.5").fit == ProgramFit::Compiled
            })
            .collect();
        assert_eq!(compiled.join(" "), expected, "{target}");
    }
}

#[test]
fn ptx_loads_up_to_the_drivers_own_version_of_the_language() {
    use ProgramFit::{Compiled, Refused, Unknown};
    for (isa, cuda, fit) in [
        ("8.0", "12.0", Compiled),
        ("8.1", "12.0", Refused),
        ("8.5", "12.6", Compiled),
        ("8.6", "12.6", Refused),
        ("8.8", "12.9", Compiled),
        ("9.0", "12.9", Refused),
        ("9.5", "13.5", Compiled),
        ("9.6", "13.5", Refused),
        // Drivers whose ceiling is between two that are known, newer than the tables, or older.
        ("8.5", "12.7", Compiled),
        ("8.6", "12.7", Unknown),
        ("8.8", "12.7", Refused),
        ("9.5", "14.1", Compiled),
        ("9.6", "14.1", Unknown),
        ("7.0", "11.4", Unknown),
        ("7.8", "11.4", Refused),
    ] {
        let verdict = on(&[], &[("compute_80", isa)], "9.0", cuda);
        assert_eq!(verdict.fit, fit, "PTX {isa} on CUDA {cuda}: {verdict}");
    }
    let unheard = InstalledDriver { cuda: None, ..serving("12.0") };
    assert_eq!(program(&[], &[(arch("compute_80"), "7.0".parse().unwrap())], cc("8.0"), &unheard).fit, Unknown);
}

#[test]
fn each_verdict_is_a_sentence_with_its_rule_and_remedy() {
    for (verdict, expected) in [
        (
            on(&["sm_90"], &[("compute_90", "8.0")], "9.0", "12.4"),
            "native: sm_90: machine code for exactly this GPU (9.0)",
        ),
        (
            on(&["sm_80", "sm_90a"], &[("compute_90", "8.0")], "12.0", "12.8"),
            "compiled at load: compute_90: PTX for 9.0 is compiled for 12.0, which is newer",
        ),
        (
            on(&["sm_80", "sm_90a"], &[], "12.0", "12.8"),
            "refused: sm_80: machine code for 8.0 does not run on 12.0, which is of another major version; sm_90a: machine \
             code with features of 9.0 alone does not run on 12.0; build it for sm_120, or with PTX for it or older",
        ),
        (
            on(&[], &[("compute_90", "8.8")], "9.0", "12.4"),
            "refused: compute_90: PTX 8.8 is newer than what a driver of CUDA 12.4 reads, which is 8.4 (error 222); install \
             a driver of CUDA 12.9 or newer, or build it for sm_90, or with PTX for it or older",
        ),
        (
            on(&[], &[("compute_120", "8.0")], "12.0", "13.0"),
            "refused: compute_120: PTX 8.0 has no target 12.0; PTX 8.7 is the first; build it for sm_120, or with PTX for it \
             or older",
        ),
        (
            on(&[], &[], "9.0", "13.0"),
            "refused: the program brings no image; build it for sm_90, or with PTX for it or older",
        ),
    ] {
        assert_eq!(verdict.to_string(), expected);
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<ProgramVerdict>(&json).unwrap(), verdict);
    }
}

fn any_arch() -> impl Strategy<Value = Arch> {
    let reach = proptest::sample::select(vec![Reach::Onward, Reach::Family, Reach::Exact]);
    (0..CAPABILITIES.len(), reach).prop_map(|(place, reach)| Arch {
        form: Form::Machine,
        compute: CAPABILITIES[place].compute,
        reach,
    })
}

proptest! {
    #[test]
    fn another_image_never_makes_a_program_worse(
        sass in proptest::collection::vec(any_arch(), 0..4),
        more in any_arch(),
        place in 0..CAPABILITIES.len(),
    ) {
        let gpu = CAPABILITIES[place].compute;
        let driver = serving("12.4");
        let before = program(&sass, &[], gpu, &driver).fit;
        let with_more: Vec<_> = sass.iter().copied().chain([more]).collect();
        prop_assert!(program(&with_more, &[], gpu, &driver).fit >= before);
    }

    #[test]
    fn a_newer_driver_reads_all_that_an_older_one_reads(
        target in any_arch(),
        isa in (6u32..11, 0u32..10),
        one in (11u32..16, 0u32..10),
        other in (11u32..16, 0u32..10),
        place in 0..CAPABILITIES.len(),
    ) {
        let gpu = CAPABILITIES[place].compute;
        let version = |(major, minor)| Version { major, minor };
        let fit = |cuda| {
            let driver = InstalledDriver::serving(version(cuda), Platform::Linux);
            program(&[], &[(target, version(isa))], gpu, &driver).fit
        };
        prop_assert!(fit(one.min(other)) <= fit(one.max(other)));
    }

    #[test]
    fn what_suits_one_device_alone_suits_it(place in 0..CAPABILITIES.len()) {
        let compute = CAPABILITIES[place].compute;
        for reach in [Reach::Onward, Reach::Family, Reach::Exact] {
            let image = Arch { form: Form::Machine, compute, reach };
            prop_assert_eq!(program(&[image], &[], compute, &serving("13.0")).fit, ProgramFit::Native);
        }
    }
}
