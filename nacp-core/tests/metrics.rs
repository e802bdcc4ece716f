//! What Prometheus and its dashboards get to see, for the nodes that come with NACP.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use nacp_core::clock::{Clock as _, ManualClock, SystemClock};
use nacp_core::gpu::{LinkCounters, Node, Profile, Reading, Snapshot};
use nacp_core::observe::{HostnameLabel, Metrics};
use nacp_core::sim;

fn snapshot(name: &str) -> Snapshot {
    let node = Node::from_source(Arc::new(sim::Node::named(name).unwrap())).unwrap();
    node.snapshot(&ManualClock::default()).unwrap()
}

/// The whole text of a node. A process that is this one is written as such.
fn text(name: &str) -> String {
    let snapshot = snapshot(name);
    let text = Metrics::new(&snapshot).hostname(HostnameLabel::Lower, name).events(&[]).render().unwrap();
    text.replace(&format!("pid=\"{}\"", std::process::id()), "pid=\"self\"")
}

#[test]
fn the_text_of_the_shipped_nodes_is_the_one_that_was_agreed() {
    for name in ["rtx3050ti-laptop-wsl2", "h100x8"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics").join(format!("{name}.prom"));
        let text = text(name);
        if env::var_os("UPDATE_METRICS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let agreed = fs::read_to_string(&path).unwrap();
        let first = agreed.lines().zip(text.lines()).find(|(agreed, now)| agreed != now);
        assert!(agreed == text, "{} is stale; write it anew with UPDATE_METRICS=1; first: {first:#?}", path.display());
    }
}

/// The metric of each query of Grafana's dashboard 12239, by its panels; each is selected by `instance`, which Prometheus
/// adds, and by `gpu`.
const DASHBOARD_12239: [&str; 6] = [
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_SM_CLOCK",
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
];

#[test]
fn every_query_of_dashboard_12239_finds_every_gpu() {
    let mut snapshot = snapshot("h100x8");
    for state in &mut snapshot.gpus {
        state.sample.profile = Reading::Known(Profile::default());
    }
    let text = Metrics::new(&snapshot).render().unwrap();
    for name in DASHBOARD_12239 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix("{gpu=\""));
        let gpus: BTreeSet<&str> = lines.map(|line| line.split('"').next().unwrap()).collect();
        assert_eq!(gpus, BTreeSet::from(["0", "1", "2", "3", "4", "5", "6", "7"]), "{name}");
    }
}

/// The goal of a scrape is 1 ms in a release build, which `benches/run telemetry` measures; here it must not be far off in a
/// build without optimisation on a busy machine.
#[test]
fn eight_gpus_are_written_without_delay() {
    let mut snapshot = snapshot("h100x8");
    for state in &mut snapshot.gpus {
        state.sample.profile = Reading::Known(Profile::default());
        state.sample.nvlink = Reading::Known(LinkCounters::default());
    }
    let metrics = Metrics::new(&snapshot).hostname(HostnameLabel::Both, "server").events(&[]);
    let clock = SystemClock::new();
    let best = (0..20).map(|_| {
        let start = clock.monotonic();
        assert!(metrics.render().unwrap().len() > 10_000);
        clock.monotonic() - start
    });
    let best = best.min().unwrap();
    assert!(best < Duration::from_millis(50), "{best:?}");
}
