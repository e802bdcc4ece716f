//! Each fact that can change: what the change can do, in both directions, and why.

use nacp_core::host::lock::{Drift, Effect, Lock, Pin, Side, Verification};
use nacp_core::service::Service;

use crate::{app, lock, pulled};

const MACHINE: &str = "bare-metal-docker";
const GPU: &str = "NVIDIA GeForce RTX 4090";

fn known(text: &str) -> Pin {
    Pin::Known(text.into())
}

fn changed(change: fn(&mut Lock)) -> (Lock, Lock) {
    let before = lock(MACHINE);
    let mut after = before.clone();
    change(&mut after);
    (before, after)
}

fn only(verification: &Verification) -> &Drift {
    assert_eq!(verification.drifts.len(), 1, "{verification}");
    &verification.drifts[0]
}

/// One row: what changes, its name, what it can do there and back, and a part of each reason.
type Row = (fn(&mut Lock), &'static str, (Effect, &'static str), (Effect, &'static str));

#[test]
fn each_change_tells_what_it_can_do_and_why_in_both_directions() {
    use Effect::{Nothing, Performance, Results};
    let table: &[Row] = &[
        (
            |lock| lock.system.simulated = true,
            "system.simulated",
            (Results, "a simulated GPU does not exist"),
            (Results, "a simulated GPU does not exist"),
        ),
        (
            |lock| lock.system.runtime = known("docker container on WSL2"),
            "system.runtime",
            (Performance, "the path to the GPU"),
            (Performance, "the path to the GPU"),
        ),
        (
            |lock| lock.system.option = known("b_container"),
            "system.option",
            (Performance, "another option of the founding decision"),
            (Performance, "another option of the founding decision"),
        ),
        (
            |lock| lock.system.kernel = known("6.8.0-90-generic"),
            "system.kernel",
            (Nothing, "a maintenance release"),
            (Nothing, "a maintenance release"),
        ),
        (
            |lock| lock.system.kernel = known("6.11.0-29-generic"),
            "system.kernel",
            (Performance, "another kernel"),
            (Performance, "another kernel"),
        ),
        (
            |lock| lock.driver.version = known("580.105.08"),
            "driver.version",
            (Results, "a newer release of branch 580: its compiler for PTX"),
            (Results, "an older release of branch 580: its compiler for PTX"),
        ),
        (
            |lock| lock.driver.version = known("590.44.01"),
            "driver.version",
            (Results, "a newer driver, of branch 590 in place of 580"),
            (Results, "an older driver, of branch 580 in place of 590"),
        ),
        (
            |lock| lock.driver.version = Pin::None,
            "driver.version",
            (Results, "there is no driver"),
            (Results, "another driver"),
        ),
        (
            |lock| lock.driver.cuda = known("13.1"),
            "driver.cuda",
            (Results, "another version of CUDA"),
            (Results, "another version of CUDA"),
        ),
        (
            |lock| lock.toolkit = known("1.20.0"),
            "toolkit",
            (Nothing, "computes nothing"),
            (Nothing, "computes nothing"),
        ),
        (
            |lock| lock.toolkit = Pin::None,
            "toolkit",
            (Results, "compute on the CPU without a word"),
            (Nothing, "computes nothing"),
        ),
        (
            |lock| lock.engine.name = known("Docker Desktop"),
            "engine.name",
            (Performance, "in a virtual machine"),
            (Performance, "in a virtual machine"),
        ),
        (
            |lock| lock.engine.name = known("Podman"),
            "engine.name",
            (Results, "Podman drops"),
            (Results, "Podman drops"),
        ),
        (
            |lock| lock.engine.version = known("28.9.9"),
            "engine.version",
            (Nothing, "starts the same image"),
            (Nothing, "starts the same image"),
        ),
        (
            |lock| lock.engine.version = known("29.7.2"),
            "engine.version",
            (Results, "from 29.2 on"),
            (Results, "from 29.2 on"),
        ),
        (
            |lock| lock.engine.version = known("28.1.1"),
            "engine.version",
            (Results, "before 28.2"),
            (Results, "before 28.2"),
        ),
        (
            |lock| lock.toolkit = known("1.19.1"),
            "toolkit",
            (Results, "CUDA does not start"),
            (Results, "CUDA does not start"),
        ),
        (
            |lock| lock.engine.api = known("1.55"),
            "engine.api",
            (Nothing, "starts the same image"),
            (Nothing, "starts the same image"),
        ),
        (
            |lock| gpu(lock, |gpu| gpu.count = 1),
            "gpus.NVIDIA GeForce RTX 4090.count",
            (Performance, "fewer or more services fit"),
            (Performance, "fewer or more services fit"),
        ),
        (
            |lock| gpu(lock, |gpu| gpu.compute = Some("9.0".into())),
            "gpus.NVIDIA GeForce RTX 4090.compute",
            (Results, "compute capability"),
            (Results, "compute capability"),
        ),
        (
            |lock| gpu(lock, |gpu| gpu.vbios = Some("95.02.3c.80.ff".into())),
            "gpus.NVIDIA GeForce RTX 4090.vbios",
            (Performance, "the firmware sets clocks"),
            (Performance, "the firmware sets clocks"),
        ),
        (
            |lock| gpu(lock, |gpu| gpu.memory = Some(48 << 30)),
            "gpus.NVIDIA GeForce RTX 4090.memory",
            (Results, "another order of sums"),
            (Results, "another order of sums"),
        ),
        (
            |lock| gpu(lock, |gpu| gpu.uuid[0] = "GPU-00000009-0000-4000-8000-000000000009".into()),
            "gpus.NVIDIA GeForce RTX 4090.uuid",
            (Nothing, "another of the same kind"),
            (Nothing, "another of the same kind"),
        ),
        (
            |lock| gpu(lock, |gpu| gpu.name = "NVIDIA L40S".into()),
            "gpus.NVIDIA GeForce RTX 4090",
            (Results, "another model is of another architecture"),
            (Results, "a model that was not there"),
        ),
        (
            |lock| lock.gpus = Pin::None,
            "gpus.NVIDIA GeForce RTX 4090",
            (Results, "another model is of another architecture"),
            (Results, "a model that was not there"),
        ),
        (
            |lock| drop(lock.services.remove("embed")),
            "services.embed",
            (Results, "the app has no such service"),
            (Results, "not pinned at all"),
        ),
        (
            |lock| *lock = lock.clone().image("llm", pulled("ollama/ollama:0.16.1", 'c')),
            "services.llm.image",
            (Results, "the name stands for another image now"),
            (Results, "the name stands for another image now"),
        ),
        (
            |lock| lock.services.get_mut("llm").unwrap().image = "ollama/ollama:stable".into(),
            "services.llm.image",
            (Nothing, "only the name is another"),
            (Nothing, "only the name is another"),
        ),
        (
            |lock| lock.services.get_mut("llm").unwrap().spec = "v1:0".into(),
            "services.llm.spec",
            (Results, "arguments, environment, image"),
            (Results, "arguments, environment, image"),
        ),
        (
            |lock| lock.services.get_mut("llm").unwrap().model = Some("phi4".into()),
            "services.llm.model",
            (Results, "another model answers"),
            (Results, "another model answers"),
        ),
        (
            |lock| lock.services.get_mut("llm").unwrap().determinism = None,
            "services.llm.determinism",
            (Results, "the variables that let CUDA programs repeat"),
            (Results, "the variables that let CUDA programs repeat"),
        ),
    ];
    for (change, item, there, back) in table {
        let (before, after) = changed(*change);
        for (verification, (effect, why)) in [(before.verify(&after), there), (after.verify(&before), back)] {
            let drift = verification.drifts.iter().find(|drift| drift.item == *item);
            let drift = drift.unwrap_or_else(|| panic!("{item}: {verification}"));
            assert_eq!(drift.effect, *effect, "{item}: {verification}");
            assert!(drift.why.contains(why), "{item}: {verification}");
            assert_ne!(drift.locked, drift.found, "{item}");
            // Nobody is left without advice where something may be wrong.
            assert!(!drift.remedy.is_empty() || *effect == Effect::Nothing, "{item}");
            assert_eq!(verification.worst(), verification.drifts[0].effect, "{verification}");
        }
        assert!(!before.diff(&after).is_empty(), "{item}");
        let row = in_the_book(item);
        for (effect, _) in [there, back] {
            assert!(row.contains(effect.name()), "docs/lock.md does not say that {item} may change {effect}: {row}");
        }
    }
}

/// What the chapter says that a change of this fact may change.
fn in_the_book(item: &str) -> String {
    const CHAPTER: &str = include_str!("../../../docs/lock.md");
    let names = [GPU, "embed", "llm"];
    let name = names.iter().fold(item.to_owned(), |item, name| item.replace(&format!(".{name}"), ".*"));
    let row = CHAPTER.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
    let row = row.unwrap_or_else(|| panic!("docs/lock.md has no row for {name}"));
    row.trim_end_matches('|').rsplit('|').next().unwrap().to_owned()
}

fn gpu(lock: &mut Lock, change: fn(&mut nacp_core::host::lock::GpuPin)) {
    let Pin::Known(gpus) = &mut lock.gpus else { panic!("{:?}", lock.gpus) };
    assert_eq!((gpus.len(), gpus[0].name.as_str(), gpus[0].count), (1, GPU, 2));
    change(&mut gpus[0]);
}

#[test]
fn a_release_of_an_engine_that_treats_gpus_otherwise_may_change_results() {
    use Effect::{Nothing, Results};
    for (engine, from, to, effect) in [
        ("Podman", "5.3.2", "5.4.0", Results),
        ("Podman", "4.9.3", "5.3.2", Nothing),
        ("Podman", "5.4.0", "6.0.0-dev", Nothing),
        ("Podman", "24.0.0", "29.3.0", Nothing),
        ("Docker Engine", "24.0.9", "25.0.0", Results),
        ("Docker Engine", "26.1.5", "27.0.1", Nothing),
        ("Docker Engine", "28.1.1", "28.2.0", Results),
        ("Docker Engine", "29.1.5", "29.2.0", Results),
        ("Docker Engine", "29.2.0", "29.7.2", Nothing),
        ("Docker Engine", "odd", "29.7.2", Nothing),
    ] {
        let mut before = lock(MACHINE);
        (before.engine.name, before.engine.version) = (known(engine), known(from));
        let mut after = before.clone();
        after.engine.version = known(to);
        for verification in [before.verify(&after), after.verify(&before)] {
            assert_eq!(only(&verification).effect, effect, "{engine} {from} {to}: {verification}");
        }
    }
}

#[test]
fn nothing_has_changed_on_the_same_machine() {
    let lock = lock(MACHINE);
    let verification = lock.verify(&lock);
    assert_eq!((verification.worst(), &*verification.drifts), (Effect::Nothing, &[][..]));
    assert!(verification.holds(Effect::Nothing) && verification.error().is_none());
    assert!(verification.to_string().starts_with("as locked: nothing changed, 23 unchanged"), "{verification}");
}

#[test]
fn what_is_missing_now_is_unknown_and_never_equal() {
    type Row = (fn(&mut Lock), &'static str, Effect);
    let rows: &[Row] = &[
        (|lock| lock.driver.version = Pin::Unknown("it hangs".into()), "driver.version", Effect::Results),
        (|lock| lock.driver.cuda = Pin::Unknown("it hangs".into()), "driver.cuda", Effect::Results),
        (|lock| lock.system.kernel = Pin::Unknown("it hangs".into()), "system.kernel", Effect::Performance),
        (|lock| lock.system.runtime = Pin::Unknown("it hangs".into()), "system.runtime", Effect::Performance),
        (|lock| lock.toolkit = Pin::Unknown("it hangs".into()), "toolkit", Effect::Nothing),
        (|lock| lock.engine.name = Pin::Unknown("it hangs".into()), "engine.name", Effect::Performance),
        (|lock| lock.gpus = Pin::Unknown("it hangs".into()), "gpus", Effect::Results),
        (|lock| gpu(lock, |gpu| gpu.vbios = None), "gpus.NVIDIA GeForce RTX 4090.vbios", Effect::Performance),
        (|lock| gpu(lock, |gpu| gpu.compute = None), "gpus.NVIDIA GeForce RTX 4090.compute", Effect::Results),
        (
            |lock| {
                let service = lock.services.get_mut("llm").unwrap();
                service.digest = Pin::Unknown("it hangs".into());
                service.image_id = Pin::Unknown("it hangs".into());
            },
            "services.llm.image",
            Effect::Results,
        ),
    ];
    for (change, item, effect) in rows {
        let (before, after) = changed(*change);
        let there = before.verify(&after);
        assert!(there.drifts.is_empty() && !there.unchanged.iter().any(|same| same == item), "{there}");
        let unknown = there.unknown.iter().find(|unknown| unknown.item == *item).unwrap();
        assert_eq!((unknown.side, unknown.effect), (Side::Now, *effect), "{there}");
        assert_eq!(there.worst(), *effect, "{there}");
        assert_eq!(there.error().is_some(), *effect == Effect::Results, "{there}");
        // What was never pinned cannot have changed; that it was not is told.
        let back = after.verify(&before);
        let unknown = back.unknown.iter().find(|unknown| unknown.item == *item).unwrap();
        assert_eq!((unknown.side, back.worst()), (Side::Lock, Effect::Nothing), "{back}");
    }
}

#[test]
fn without_an_app_nothing_is_said_of_services() {
    let before = lock(MACHINE);
    let after = Lock::of(&crate::survey(MACHINE), crate::at(5));
    let verification = before.verify(&after);
    assert!(!verification.holds(Effect::Performance), "{verification}");
    assert!(verification.to_string().contains("services: not known now: no app was given"), "{verification}");
    assert!(after.verify(&before).holds(Effect::Nothing));
}

#[test]
fn another_value_in_nacp_yaml_is_told_by_its_hash() {
    let before = lock(MACHINE);
    let mut app = app();
    app.services.insert("embed".into(), Service::new("example/embedder:2").env("BATCH", "8"));
    let after = before.clone().app(&app).image("embed", pulled("example/embedder:2", 'b'));
    let verification = before.verify(&after);
    let changed: Vec<_> = verification.drifts.iter().map(|drift| drift.item.as_str()).collect();
    assert_eq!(changed, ["services.embed.spec"], "{verification}");
}

#[test]
fn an_image_of_no_registry_is_known_by_what_the_daemon_calls_it() {
    let (before, mut after) = changed(|_| {});
    let mut own = before.clone();
    for lock in [&mut own, &mut after] {
        lock.services.get_mut("llm").unwrap().digest = Pin::Unknown("never in a registry".into());
    }
    assert!(own.verify(&after).holds(Effect::Nothing));
    after.services.get_mut("llm").unwrap().image_id = known("sha256:0");
    let verification = own.verify(&after);
    let drift = only(&verification);
    assert_eq!((drift.item.as_str(), drift.effect), ("services.llm.image", Effect::Results));
    assert!(drift.remedy.contains("build or load"), "{drift:?}");
}

#[test]
fn another_kind_of_store_calls_the_same_image_otherwise() {
    let (before, mut after) = changed(|_| {});
    after.services.get_mut("llm").unwrap().image_id = known("sha256:0");
    assert!(before.verify(&after).drifts.is_empty());
}

#[test]
fn what_may_change_results_comes_first_and_is_the_error() {
    let (before, after) = changed(|lock| {
        lock.system.kernel = known("6.11.0-29-generic");
        lock.toolkit = known("1.20.0");
        lock.driver.version = known("580.105.08");
        *lock = lock.clone().image("llm", pulled("ollama/ollama:0.16.1", 'c'));
    });
    let verification = before.verify(&after);
    let effects: Vec<_> = verification.drifts.iter().map(|drift| drift.effect.name()).collect();
    assert_eq!(effects, ["results", "results", "performance", "nothing"]);
    assert!(verification.holds(Effect::Results) && !verification.holds(Effect::Performance));
    let error = verification.error().unwrap();
    assert_eq!(error.kind(), nacp_core::ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        "this is not what the lock pins: item=driver.version locked=580.95.05 found=580.105.08 changes=2; install driver \
         580.95.05, or make a certificate of each GPU with both and compare the bits"
    );
}

#[test]
fn a_verification_reads_as_text_markdown_and_json() {
    let (before, after) = changed(|lock| {
        lock.toolkit = known("1.20.0");
        lock.system.kernel = Pin::Unknown("a|b".into());
    });
    let verification = before.verify(&after);
    let text = verification.to_string();
    assert!(
        text.starts_with("results stay, performance may change: 1 change, 21 unchanged, 2 not compared\n"),
        "{text}"
    );
    assert!(text.contains("\n  nothing      toolkit: 1.18.0 -> 1.20.0\n               the toolkit hands"), "{text}");
    assert!(text.contains("\n  ?            system.kernel: not known now: a|b"), "{text}");
    let markdown = verification.markdown();
    assert!(markdown.contains("| nothing | toolkit | 1.18.0 | 1.20.0 | the toolkit hands"), "{markdown}");
    assert!(markdown.contains("| system.kernel | not known now: a\\|b |"), "{markdown}");
    let json: serde_json::Value = serde_json::from_str(&verification.to_json()).unwrap();
    assert_eq!(json["worst"], "performance");
    assert_eq!(json["holds"], serde_json::json!({ "nothing": false, "performance": true, "results": true }));
    assert_eq!(json["drifts"][0]["item"], "toolkit");
    assert_eq!(serde_json::from_value::<Verification>(json).unwrap(), verification);
}

#[test]
fn the_difference_of_two_locks_names_each_fact_in_full() {
    let (before, after) = changed(|lock| {
        lock.driver.version = known("580.105.08");
        drop(lock.services.remove("embed"));
    });
    let hash = "b".repeat(64);
    let spec = Service::new("example/embedder:2").hash();
    let expected = format!(
        "- driver.version: 580.95.05\n+ driver.version: 580.105.08\n- services.embed.image: example/embedder:2\n\
         - services.embed.digest: example/embedder@sha256:{hash}\n- services.embed.image_id: sha256:{hash}\n\
         - services.embed.spec: {spec}\n- services.embed.model: none\n- services.embed.determinism: none\n"
    );
    assert_eq!(before.diff(&after), expected);
    let swapped: String = expected.lines().rev().map(|line| line.to_owned() + "\n").collect();
    assert_eq!(after.diff(&before).lines().count(), swapped.lines().count());
}
