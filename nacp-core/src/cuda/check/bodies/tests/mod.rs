//! Every check of speed with every way in which it can end, on a device that does what a test tells it.

mod bandwidth;
mod common;
mod determinism;
mod launch;
mod memory;
mod peer;
mod stream;
mod throughput;

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::virtual_device::{self, MEMORY, Setup, Stage};
use super::{
    Body, bandwidth as bw, launch as lat, measure, memory as mem, peer as p2p, stream as strm, throughput as thr,
};
use crate::cuda::check::{Outcome, Skip, Status, Stop};
use crate::cuda::{Fault, FaultKind};

const ALL: [(&str, Body); 11] = [
    ("mem.pattern", mem::patterns),
    ("bw.h2d", bw::host_to_device),
    ("bw.d2h", bw::device_to_host),
    ("bw.d2d", bw::on_device),
    ("lat.launch", lat::launch),
    ("thr.fma", thr::fma),
    ("thr.mma", thr::mma),
    ("strm.priority", strm::priority),
    ("graph.capture", strm::capture),
    ("p2p.access", p2p::access),
    ("p2p.bandwidth", p2p::bandwidth),
];

/// A small machine: the CPU computes what its kernels answer.
fn stage(setup: Setup) -> Stage {
    let mut stage = Stage::new(setup);
    for device in &mut stage.devices {
        device.multiprocessors = 2;
    }
    stage
}

/// Two of them.
fn pair(setup: Setup) -> Stage {
    let mut stage = stage(setup);
    let mut devices = [0, 1].map(|ordinal| virtual_device::device(ordinal, "GPU"));
    devices.iter_mut().for_each(|device| device.multiprocessors = 2);
    stage.seat(devices.to_vec());
    stage
}

/// Runs a check; whatever it took of the device it gave back.
fn run(stage: &Stage, body: Body) -> Result<Outcome, Stop> {
    let ended = body(&stage.bench());
    assert!(stage.driver.is_clean(), "something was not given back: {:?}", stage.driver);
    ended
}

fn found(stage: &Stage, body: Body) -> Outcome {
    run(stage, body).expect("it ends by itself")
}

fn stopped(stage: &Stage, body: Body) -> Stop {
    run(stage, body).expect_err("it is stopped")
}

/// The value of a metric.
fn value(outcome: &Outcome, name: &str) -> f64 {
    let metric = outcome.metrics.iter().find(|metric| metric.name == name);
    metric.unwrap_or_else(|| panic!("no {name} in {:?}", names(outcome))).value
}

fn names(outcome: &Outcome) -> Vec<&str> {
    outcome.metrics.iter().map(|metric| metric.name.as_str()).collect()
}

/// What was read under a name.
fn told<'a>(outcome: &'a Outcome, what: &str) -> &'a str {
    let it = outcome.evidence.iter().find(|evidence| evidence.what == what);
    &it.unwrap_or_else(|| panic!("no {what} in {:?}", outcome.evidence)).value
}

/// The sentence of a warning or a failure, after the word for which of the two it is.
fn reason(outcome: &Outcome) -> String {
    match &outcome.status {
        Status::Pass => "pass".into(),
        Status::Warn { reason } => format!("warn: {reason}"),
        Status::Fail { reason } => format!("fail: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn close(got: f64, want: f64) {
    assert!((got / want - 1.0).abs() < 0.02, "{got} is not about {want}");
}
