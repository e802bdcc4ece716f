//! What one routing decision costs, beside the floor of taking and returning a counted reference.
//!
//! Options: `--rounds N` (default 21), `--decisions N` per round (default 200000).

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use nacp_core::engine::Endpoint;
use nacp_core::route::{Request, Router};

const SIZES: [u16; 4] = [2, 32, 1024, 2048];
const MODEL: &str = "phi3:mini";

fn router(endpoints: u16) -> Router {
    let router = Router::new();
    router.update((0..endpoints).map(|index| {
        let address = ([127, 0, 0, 1], 8000 + index).into();
        Endpoint::new("assistant", "llm", format!("assistant-llm-{index}"), address).model(MODEL)
    }));
    router
}

/// Nanoseconds of each call.
fn time(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// The least that a lease can be: a counted reference to the endpoint, one request more, and one less.
fn floor(counted: &Arc<AtomicU32>) {
    let lease = Arc::clone(black_box(counted));
    lease.fetch_add(1, Ordering::Relaxed);
    black_box(&lease).fetch_sub(1, Ordering::Relaxed);
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn option(name: &str, default: u32) -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().expect("a whole number"))
}

fn main() {
    // Without `--bench` it is cargo test that runs it: then it only has to work.
    let test = !std::env::args().any(|argument| argument == "--bench");
    let rounds = if test { 1 } else { option("--rounds", 21) };
    let decisions = if test { 100 } else { option("--decisions", 200_000) };

    let routers = SIZES.map(router);
    let counted = Arc::new(AtomicU32::new(0));
    let mut floors = Vec::new();
    let mut times = SIZES.map(|_| Vec::new());
    for _ in 0..rounds {
        floors.push(time(decisions, || floor(&counted)));
        for (router, times) in routers.iter().zip(&mut times) {
            times.push(time(decisions, || drop(black_box(router.route(&Request::new(black_box(MODEL)))))));
        }
    }

    let floor = median(&mut floors);
    println!("one thread, {rounds} rounds of {decisions} decisions, medians; floor: Arc clone, add, subtract, drop");
    println!("{:>10} {:>12} {:>16} {:>9}", "endpoints", "ns/decision", "decisions/s", "x floor");
    println!("{:>10} {floor:>12.1} {:>16.0} {:>9.2}", "floor", 1e9 / floor, 1.0);
    let mut json = format!("{{\"bench\":\"route\",\"ns_floor\":{floor:.1}");
    let mut worst: f64 = 0.0;
    for (size, times) in SIZES.iter().zip(&mut times) {
        let time = median(times);
        worst = worst.max(time / floor);
        println!("{size:>10} {time:>12.1} {:>16.0} {:>9.2}", 1e9 / time, time / floor);
        json.push_str(&format!(",\"ns_{size}\":{time:.1}"));
    }
    println!("{json},\"ratio_to_floor\":{worst:.2}}}");
}
