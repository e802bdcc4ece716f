//! Decisions on whole machines: those of the fixtures, this one, and images on a real daemon.
#![cfg(all(feature = "doctor", feature = "sim"))]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nacp_core::clock::{Clock, ManualClock};

use nacp_core::cuda::Level;
use nacp_core::cuda::check::Check;
use nacp_core::host::decision::{
    Criterion, Decision, ImageRun, Progress, Reach, RunOutcome, Runner, Trial, Value, Way,
};
use nacp_core::host::{Evaluation, Root, RuntimeOption, Weights};
use nacp_core::sim;

fn root(name: &str) -> Root {
    Root::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts").join(name)).unwrap()
}

/// Noon of 2026-11-24, for branches of drivers end while tests live.
fn clock() -> Arc<ManualClock> {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(1_795_521_600));
    Arc::new(clock)
}

fn on(name: &str) -> Decision {
    Evaluation::new().root(root(name)).clock(clock()).run()
}

#[test]
fn each_machine_is_told_where_to_run() {
    use RuntimeOption::{BContainer, CloudVm, KubernetesNode, NativeLinux};
    for (machine, option) in [
        ("wsl2", BContainer),
        ("wsl2-docker", BContainer),
        ("wsl2-desktop", BContainer),
        ("docker-on-wsl2", BContainer),
        ("windows-desktop", BContainer),
        ("bare-metal", NativeLinux),
        ("bare-metal-docker", NativeLinux),
        ("podman-native", NativeLinux),
        ("aws-ec2", CloudVm),
        ("azure-vm", CloudVm),
        ("gcp-vm", CloudVm),
        ("kubernetes-node", KubernetesNode),
        ("kubernetes-pod", KubernetesNode),
    ] {
        let decision = on(machine);
        let recommendation = decision.recommendation.as_ref().unwrap_or_else(|| panic!("{machine}"));
        assert_eq!(recommendation.option, option, "{machine}\n{decision}");
        assert!(!recommendation.reasons.is_empty(), "{machine}");
        let best = decision.column(option).unwrap();
        assert_eq!(best.rank, Some(1), "{machine}");
        assert_eq!(serde_json::from_str::<Decision>(&decision.to_json()).unwrap(), decision, "{machine}");
        for column in &decision.options {
            assert_eq!(column.rank.is_some(), column.reach.is_candidate(), "{machine}: {}", column.option);
        }
    }
}

#[test]
fn wsl2_with_docker_is_measured_where_it_stands_and_rated_where_it_does_not() {
    let decision = on("wsl2-docker");
    let cell = |option, criterion| decision.cell(option, criterion).unwrap();
    for criterion in [Criterion::Parity, Criterion::Portability, Criterion::Devops, Criterion::Stability] {
        let measured = cell(RuntimeOption::BContainer, criterion).measured();
        assert!(measured.is_some_and(|it| !it.figures.is_empty()), "{criterion}");
        assert!(matches!(cell(RuntimeOption::AContainer, criterion).value, Value::Rated(_)), "{criterion}");
    }
    let parity = cell(RuntimeOption::BContainer, Criterion::Parity).measured().unwrap();
    assert!(parity.extra.iter().any(|it| it == "/dev/dxg"), "{:?}", parity.extra);
    assert!(parity.lacks.iter().any(|it| it.contains("kept apart")), "{:?}", parity.lacks);
    let linux = on("bare-metal-docker");
    let native = linux.cell(RuntimeOption::NativeLinux, Criterion::Parity).unwrap().measured().unwrap();
    assert!(native.score > 0.9 && parity.score < 0.5, "{} {}", native.score, parity.score);
    assert!(decision.column(RuntimeOption::AProcess).unwrap().reach.is_candidate());
    assert_eq!(decision.column(RuntimeOption::BContainer).unwrap().reach, Reach::Here);
}

#[test]
fn docker_desktop_fails_what_needs_a_screen() {
    let decision = on("wsl2-desktop");
    let devops = decision.cell(RuntimeOption::AContainer, Criterion::Devops).unwrap().measured().unwrap();
    assert!(devops.lacks.iter().any(|it| it.contains("licence")), "{:?}", devops.lacks);
    let recommendation = decision.recommendation.unwrap();
    assert!(recommendation.first[0].contains("install Docker Engine"), "{:?}", recommendation.first);
}

#[test]
fn throughput_decides_where_it_has_the_weight() {
    let heavy = Weights::new([("overhead", 1.0)]).unwrap();
    let decision = Evaluation::new().root(root("wsl2")).weights(heavy).run();
    assert_eq!(decision.recommendation.unwrap().option, RuntimeOption::AProcess);
}

#[test]
fn a_simulated_device_is_measured_and_says_so() {
    let node = "rtx3050ti-laptop-wsl2";
    let report = Check::new(Level::Quick)
        .driver(Arc::new(sim::Cuda::named(node).unwrap()))
        .telemetry(Arc::new(sim::Node::named(node).unwrap()))
        .run();
    let decision = Evaluation::new().root(root("wsl2-docker")).report(report).run();
    assert!(decision.simulated);
    let overhead = decision.cell(RuntimeOption::BProcess, Criterion::Overhead).unwrap();
    assert!(overhead.is_simulated() && overhead.score().is_some());
    let shared = decision.cell(RuntimeOption::BContainer, Criterion::Overhead).unwrap();
    assert_eq!(shared.measured().unwrap().from, Some(RuntimeOption::BProcess));
    let throughput = decision.cell(RuntimeOption::BProcess, Criterion::Throughput).unwrap();
    assert!(throughput.unmeasured.as_ref().unwrap().contains("ask for standard"), "{throughput:?}");
    assert!(decision.to_string().contains("(simulated)"));
}

/// Answers for the daemons.
struct Scripted<'a>(&'a AtomicU32);

impl Runner for Scripted<'_> {
    fn run(&self, trial: &Trial) -> ImageRun {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!((trial.image.as_str(), trial.limit), ("a:1", Duration::from_secs(3)));
        ImageRun::new(trial.way, RunOutcome::Running)
    }
}

#[test]
fn an_image_runs_on_each_way_that_is_offered_and_on_no_other() {
    let asked = AtomicU32::new(0);
    let mut told = Vec::new();
    let decision = Evaluation::new()
        .root(root("wsl2-docker"))
        .image("a:1")
        .each(Duration::from_secs(3))
        .runner(Scripted(&asked))
        .on_progress(|progress| told.push(progress.clone()))
        .run();
    let ran: Vec<Way> =
        told.iter().filter_map(|it| if let Progress::Running(way) = it { Some(*way) } else { None }).collect();
    assert!(!ran.is_empty() && u32::try_from(ran.len()).unwrap() == asked.load(Ordering::Relaxed));
    let cell = decision.cell(RuntimeOption::BContainer, Criterion::Portability).unwrap().measured().unwrap();
    let figure = cell.figures.iter().find(|it| it.name == "ways on which a:1 ran").unwrap();
    assert_eq!(figure.score, Some(1.0));
    let over =
        Evaluation::new().root(root("wsl2-docker")).image("a:1").runner(Scripted(&asked)).limit(Duration::ZERO).run();
    assert_eq!(u32::try_from(ran.len()).unwrap(), asked.load(Ordering::Relaxed), "no time, no run\n{over}");
}

/// Takes two seconds of a clock for each run.
struct Slow<'a>(Arc<ManualClock>, &'a std::sync::Mutex<Vec<Duration>>);

impl Runner for Slow<'_> {
    fn run(&self, trial: &Trial) -> ImageRun {
        self.1.lock().unwrap().push(trial.limit);
        self.0.advance(Duration::from_secs(2));
        ImageRun::new(trial.way, RunOutcome::Running)
    }
}

#[test]
fn the_limit_is_that_of_all_together() {
    let clock = clock();
    let limits = std::sync::Mutex::new(Vec::new());
    let decision = Evaluation::new()
        .root(root("wsl2-docker"))
        .image("a:1")
        .each(Duration::from_secs(10))
        .limit(Duration::from_secs(3))
        .clock(Arc::<ManualClock>::clone(&clock) as Arc<dyn Clock>)
        .runner(Slow(Arc::clone(&clock), &limits))
        .run();
    let limits = limits.lock().unwrap();
    assert!(
        limits.len() == 2 && limits[..] == [Duration::from_secs(3), Duration::from_secs(1)],
        "{limits:?}\n{decision}"
    );
    let cell = decision.cell(RuntimeOption::BContainer, Criterion::Portability).unwrap().measured().unwrap();
    assert!(cell.evidence.iter().any(|it| it.value.contains("the time of the evaluation was over")), "{cell:?}");
}

#[test]
fn the_end_of_a_driver_s_branch_is_held_against_the_clock_that_was_given() {
    let later = ManualClock::default();
    later.advance(Duration::from_secs(1_795_521_600 + 4 * 365 * 86_400));
    let stability = |decision: &Decision| {
        let cell = decision.cell(RuntimeOption::BContainer, Criterion::Stability).unwrap().measured().unwrap();
        cell.figures.iter().find(|figure| figure.name == "days of driver support").unwrap().score.unwrap()
    };
    let old = Evaluation::new().root(root("wsl2-docker")).clock(Arc::new(later)).run();
    assert_eq!((stability(&on("wsl2-docker")), stability(&old)), (1.0, 0.0));
}

/// Whether the Docker daemon of this machine has the image of the simulated service and its CDI devices.
fn has_image() -> bool {
    let skipped = std::env::var_os("NACP_NO_DOCKER").is_some() || std::env::var_os("NACP_TEST_CDI").is_none();
    let output = Command::new("docker").args(["image", "inspect", IMAGE]).output();
    !skipped && output.is_ok_and(|output| output.status.success())
}

const IMAGE: &str = "nacp/sim-service:0.1";

#[test]
fn a_real_daemon_runs_an_image_by_cdi_and_nothing_is_left_behind() {
    if !has_image() {
        println!("SKIP: no Docker daemon with {IMAGE} and the CDI devices of the tests");
        return;
    }
    let decision = Evaluation::new()
        .image(IMAGE)
        .each(Duration::from_secs(2))
        .driver(Arc::new(sim::Cuda::named("l4").unwrap()))
        .telemetry(Arc::new(sim::Node::named("l4").unwrap()))
        .run();
    let option = decision.standing.containers.unwrap();
    let cell = decision.cell(option, Criterion::Portability).unwrap().measured().unwrap();
    let run = cell.evidence.iter().find(|it| it.source == "run on docker CDI").unwrap();
    assert_eq!(run.value, "started and ran on until its time was over", "{cell:?}");
    let left = Command::new("docker").args(["ps", "-aq", "--filter", "label=nacp.probe=docker_cdi"]).output().unwrap();
    assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}
