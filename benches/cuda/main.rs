//! What CUDA costs through NACP: the way to a context beside bare C, the answer without a driver, and the CPU's part.
//!
//! Options: `--rounds N` (default 25) processes of each way, `--repeats N` (5) of each kernel on the CPU. A way to a
//! context is measured in a fresh process each time, the ways in turns. The library is the simulated one, once with no
//! latency and once with assumed ones, and the real one where there is one; peers in Python are left out, and said so,
//! where they are not installed.

mod context;
mod peers;
mod reference;
mod work;

use serde_json::{Value, json};

use context::Scenario;

fn option(name: &str, default: u32) -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().expect("a whole number"))
}

fn main() {
    if let Ok(way) = std::env::var(work::WAY) {
        println!("{}", work::run(&way));
        return;
    }
    // Without `--bench` it is cargo test that runs it: then it only has to work.
    let test = !std::env::args().any(|argument| argument == "--bench");
    let rounds = if test { 2 } else { option("--rounds", 25) };
    let mut json = json!({ "bench": "cuda" });

    for scenario in Scenario::all() {
        match scenario {
            Ok(scenario) => {
                let ratio = contexts(&scenario, rounds);
                json[format!("context_ratio_to_floor{}", scenario.suffix)] = round(ratio);
                if !test {
                    peers::print(&scenario);
                }
            }
            Err(reason) => println!("\nleft out: {reason}"),
        }
    }

    match work::without_driver(rounds) {
        Some((check, probe)) => {
            println!("\nthe answer without a driver, {rounds} fresh processes of each, in turns");
            println!("{:>28} {:>11} {:>11} {:>17}", "question", "p50 ms", "p95 ms", "whole process ms");
            for (name, times) in [("cuda::check(Level::Quick)", &check), ("cuda::probe()", &probe)] {
                let [p50, p95, whole] =
                    [times.inside(50), times.inside(95), times.whole(50)].map(|micros| micros / 1e3);
                println!("{name:>28} {p50:>11.3} {p95:>11.3} {whole:>17.2}");
            }
            json["no_driver_ms"] = round(check.inside(50) / 1e3);
            json["no_driver_p95_ms"] = round(check.inside(95) / 1e3);
        }
        None => println!("\nleft out: the answer without a driver, because this machine has one"),
    }

    let (one, all) = reference::print(if test { 1 } else { option("--repeats", 5) }, test);
    json["reference_one_core_ms"] = round(one);
    json["reference_all_cores_ms"] = round(all);
    println!("{json}");
}

/// Prints how long each way to a context takes; the ratio of NACP to the floor.
fn contexts(scenario: &Scenario, rounds: u32) -> f64 {
    println!("\ntime to a context, {}, {rounds} fresh processes of each way, in turns", scenario.title);
    println!("{:>28} {:>11} {:>11} {:>9} {:>17}", "way", "p50 ms", "p95 ms", "x floor", "whole process ms");
    let (floor, nacp) = scenario.measure(rounds);
    for (name, times) in [("C: dlopen, init, retain", &floor), ("NACP: open, init, retain", &nacp)] {
        let [p50, p95, whole] = [times.inside(50), times.inside(95), times.whole(50)].map(|micros| micros / 1e3);
        println!("{name:>28} {p50:>11.3} {p95:>11.3} {:>9.3} {whole:>17.2}", p50 / (floor.inside(50) / 1e3));
    }
    let more = nacp.inside(50) - floor.inside(50);
    println!("NACP takes {more:.0} µs more than the floor");
    nacp.inside(50) / floor.inside(50)
}

/// Three digits after the point, so that the JSON stays readable.
fn round(value: f64) -> Value {
    json!((value * 1e3).round() / 1e3)
}
