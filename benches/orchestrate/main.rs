//! What the control plane costs beside the same calls to Docker made by hand, and beside Docker Compose.
//!
//! From `apply` to everything ready for 1, 10 and 30 services on the machine's Docker, interleaved with the floor: create,
//! start and ask until it answers, all at once, through bollard. Then the plan for 10,000 replicas, and what keeping an app
//! that is as it is wanted takes of a core. Options: `--rounds N` (default 5), `--idle SECONDS` (default 60), `--plan` for
//! the plan alone, which needs no Docker.

mod compose;
mod floor;

use std::sync::Arc;
use std::time::{Duration, Instant};

use comfy_table::Table;
use nacp_core::control::{self, ControlPlane, PlanOptions, Wanted};
use nacp_core::engine::{Container, ContainerId, ContainerState, Docker, Engine, labels};
use nacp_core::service::{App, Probe, Service};
use nacp_core::{clock::SystemClock, gpu, sim};

const IMAGE: &str = "nacp/sim-service:0.1";
const SIZES: [u32; 3] = [1, 10, 30];

fn app(name: &str, services: u32) -> App {
    (0..services).fold(App::new(name), |app, number| {
        let service = Service::new(IMAGE).port(8000).ready(Probe::http("/healthz").within(Duration::from_secs(60)));
        app.service(format!("s{number:02}"), service)
    })
}

fn option(name: &str, usual: u64) -> u64 {
    let mut options = std::env::args().skip_while(|option| option != name).skip(1);
    options.next().map_or(usual, |value| value.parse().expect(name))
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The median, and from the least to the most.
fn shown(times: &[f64]) -> String {
    if times.is_empty() {
        return "missing".to_owned();
    }
    let bound = |pick: fn(f64, f64) -> f64| times.iter().copied().reduce(pick).unwrap_or_default();
    format!("{:.0} ({:.0}–{:.0})", median(times), bound(f64::min), bound(f64::max))
}

fn node() -> gpu::Node {
    gpu::Node::from_source(Arc::new(sim::Node::named("h100x8").expect("it is shipped"))).expect("a node")
}

async fn applied(plane: &ControlPlane, app: &App) -> f64 {
    let begin = Instant::now();
    let status = plane.apply(app).await.expect("it is applied");
    let taken = begin.elapsed().as_secs_f64() * 1e3;
    assert!(status.ready() && status.replicas.len() == app.services.len());
    plane.delete(&app.name).await.expect("it is removed");
    taken
}

/// Milliseconds for placing and planning 10,000 replicas, none of which is there, and all of which are.
fn plan_ms() -> (f64, f64) {
    let services = (0..10).map(|number| format!("s{number}"));
    let app = services.fold(App::new("large"), |app, name| app.service(name, Service::new(IMAGE).replicas(1000)));
    let snapshot = node().snapshot(&SystemClock::new()).expect("a snapshot");
    let there: Vec<_> = app
        .services
        .iter()
        .flat_map(|(service, spec)| (0..spec.replicas).map(move |replica| container(service, spec, replica)))
        .collect();
    let time = |observed: &[Container]| {
        let times: Vec<_> = (0..5)
            .map(|_| {
                let begin = Instant::now();
                let plan = control::plan(&app, &snapshot, observed, PlanOptions::default()).expect("a plan");
                let taken = begin.elapsed().as_secs_f64() * 1e3;
                assert_eq!((plan.actions.len(), plan.is_empty()), (10_000, !observed.is_empty()));
                taken
            })
            .collect();
        median(&times)
    };
    (time(&[]), time(&there))
}

fn container(service: &str, spec: &Service, replica: u32) -> Container {
    let label = |key: &str, value: String| (key.to_owned(), value);
    let labels = [
        label(labels::APP, "large".to_owned()),
        label(labels::SERVICE, service.to_owned()),
        label(labels::REPLICA, replica.to_string()),
        label(labels::SPEC_HASH, spec.hash()),
        label(labels::GPUS, String::new()),
        label(labels::GPU_MEMORY, "0".to_owned()),
    ];
    Container {
        id: ContainerId(format!("{service}-{replica}")),
        name: format!("nacp.large.{service}.{replica}"),
        image: IMAGE.to_owned(),
        labels: labels.into(),
        state: ContainerState::Running,
        address: None,
        created: None,
    }
}

/// The processor time of this process so far, in seconds.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    // In hundredths of a second on every Linux.
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The share of a core that keeping an app of thirty services takes, in percent.
async fn idle_percent(plane: &ControlPlane, app: App, time: Duration) -> f64 {
    let name = app.name.clone();
    let wanted = Wanted::new(app).expect("it is valid");
    let (keeper, kept) = (plane.clone(), wanted.clone());
    let keeping = tokio::spawn(async move { keeper.keep(&kept).await });
    while !plane.status(&name).await.is_ok_and(|status| status.ready() && status.replicas.len() == 30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = processor();
    tokio::time::sleep(time).await;
    let taken = processor() - before;
    keeping.abort();
    drop(keeping.await);
    plane.delete(&name).await.expect("it is removed");
    100.0 * taken / time.as_secs_f64()
}

#[tokio::main]
async fn main() {
    if std::env::args().any(|option| option == "--plan") {
        let (absent, present) = plan_ms();
        println!("plan for 10,000 replicas: {absent:.1} ms for none there, {present:.1} ms for all there");
        println!("{}", serde_json::json!({ "bench": "orchestrate", "plan_10k_ms": absent.max(present) }));
        return;
    }
    let rounds = option("--rounds", 5);
    let idle = Duration::from_secs(option("--idle", 60));
    let docker = Docker::connect().await.expect("a Docker daemon answers");
    let engine: Arc<dyn Engine> = Arc::new(docker);
    let plane = ControlPlane::new(node(), Arc::clone(&engine));
    let floor = floor::Floor::connect();
    let compose = compose::version();
    let about = engine.info().await.expect("it tells what it is");
    println!("{} {}; compose: {}", about.name, about.version, compose.as_deref().unwrap_or("missing"));

    let mut table = Table::new();
    table.set_header(["services", "nacp ms", "floor ms", "compose ms", "nacp / floor", "nacp / compose"]);
    let (mut to_floor, mut to_compose) = (Vec::new(), Vec::new());
    for services in SIZES {
        let name = format!("bench-{}-{services}", std::process::id());
        let app = app(&name, services);
        let (mut own, mut by_hand, mut others) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms up and is not counted.
        for round in 0..=rounds {
            // Who goes first changes from round to round.
            let (one, least) = match round % 2 {
                0 => {
                    let one = applied(&plane, &app).await;
                    (one, floor.run(&name, services).await)
                }
                _ => {
                    let least = floor.run(&name, services).await;
                    (applied(&plane, &app).await, least)
                }
            };
            let other = compose.as_ref().map(|_| compose::run(&name, services));
            if round > 0 {
                own.push(one);
                by_hand.push(least);
                others.extend(other);
            }
        }
        let ratio = median(&own) / median(&by_hand);
        to_floor.push(ratio);
        let against = (!others.is_empty()).then(|| median(&own) / median(&others));
        to_compose.extend(against);
        table.add_row([
            services.to_string(),
            shown(&own),
            shown(&by_hand),
            shown(&others),
            format!("{ratio:.2}"),
            against.map_or("missing".to_owned(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    println!("{table}");
    let (absent, present) = plan_ms();
    println!("plan for 10,000 replicas: {absent:.1} ms for none there, {present:.1} ms for all there");
    let percent = idle_percent(&plane, app(&format!("bench-{}-idle", std::process::id()), 30), idle).await;
    println!("keeping thirty services for {} s: {percent:.3} % of a core", idle.as_secs());
    let worst = |ratios: &[f64]| ratios.iter().copied().reduce(f64::max).map(|ratio| (ratio * 1e3).round() / 1e3);
    let line = serde_json::json!({
        "bench": "orchestrate",
        "ratio_to_floor": worst(&to_floor),
        "ratio_to_compose": worst(&to_compose),
        "plan_10k_ms": absent.max(present),
        "idle_cpu_percent": percent,
    });
    println!("{line}");
}
