//! What the doctor and the decision take on this machine, beside the floor and `docker info`, and what the doctor finds.
//!
//! Options: `--rounds N` (default 11) processes of each way, in turns. The floor reads the same files and asks the daemon
//! once each of the questions that must be asked. Without a driver the decision has nothing to compute; so it is also
//! timed on the simulated libraries of eight H100, whose checks are computed on the CPU.

#[allow(dead_code, reason = "the tests of the core use the rest")]
#[path = "../../nacp-core/tests/doctor/cases.rs"]
mod cases;
mod floor;
#[allow(dead_code, reason = "the tests of the core use the table itself")]
#[path = "../../nacp-core/tests/doctor/natures.rs"]
mod natures;
mod work;

use cases::Machine;
use nacp_core::host::doctor::{CATALOGUE, diagnose};
use serde_json::{Value, json};

use work::Ways;

fn option(name: &str, default: u32) -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |value| value.parse().expect("a whole number"))
}

fn main() {
    // This program is also the child that touches a driver.
    if nacp_core::answer() {
        return;
    }
    if let Ok(way) = std::env::var(work::WAY) {
        println!("{}", work::run(&way));
        return;
    }
    // Without `--bench` it is cargo test that runs it: then it only has to work.
    let test = !std::env::args().any(|argument| argument == "--bench");
    let rounds = if test { 1 } else { option("--rounds", 11) };
    let mut json = json!({ "bench": "host" });

    println!("fresh processes of each way, in turns, {rounds} rounds; ms inside of the process, by its own clock");
    for ways in Ways::all() {
        times(&ways, rounds, &mut json);
    }
    catalogue(&mut json);
    println!("{json}");
}

fn times(ways: &Ways, rounds: u32, json: &mut Value) {
    println!("\n{}", ways.title);
    println!("{:>36} {:>10} {:>10} {:>9}", "way", "p50 ms", "p95 ms", "x floor");
    let mut floor = None;
    for (way, times) in ways.measure(rounds) {
        let [p50, p95] = [50, 95].map(|part| work::quantile(&times, part));
        let ratio = floor.map_or(1.0, |floor: f64| p50 / floor);
        floor.get_or_insert(p50);
        println!("{:>36} {:>10.2} {:>10.2} {ratio:>9.1}", way.title(), p50 * 1e3, p95 * 1e3);
        json[format!("{}{}_s", way.name(), ways.suffix)] = round(p50);
    }
}

/// Holds every machine of the tests against the catalogue.
fn catalogue(json: &mut Value) {
    let finds = |machine: &Machine, id: &str| {
        diagnose(&machine.survey()).findings.iter().any(|finding| finding.id.to_string() == id)
    };
    let (mut machines, mut fired, mut beside) = (0, 0, 0);
    for entry in CATALOGUE {
        let id = entry.id.to_string();
        let (ill, near) = (Machine::of_entry(&id, "fires"), Machine::of_entry(&id, "quiet"));
        machines += ill.len() + near.len();
        fired += u32::from(!ill.is_empty() && ill.iter().all(|machine| finds(machine, &id)));
        beside += near.iter().filter(|machine| finds(machine, &id)).count();
    }
    let whole = Machine::of_hosts();
    let healthy = whole.iter().filter(|machine| natures::expected(&machine.name).is_empty()).count();
    let alarm = |machine: &Machine| {
        let expected = natures::expected(&machine.name);
        let findings = diagnose(&machine.survey()).findings;
        findings.iter().filter(|finding| !expected.contains(&finding.id.to_string().as_str())).count()
    };
    let alarms: usize = whole.iter().map(alarm).sum();
    println!(
        "\nthe catalogue on {machines} machines that are broken or nearly so, {healthy} that are healthy, and {} whose \
         findings are their nature",
        whole.len() - healthy
    );
    println!("{:>36} {fired} of {}", "entries that fire where they should", CATALOGUE.len());
    println!("{:>36} {beside}", "on a near neighbour");
    println!("{:>36} {alarms}", "more than its nature on any other");
    json["catalogue"] = json!(CATALOGUE.len());
    json["catalogue_fired"] = json!(fired);
    json["false_alarms"] = json!(alarms + beside);
}

/// Four digits after the point: a tenth of a millisecond.
fn round(seconds: f64) -> Value {
    json!((seconds * 1e4).round() / 1e4)
}
