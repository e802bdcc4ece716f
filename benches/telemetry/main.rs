//! What one tick of telemetry costs: NACP beside a bare C loop and the clients that others wrote.
//!
//! The same simulated library, 8 GPUs, the same twelve values of each: once answering at once, once with latencies like
//! those of real GPUs. Options: `--rounds N` (default 31), `--ticks N` per round (default 2000), `--scrapes N` (300),
//! `--seconds N` of the exporter at 1 Hz (10). Python peers are left out, and said so, without `target/venv-py`.

#[path = "../../nacp-core/tests/counting/mod.rs"]
mod counting;
mod exporter;
mod peers;
mod scenario;
mod ways;

use serde_json::{Value, json};

use scenario::Scenario;

fn option(name: &str, default: u32) -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().expect("a whole number"))
}

fn main() {
    // Without `--bench` it is cargo test that runs it: then it only has to work.
    let test = !std::env::args().any(|argument| argument == "--bench");
    let rounds = if test { 1 } else { option("--rounds", 31) };
    let ticks = if test { 10 } else { option("--ticks", 2000) };
    if let Some(library) = std::env::var_os(ways::LIBRARY) {
        println!("{}", ways::measure(library.as_ref(), rounds, ticks));
        return;
    }

    let mut json = json!({ "bench": "telemetry" });
    for scenario in Scenario::all(test) {
        println!("\n{}, {} GPUs, {} calls each", scenario.title, scenario.gpus, ways::CALLS);
        println!(
            "{:>22} {:>11} {:>11} {:>9} {:>11} {:>12}",
            "way", "p50 µs", "p99 µs", "x floor", "calls/tick", "allocs/tick"
        );
        let ticks = ticks.min(scenario.most_ticks);
        let native = scenario.native(rounds, ticks);
        let floor = micros(&native, "floor", "p50_us");
        for way in ["floor", "nvml-wrapper", "nacp"] {
            row(way, &native[way], floor, native[way]["calls"].as_f64());
        }
        let ratio = native["ratio"].as_f64().expect("a ratio");
        println!("NACP / floor: {ratio:.3} (median of the rounds' ratios)");
        let key = |name: &str| format!("{name}{}", scenario.suffix);
        json[key("ratio_to_floor")] = round(ratio);
        json[key("p50_us")] = round(micros(&native, "nacp", "p50_us"));
        json["allocs_per_tick"] = native["nacp"]["allocations"].clone();
        for (name, peer) in peers::all(&scenario, if test { 2 } else { ticks }) {
            row(name, &peer, floor, peer["calls"].as_f64());
            let times = peer["p50_us"].as_f64().expect("a time") / micros(&native, "nacp", "p50_us");
            json[key(&format!("ratio_{}", name.replace('-', "_")))] = round(times);
        }
    }
    let scrapes = if test { 5 } else { option("--scrapes", 300) };
    if let Some(seen) =
        exporter::measure(&Scenario::zero_cost(), scrapes, if test { 1 } else { option("--seconds", 10) })
    {
        println!("\nexporter, 8 GPUs: {seen}");
        for (name, value) in seen.json() {
            json[name] = round(value);
        }
    }
    println!("{json}");
}

fn micros(native: &Value, way: &str, what: &str) -> f64 {
    native[way][what].as_f64().expect("a time")
}

fn row(way: &str, measured: &Value, floor: f64, calls: Option<f64>) {
    let number = |name: &str| measured[name].as_f64();
    let p50 = number("p50_us").expect("a time");
    let text = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    println!(
        "{way:>22} {p50:>11.2} {:>11} {:>9.2} {:>11} {:>12}",
        text(number("p99_us"), 2),
        p50 / floor,
        text(calls, 0),
        text(number("allocations"), 2)
    );
}

/// Three digits after the point, so that the JSON stays readable.
fn round(value: f64) -> Value {
    json!((value * 1e3).round() / 1e3)
}
