//! `nacp.lock` as a user works with it: written on one machine, verified on another, kept in a file.
#![expect(clippy::disallowed_methods, reason = "a writer is killed at moments of real time")]

mod certificates;
mod drifts;
mod files;
mod images;
mod machines;

use std::path::Path;

use jiff::Timestamp;
use nacp_core::cuda::determinism::{Certificate, Circumstances, certify};
use nacp_core::cuda::{Profile, probe_with};
use nacp_core::host::lock::{ImagePin, Lock};
use nacp_core::host::{Root, Seen, Survey};
use nacp_core::service::App;
use nacp_core::sim;
use serde_json::json;

/// When the locks of these tests are made.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn app() -> App {
    App::parse(
        "
name: assistant
services:
  embed: { image: 'example/embedder:2' }
  llm: { image: 'ollama/ollama:0.16.1', model: 'phi3:mini', determinism: strict }
",
    )
    .unwrap()
}

/// The machine in `tests/fixtures/hosts/NAME`.
fn survey(name: &str) -> Survey {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts").join(name);
    Survey::builder().root(Root::open(folder).unwrap()).read()
}

/// What a daemon answers about an image that it pulled.
fn pulled(image: &str, digit: char) -> ImagePin {
    let repository = image.split(':').next().unwrap();
    let hash = String::from(digit).repeat(64);
    let answer = json!({ "Id": format!("sha256:{hash}"), "RepoDigests": [format!("{repository}@sha256:{hash}")] });
    ImagePin::of_answer(image, &Seen::Found(answer.to_string()))
}

/// A lock of this machine with everything pinned but certificates.
fn lock(name: &str) -> Lock {
    Lock::of(&survey(name), at(0))
        .app(&app())
        .image("llm", pulled("ollama/ollama:0.16.1", 'a'))
        .image("embed", pulled("example/embedder:2", 'b'))
}

/// A certificate of a simulated device, by this version of its driver.
fn certificate(driver: &sim::Cuda, version: &str) -> Certificate {
    let device = &probe_with(driver).unwrap().devices[0];
    certify(driver, device, Profile::Tiny, &Circumstances::at(at(0)).driver(version.to_owned())).unwrap()
}

/// A survey of the simulated machine whose certificates these are.
fn simulated(version: &str) -> Survey {
    let driver = sim::Cuda::named("h100x8").unwrap();
    let probe = probe_with(&driver).unwrap();
    let mut survey = survey("bare-metal-docker");
    survey.nvml.simulated = true;
    survey.nvml.driver = Seen::Found(version.into());
    survey.nvml.gpus.truncate(1);
    survey.nvml.gpus[0].name = probe.devices[0].name.clone();
    survey
}
