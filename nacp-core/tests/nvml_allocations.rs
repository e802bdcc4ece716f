//! A tick of telemetry through NVML allocates nothing: proved by counting what the allocator is asked for.

#![cfg(all(target_os = "linux", feature = "nvml", feature = "sim"))]

mod counting;
mod sim_nvml;

use nacp_core::gpu::{Fields, Source};

use counting::allocations;

fn a_tick_allocates_nothing_on(test: &str, node: &str) {
    let Some(nvml) = sim_nvml::alone(test, &[("NACP_SIM_NODE", node)]) else { return };
    let gpus = nvml.inventory().unwrap();
    for (what, fields) in [
        ("fast", Fields::FAST),
        ("fast and medium", Fields::FAST | Fields::MEDIUM),
        ("all", Fields::ALL),
        ("fast again, of samples that hold more", Fields::FAST),
    ] {
        let mut samples = Vec::new();
        let mut tick = || nvml.sample(fields, &mut samples).unwrap();
        // The first learns what the machine answers, the second has counters to compare.
        tick();
        tick();
        assert_eq!(allocations(|| (0..100).for_each(|_| tick())), 0, "{what}");
        assert_eq!(samples.len(), gpus.len());
    }
    assert!(allocations(|| drop(vec![1])) > 0, "the allocator counts");
}

#[test]
fn a_tick_allocates_nothing_on_a_server() {
    a_tick_allocates_nothing_on("a_tick_allocates_nothing_on_a_server", "h100x8");
}

#[test]
fn a_tick_allocates_nothing_on_a_laptop_that_refuses_much() {
    a_tick_allocates_nothing_on("a_tick_allocates_nothing_on_a_laptop_that_refuses_much", "rtx3050ti-laptop-wsl2");
}

#[test]
fn a_tick_allocates_nothing_on_a_server_with_partitions() {
    a_tick_allocates_nothing_on("a_tick_allocates_nothing_on_a_server_with_partitions", "a100-mig");
}
