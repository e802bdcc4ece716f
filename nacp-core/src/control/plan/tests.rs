use std::collections::BTreeMap;

use super::preview::compare;
use super::*;
use crate::control::identity::{Particulars, container_spec};
use crate::control::observed::{Observed, Seen};
use crate::engine::{Container, ContainerState, labels};
use crate::service::{App, Determinism, GpuNeed, Service};
use crate::units::Bytes;

const FIRST: &str = "GPU-4100a801-0000-4000-8000-000000000001";
const SECOND: &str = "GPU-4100a802-0000-4000-8000-000000000002";

fn placed(service: &str, replica: u32, gpu: &str) -> Placement {
    Placement {
        service: service.into(),
        replica,
        gpus: vec![gpu.parse().unwrap()],
        memory: Bytes::gib(1),
        reason: "best fit".into(),
    }
}

fn app() -> App {
    let service = || Service::new("image").gpu(GpuNeed::memory(Bytes::gib(1)));
    App::new("a").service("db", service()).service("llm", service().depends_on("db"))
}

fn there(app: &App, placement: &Placement, state: ContainerState) -> Container {
    let spec = container_spec(app, &app.services[&placement.service], placement, Particulars::default());
    Container {
        id: ContainerId(format!("id-of-{}", spec.name)),
        name: spec.name,
        image: spec.image,
        labels: spec.labels,
        state,
        address: None,
        created: None,
    }
}

fn preview(
    app: &App,
    placements: Vec<Placement>,
    observed: &[Container],
    secrets: &BTreeMap<String, crate::control::Secrets>,
) -> crate::Result<Plan> {
    compare(app, placements, &Observed::of(&app.name, observed), secrets)
}

fn told(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(|action| format!("{}: {action}", action.wave)).collect()
}

#[test]
fn what_is_needed_is_created_a_wave_earlier() {
    let plan = preview(&app(), vec![placed("db", 0, FIRST), placed("llm", 0, FIRST)], &[], &BTreeMap::new()).unwrap();
    assert_eq!(
        told(&plan),
        ["0: create db/0: it is not there; best fit", "1: create llm/0: it is not there; best fit"]
    );
    assert_eq!(plan.waves(), 2);
}

#[test]
fn what_runs_as_wanted_is_adopted() {
    let placements = vec![placed("db", 0, FIRST), placed("llm", 0, FIRST)];
    let observed: Vec<_> =
        placements.iter().map(|placement| there(&app(), placement, ContainerState::Running)).collect();
    let plan = preview(&app(), placements, &observed, &BTreeMap::new()).unwrap();
    assert!(plan.is_empty());
    assert_eq!(told(&plan), ["0: keep db/0: it is as wanted", "1: keep llm/0: it is as wanted"]);
}

#[test]
fn a_container_whose_creator_died_before_starting_it_is_started() {
    let placements = vec![placed("db", 0, FIRST), placed("llm", 0, FIRST)];
    let observed = [there(&app(), &placements[0], ContainerState::Created)];
    let plan = preview(&app(), placements, &observed, &BTreeMap::new()).unwrap();
    assert_eq!(told(&plan)[0], "0: start db/0: it was created but never started");
}

#[test]
fn what_differs_is_replaced_and_what_has_ended_is_started_again() {
    let placements = vec![placed("db", 0, FIRST), placed("llm", 0, SECOND)];
    let ended = there(&app(), &placements[0], ContainerState::Exited(Some(1)));
    let moved = there(&app(), &placed("llm", 0, FIRST), ContainerState::Running);
    let plan = preview(&app(), placements.clone(), &[ended, moved], &BTreeMap::new()).unwrap();
    assert_eq!(
        told(&plan),
        [
            "0: remove llm/0: its GPUs have changed",
            "1: start db/0: it is exited (1)",
            "2: create llm/0: its GPUs have changed; best fit",
        ]
    );
    let old = there(&app(), &placements[0], ContainerState::Running);
    let mut newer = app();
    newer.services.get_mut("db").unwrap().image = "image:2".into();
    let plan = preview(&newer, vec![placements[0].clone()], &[old], &BTreeMap::new()).unwrap();
    assert_eq!(told(&plan)[0], "0: remove db/0: its specification has changed");
}

#[test]
fn what_is_no_longer_wanted_goes_and_other_apps_stay() {
    let surplus = there(&app(), &placed("llm", 1, SECOND), ContainerState::Running);
    let mut other = app();
    other.name = "b".into();
    let foreign = there(&other, &placed("db", 0, FIRST), ContainerState::Running);
    let plan = preview(&app(), vec![placed("db", 0, FIRST)], &[surplus, foreign], &BTreeMap::new()).unwrap();
    assert_eq!(
        told(&plan),
        ["0: remove llm/1: the app no longer wants it", "1: create db/0: it is not there; best fit"]
    );
}

#[test]
fn a_specification_that_another_version_wrote_is_no_reason_to_replace() {
    let mut odd = there(&app(), &placed("db", 0, FIRST), ContainerState::Running);
    odd.labels.insert(labels::SPEC.into(), r#"{"image":"image","of-a-later-version":1}"#.into());
    let plan = preview(&app(), vec![placed("db", 0, FIRST)], &[odd.clone()], &BTreeMap::new()).unwrap();
    assert_eq!(told(&plan)[0], "0: keep db/0: it is as wanted");
    assert_eq!(Seen::of(&odd).unwrap().memory, Bytes::gib(1));
}

#[test]
fn a_container_that_does_not_tell_its_specification_is_replaced() {
    let mut odd = there(&app(), &placed("db", 0, FIRST), ContainerState::Running);
    odd.labels.remove(labels::SPEC_HASH);
    let plan = preview(&app(), vec![placed("db", 0, FIRST)], &[odd], &BTreeMap::new()).unwrap();
    assert_eq!(told(&plan)[0], "0: remove db/0: its specification has changed");
}

#[test]
fn a_variable_that_keeps_a_strict_service_from_repeating_is_in_the_plan() {
    let strict = Service::new("image").gpu(GpuNeed::memory(Bytes::gib(1))).determinism(Determinism::Strict);
    let own = strict.clone().env("NVIDIA_TF32_OVERRIDE", "1").env("PYTHONHASHSEED", "0");
    let app = App::new("a").service("db", own).service("llm", strict);
    let placements = vec![placed("db", 0, FIRST), placed("llm", 0, FIRST)];
    assert_eq!(
        told(&preview(&app, placements.clone(), &[], &BTreeMap::new()).unwrap()),
        [
            "0: create db/0: it is not there; best fit; NVIDIA_TF32_OVERRIDE stays as `env` has it, and \
             `determinism: strict` would set 0",
            "0: create llm/0: it is not there; best fit",
        ]
    );
    let spec = container_spec(&app, &app.services["db"], &placements[0], Particulars::default());
    assert_eq!((spec.env["NVIDIA_TF32_OVERRIDE"].as_str(), spec.env.len()), ("1", 5));
    assert_eq!(
        spec.labels[labels::DETERMINISM],
        "CUBLAS_WORKSPACE_CONFIG=:4096:8,CUDA_DEVICE_ORDER=PCI_BUS_ID,NCCL_NVLS_ENABLE=0"
    );
    let plain = container_spec(&self::app(), &self::app().services["db"], &placements[0], Particulars::default());
    assert!(plain.env.is_empty() && !plain.labels.contains_key(labels::DETERMINISM));
}
