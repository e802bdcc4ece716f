//! The verdicts on toolkits, by NVIDIA's tables, and what holds of all of them.

use proptest::prelude::*;

use super::*;
use crate::cuda::compat::tables::{BRANCHES, CAPABILITIES};

const GEFORCE: &str = "NVIDIA GeForce RTX 4090";
const H100: &str = "NVIDIA H100 80GB HBM3";
const CARD: &str = "NVIDIA RTX A6000";

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn of_version(text: &str, platform: Platform) -> InstalledDriver {
    InstalledDriver::of_version(text.parse().unwrap(), platform)
}

fn gpu(name: &str, compute: &str) -> Gpu {
    Gpu::named(name, compute.parse().unwrap())
}

/// A driver's version, where it runs, a toolkit, a GPU (name and compute capability), the rule, the whole answer.
type Row = (&'static str, Platform, &'static str, (&'static str, &'static str), Rule, &'static str);

#[test]
fn each_verdict_is_a_sentence_with_its_rule_and_remedy() {
    use Platform::{Linux, Windows, Wsl2};
    let rows: &[Row] = &[
        (
            "580.95.05",
            Linux,
            "13.0",
            (GEFORCE, "8.9"),
            Rule::Backward,
            "exact: driver 580.95.05 serves CUDA 13.0, and CUDA 13.0 is not newer",
        ),
        (
            "580.95.05",
            Linux,
            "10.2",
            (GEFORCE, "8.9"),
            Rule::Backward,
            "exact: driver 580.95.05 serves CUDA 13.0, and CUDA 10.2 is not newer; CUDA 10.2 writes no machine code for 8.9 \
             (CUDA 11.8 is the first that does): only programs that bring PTX run",
        ),
        (
            "550.54.15",
            Linux,
            "12.8",
            (GEFORCE, "8.9"),
            Rule::Family,
            "minor-version compatibility: driver 550.54.15 serves CUDA 12.4, and CUDA 12.8 is of a family (12.x) whose least \
             driver is 525.60.13; PTX that is newer than 8.4 does not load (error 222); calls that are newer than CUDA \
             12.4 answer an error",
        ),
        (
            "527.40",
            Wsl2,
            "12.0",
            (GEFORCE, "8.6"),
            Rule::TooOld,
            "refused: driver 527.40 serves CUDA 11.8, and CUDA 12.0 is newer; install driver 527.41 or newer on Windows, and \
             none inside WSL2, or use CUDA 11.8 or older",
        ),
        (
            "550.54.15",
            Linux,
            "13.0",
            (GEFORCE, "8.9"),
            Rule::TooOld,
            "refused: driver 550.54.15 serves CUDA 12.4, and CUDA 13.0 is newer; install driver 580.65.06 or newer, or use \
             CUDA 12.4 or older",
        ),
        (
            "550.54.15",
            Linux,
            "13.0",
            (H100, "9.0"),
            Rule::ForwardCompat,
            "forward compatibility: driver 550.54.15 serves CUDA 12.4, and CUDA 13.0 runs with the library of its \
             cuda-compat package; the package lists the branches of the driver that it works on, and calls that need the \
             newer kernel driver answer an error (36); install cuda-compat-13-0, or install driver 580.65.06 or newer",
        ),
        (
            "551.78",
            Windows,
            "13.0",
            (H100, "9.0"),
            Rule::TooOld,
            "refused: driver 551.78 serves CUDA 12.4, and CUDA 13.0 is newer; install driver 580 or newer, or use CUDA 12.4 \
             or older",
        ),
        (
            "591.44",
            Wsl2,
            "13.1",
            (GEFORCE, "8.6"),
            Rule::Family,
            "minor-version compatibility: driver 591.44 serves CUDA 12.9, and CUDA 13.1 is of a family (13.x) whose least \
             driver is 580; PTX that is newer than 8.8 does not load (error 222); calls that are newer than CUDA 12.9 \
             answer an error",
        ),
        (
            "580.95.05",
            Linux,
            "13.0",
            (GEFORCE, "6.1"),
            Rule::ToolkitDroppedGpu,
            "refused: CUDA 12.9 is the last toolkit for Pascal (6.1); use CUDA 12.9 or older",
        ),
        (
            "550.54.15",
            Linux,
            "13.0",
            (GEFORCE, "6.1"),
            Rule::ToolkitDroppedGpu,
            "refused: CUDA 12.9 is the last toolkit for Pascal (6.1); use CUDA 12.4 or older",
        ),
        (
            "590.44.01",
            Linux,
            "12.0",
            (GEFORCE, "7.0"),
            Rule::DriverDroppedGpu,
            "refused: R580 is the last branch that drives Volta (7.0); install a driver of branch R580 or older",
        ),
        (
            "470.82.01",
            Linux,
            "11.8",
            ("Tesla K80", "3.7"),
            Rule::Family,
            "minor-version compatibility: driver 470.82.01 serves CUDA 11.4, and CUDA 11.8 is of a family (11.x) whose least \
             driver is 450.80.02; PTX that is newer than the driver's does not load (error 222); calls that are newer than \
             CUDA 11.4 answer an error",
        ),
        (
            "418.40.04",
            Linux,
            "11.0",
            (GEFORCE, "7.5"),
            Rule::TooOld,
            "refused: driver 418.40.04 is older than CUDA 11, and CUDA 11.0 is newer; install driver 450.51.05 or newer",
        ),
        (
            "450.51.06",
            Linux,
            "11.8",
            (GEFORCE, "7.5"),
            Rule::TooOld,
            "refused: driver 450.51.06 serves CUDA 11.0, and CUDA 11.8 is newer; install driver 520.61.05 or newer, or use \
             CUDA 11.0 or older",
        ),
        (
            "999.10",
            Linux,
            "14.0",
            (GEFORCE, "12.0"),
            Rule::NotInTables,
            "unknown: driver 999.10 serves CUDA 13.3, and no rule is known for CUDA 14.x",
        ),
        (
            "580.95.05",
            Linux,
            "14.0",
            (GEFORCE, "12.0"),
            Rule::TooOld,
            "refused: driver 580.95.05 serves CUDA 13.0, and CUDA 14.0 is newer; use CUDA 13.0 or older",
        ),
        (
            "580.95.05",
            Linux,
            "14.0",
            (H100, "9.0"),
            Rule::NotInTables,
            "unknown: driver 580.95.05 serves CUDA 13.0, and no rule is known for CUDA 14.x",
        ),
        (
            "580.95.05",
            Linux,
            "13.0",
            ("NVIDIA From Tomorrow", "15.3"),
            Rule::Backward,
            "exact: driver 580.95.05 serves CUDA 13.0, and CUDA 13.0 is not newer",
        ),
    ];
    for (driver, platform, wanted, (name, compute), rule, expected) in rows {
        let verdict = toolkit(&of_version(driver, *platform), version(wanted), Some(&gpu(name, compute)));
        assert_eq!((verdict.to_string().as_str(), verdict.rule), (*expected, *rule), "{driver} {wanted} {name}");
    }
}

#[test]
fn a_driver_that_only_says_its_cuda_version_is_judged_by_it() {
    for (cuda, wanted, fit) in [
        ("13.1", "13.1", Fit::Exact),
        ("13.1", "13.2", Fit::MinorVersion),
        ("12.9", "13.0", Fit::Refused),
        ("12.0", "12.9", Fit::MinorVersion),
        // CUDA 11.0 was served by drivers that are older than the family's least.
        ("11.0", "11.8", Fit::Refused),
        ("11.1", "11.8", Fit::MinorVersion),
        ("14.0", "14.0", Fit::Exact),
        ("14.0", "14.1", Fit::Unknown),
        ("13.5", "14.0", Fit::Refused),
        ("10.2", "11.0", Fit::Refused),
    ] {
        let driver = InstalledDriver::serving(version(cuda), Platform::Linux);
        assert_eq!(toolkit(&driver, version(wanted), Some(&gpu(GEFORCE, "7.5"))).fit, fit, "{cuda} {wanted}");
    }
    let nothing = InstalledDriver { cuda: None, ..InstalledDriver::serving(version("1.0"), Platform::Linux) };
    let verdict = toolkit(&nothing, version("12.0"), None);
    assert_eq!(verdict.to_string(), "unknown: nothing is known of the driver");
}

#[test]
fn a_compat_library_is_for_some_gpus_and_for_linux() {
    let on = |platform, name: &str| {
        let driver = of_version("550.54.15", platform).with_forward_compat(version("13.0"));
        toolkit(&driver, version("13.0"), Some(&gpu(name, "9.0"))).to_string()
    };
    assert_eq!(
        on(Platform::Linux, H100),
        "forward compatibility: the cuda-compat library on driver 550.54.15 serves CUDA 13.0, and CUDA 13.0 is not newer; \
         the package lists the branches of the driver that it works on, and calls that need the newer kernel driver answer \
         an error (36)"
    );
    assert_eq!(
        on(Platform::Linux, GEFORCE),
        "refused: a cuda-compat library is loaded, which is not for a GeForce GPU; remove the cuda-compat package from the \
         library path, or install driver 580.65.06 or newer"
    );
    assert_eq!(
        on(Platform::Wsl2, H100),
        "refused: a cuda-compat library is loaded, which is not for WSL2; remove the cuda-compat package from the library \
         path, or install driver 580 or newer on Windows, and none inside WSL2"
    );
    assert_eq!(
        on(Platform::Linux, CARD),
        "unknown: the cuda-compat library on driver 550.54.15 serves CUDA 13.0, and CUDA 13.0 is not newer; whether \
         cuda-compat is for this GPU is not known"
    );
}

#[test]
fn json_keeps_a_verdict() {
    let verdict = toolkit(&of_version("550.54.15", Platform::Linux), version("13.0"), Some(&gpu(H100, "9.0")));
    let json = serde_json::to_string(&verdict).unwrap();
    assert!(json.contains(r#""fit":"forward_compat","rule":"forward_compat""#), "{json}");
    assert!(json.contains(r#"{"do":"install_compat","toolkit":"13.0"}"#), "{json}");
    assert_eq!(serde_json::from_str::<ToolkitVerdict>(&json).unwrap(), verdict);
}

#[test]
fn the_driver_of_each_release_serves_its_toolkit_and_one_before_it_does_not() {
    for row in TOOLKITS {
        for release in row.releases {
            for (platform, version) in [(Platform::Linux, Some(release.linux)), (Platform::Wsl2, release.windows)] {
                let Some(version) = version else { continue };
                let driver = InstalledDriver::of_version(version, platform);
                assert_eq!(toolkit(&driver, row.toolkit, None).fit, Fit::Exact, "{version} {}", row.toolkit);
                let older = DriverVersion::of_branch(version.branch() - 1);
                let older = toolkit(&InstalledDriver::of_version(older, platform), row.toolkit, None);
                assert!(release.update > 0 || older.fit != Fit::Exact, "{version} {}", row.toolkit);
            }
        }
    }
}

fn any_version() -> impl Strategy<Value = Version> {
    (10u32..16, 0u32..10).prop_map(|(major, minor)| Version { major, minor })
}

fn any_driver_version() -> impl Strategy<Value = DriverVersion> {
    let releases: Vec<_> =
        TOOLKITS.iter().flat_map(|row| row.releases).flat_map(|it| [Some(it.linux), it.windows]).collect();
    let listed = proptest::sample::select(releases.into_iter().flatten().collect::<Vec<_>>());
    let others = (400u32..700, 0u32..200, 0u32..20).prop_map(|(a, b, c)| DriverVersion::three(a, b, c));
    prop_oneof![listed, others]
}

fn any_platform() -> impl Strategy<Value = Platform> {
    proptest::sample::select(Platform::ALL.to_vec())
}

fn any_name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![GEFORCE, H100, CARD, "Orin", "something else"])
}

proptest! {
    /// Only a GPU that is dropped loses by a newer driver.
    #[test]
    fn a_newer_driver_never_loses_a_verdict(
        one in any_driver_version(),
        other in any_driver_version(),
        wanted in any_version(),
        platform in any_platform(),
        name in any_name(),
        place in 0..CAPABILITIES.len(),
    ) {
        let row = CAPABILITIES[place];
        let gpu = Gpu::named(name, row.compute);
        let (older, newer) = (one.min(other), one.max(other));
        prop_assume!(row.last_branch.is_none_or(|last| newer.branch() <= last));
        let fit = |version| toolkit(&InstalledDriver::of_version(version, platform), wanted, Some(&gpu)).fit;
        prop_assert!(fit(older) <= fit(newer), "{} {:?} {} {:?}", older, fit(older), newer, fit(newer));
    }

    /// The same for a driver that says which CUDA version it serves.
    #[test]
    fn a_newer_cuda_version_of_the_driver_never_loses_a_verdict(
        one in any_version(),
        other in any_version(),
        wanted in any_version(),
        name in any_name(),
    ) {
        let gpu = Gpu::named(name, ComputeCapability { major: 9, minor: 0 });
        let fit = |cuda| toolkit(&InstalledDriver::serving(cuda, Platform::Linux), wanted, Some(&gpu)).fit;
        prop_assert!(fit(one.min(other)) <= fit(one.max(other)));
    }

    /// What is refused says what would help, wherever the tables know it, and doing it helps.
    #[test]
    fn a_remedy_helps(driver in any_driver_version(), wanted in any_version(), platform in any_platform(), name in any_name()) {
        let gpu = Gpu::named(name, ComputeCapability { major: 9, minor: 0 });
        let here = InstalledDriver::of_version(driver, platform);
        let verdict = toolkit(&here, wanted, Some(&gpu));
        prop_assert_eq!(verdict.fit == Fit::Exact, verdict.rule == Rule::Backward);
        for remedy in &verdict.remedies {
            let after = match remedy {
                Remedy::InstallDriver { at_least, .. } => {
                    toolkit(&InstalledDriver::of_version(*at_least, platform), wanted, Some(&gpu))
                }
                Remedy::UseToolkit { newest } => toolkit(&here, *newest, Some(&gpu)),
                Remedy::InstallCompat { toolkit: brought } => {
                    toolkit(&here.with_forward_compat(*brought), wanted, Some(&gpu))
                }
                Remedy::UseBranch { .. } | Remedy::RemoveCompat => continue,
            };
            prop_assert!(after.fit >= Fit::ForwardCompat, "{} but {}", verdict, after);
        }
    }
}

#[test]
fn each_gpu_is_driven_up_to_its_last_branch_and_no_further() {
    for row in CAPABILITIES.iter().filter(|row| row.last_branch.is_some()) {
        for branch in BRANCHES {
            let driver = InstalledDriver::of_version(DriverVersion::of_branch(branch.branch), Platform::Linux);
            let verdict = toolkit(&driver, version("11.0"), Some(&Gpu::named(GEFORCE, row.compute)));
            let dropped = Some(branch.branch) > row.last_branch;
            assert_eq!(verdict.rule == Rule::DriverDroppedGpu, dropped, "{} {}", row.compute, branch.branch);
        }
    }
}
