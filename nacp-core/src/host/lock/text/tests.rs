//! The text of a lock: what it looks like, that it is read again as it was, and what is refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::cuda::determinism::{Profile, Scope};
use crate::host::lock::{CertificatePin, DriverPin, EnginePin, GpuPin, Made, Pin, ServicePin, SystemPin, WslPin};
use crate::service::Determinism;

fn known(text: &str) -> Pin {
    Pin::Known(text.into())
}

fn lock() -> Lock {
    let llm = ServicePin {
        image: "ollama/ollama:0.16.1".into(),
        digest: known("ollama/ollama@sha256:1f"),
        image_id: known("sha256:9a"),
        spec: "v1:b0".into(),
        model: Some("phi3:mini".into()),
        determinism: Some(Determinism::Strict),
    };
    let own = ServicePin {
        image: "own:1".into(),
        digest: Pin::Unknown("the image was never in a registry: it has no digest there".into()),
        model: None,
        determinism: None,
        ..llm.clone()
    };
    let gpu = |name: &str, count, uuid: &[&str]| GpuPin {
        name: name.into(),
        count,
        compute: Some("9.0".into()),
        vbios: Some("96.00.74.00.01".into()),
        memory: Some(85_520_809_984),
        uuid: uuid.iter().map(|uuid| (*uuid).into()).collect(),
    };
    let certificate = CertificatePin {
        device: "NVIDIA H100 80GB HBM3".into(),
        compute: "9.0".into(),
        profile: Profile::Standard,
        suite: 1,
        programs: ["aa".into(), "bb".into()],
        bits: "0c".into(),
        kernels: [("nacp_fma".into(), "d0".into()), ("nacp_hash".into(), "e1".into())].into(),
        scope: Scope::CpuVerified,
        driver: Some("580.95.05".into()),
        simulated: false,
    };
    Lock {
        format: FORMAT,
        made: Made { at: Timestamp::from_second(1_795_000_000).unwrap(), nacp: "0.1.0".into(), suite: 1 },
        system: SystemPin {
            simulated: false,
            runtime: known("docker container on native Linux on bare metal"),
            option: known("native_linux"),
            kernel: known("6.8.0-85-generic"),
            wsl: None,
        },
        driver: DriverPin {
            version: known("580.95.05"),
            branch: known("580"),
            cuda: known("13.0"),
            libcuda: known("7a"),
        },
        toolkit: Pin::None,
        engine: EnginePin { name: known("Docker Engine"), version: known("28.5.1"), api: known("1.51") },
        gpus: Pin::Known(vec![gpu("NVIDIA H100 80GB HBM3", 2, &["GPU-1", "GPU-2"]), gpu("NVIDIA L4", 1, &[])]),
        app: Some("assistant".into()),
        services: [("llm".into(), llm), ("own".into(), own)].into(),
        certificates: vec![certificate],
    }
}

#[test]
fn one_fact_stands_on_a_line_and_what_is_unknown_says_why() {
    let expected = r#"# What a reproducible run needs, pinned by NACP. Write it anew rather than by hand.
format: 1
made:
  at: "2026-11-18T11:06:40Z"
  nacp: "0.1.0"
  suite: 1
system:
  kernel: "6.8.0-85-generic"
  option: native_linux
  runtime: docker container on native Linux on bare metal
  simulated: false
driver:
  branch: "580"
  cuda: "13.0"
  libcuda: "7a"
  version: "580.95.05"
toolkit: null
engine:
  name: Docker Engine
  api: "1.51"
  version: "28.5.1"
gpus:
  - name: NVIDIA H100 80GB HBM3
    compute: "9.0"
    count: 2
    memory: 85520809984
    uuid:
      - GPU-1
      - GPU-2
    vbios: "96.00.74.00.01"
  - name: NVIDIA L4
    compute: "9.0"
    count: 1
    memory: 85520809984
    vbios: "96.00.74.00.01"
app: assistant
services:
  llm:
    determinism: strict
    digest: ollama/ollama@sha256:1f
    image: ollama/ollama:0.16.1
    image_id: sha256:9a
    model: phi3:mini
    spec: v1:b0
  own:
    digest: { unknown: "the image was never in a registry: it has no digest there" }
    image: own:1
    image_id: sha256:9a
    spec: v1:b0
certificates:
  - device: NVIDIA H100 80GB HBM3
    bits: "0c"
    compute: "9.0"
    driver: "580.95.05"
    kernels:
      nacp_fma: d0
      nacp_hash: e1
    profile: standard
    programs:
      - aa
      - bb
    scope: cpu_verified
    simulated: false
    suite: 1
...
"#;
    assert_eq!(lock().to_yaml(), expected);
    assert_eq!(Lock::parse(expected).unwrap(), lock());
    assert_eq!(Lock::parse(&expected.replace('\n', "\r\n")).unwrap(), lock());
    assert_eq!(Lock::parse(&lock().to_json()).unwrap(), lock());
}

#[test]
fn what_is_no_lock_is_refused_with_the_place_and_what_to_do() {
    let text = lock().to_yaml();
    for (from, to, message) in [
        ("toolkit: null", "tolkit: null", "unknown field: line=17 column=1 field=tolkit; did you mean toolkit?"),
        ("toolkit: null\n", "", "a field is missing: line=49 column=1 field=toolkit; add `toolkit`"),
        ("  kernel:", "  kernal:", "unknown field: line=8 column=3 field=system.kernal; did you mean kernel?"),
        (
            "cuda: \"13.0\"",
            "cuda: 13.0",
            "not a valid lock: line=14 column=9 field=driver.cuda reason=text is needed, not the number 13: write it in quotes",
        ),
        (
            "version: \"580.95.05\"",
            "version: { known: x }",
            "not a valid lock: line=16 column=12 field=driver.version reason=only the field `unknown` can be here: why it is not known",
        ),
        (
            "count: 2",
            "count: two",
            "not a valid lock: line=25 column=12 field=gpus.count reason=another kind of value is needed",
        ),
        ("format: 1", "format: 0", "no form of lock: format=0 known=1"),
        ("format: 1\n", "", "not a lock: it states no format; write it with `nacp lock`"),
        ("engine:\n", "<<<<<<< ours\nengine:\n", "two locks side by side: line=18; take one of them, or write it anew"),
        (
            "toolkit: null",
            "toolkit: null\ntoolkit: null",
            "a field is there twice: line=18 column=1 field=toolkit; remove one of them",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Lock::parse(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_newer_form_is_told_from_a_wrong_one() {
    let text = lock().to_yaml().replace("format: 1", "format: 2\nfuture: yes");
    for text in [text.as_str(), r#"{"format": 2, "future": true}"#] {
        let error = Lock::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "a form of lock that this version does not know: format=2 known=1; use a newer version of NACP"
        );
    }
}

#[test]
fn text_that_is_no_lock_at_all_is_refused() {
    for text in [
        "",
        "\n",
        "[]",
        "...",
        "null",
        "name: assistant\nservices: {}\n",
        "\0\0",
        "{",
        "{}",
        "{\"format\": 1}",
        "<html>",
    ] {
        assert_eq!(Lock::parse(text).unwrap_err().kind(), ErrorKind::InvalidArgument, "{text:?}");
    }
}

#[test]
fn no_beginning_of_a_lock_is_taken_for_a_whole_one() {
    for text in [lock().to_yaml(), lock().to_json()] {
        let whole = text.trim_end().len();
        for end in 0..whole {
            let error = Lock::parse(&text[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{end}: {error}");
            if text.starts_with('#') && text[..end].contains("\nformat:") {
                assert!(error.get("line").is_some(), "{end}: {error}");
            }
        }
    }
}

/// Text as it may come from a driver, a daemon or a file, and worse.
fn any_text() -> impl Strategy<Value = String> {
    let letters = vec(
        prop_oneof![
            4 => "[a-zA-Z0-9 ._/:@+-]{1,6}",
            2 => "[\\[\\]{}#&*!|>'\"%`,?~=\\\\-]{1,3}",
            1 => any::<char>().prop_map(String::from),
        ],
        0..5,
    );
    let words = prop::sample::select(vec![
        "null", "~", "true", "No", "1e3", "0x1f", "1_000", "12:30", ".inf", "- a", "a: b", "a #b", "...", "---", " a",
        "a ", "\u{85}", "\u{feff}", "\u{2028}", "\r\n", "<<", "=", "unknown",
    ]);
    prop_oneof![letters.prop_map(|parts| parts.concat()), words.prop_map(String::from)]
}

fn any_pin() -> impl Strategy<Value = Pin> {
    prop_oneof![any_text().prop_map(Pin::Known), Just(Pin::None), any_text().prop_map(Pin::Unknown)]
}

fn any_gpu() -> impl Strategy<Value = GpuPin> {
    let facts = (option::of(any_text()), option::of(any_text()), option::of(any::<u64>()), vec(any_text(), 0..3));
    (any_text(), any::<u64>(), facts).prop_map(|(name, count, (compute, vbios, memory, uuid))| GpuPin {
        name,
        count,
        compute,
        vbios,
        memory,
        uuid,
    })
}

fn any_service() -> impl Strategy<Value = ServicePin> {
    let image = (any_text(), any_pin(), any_pin());
    (image, any_text(), option::of(any_text()), any::<bool>()).prop_map(
        |((image, digest, image_id), spec, model, strict)| ServicePin {
            image,
            digest,
            image_id,
            spec,
            model,
            determinism: strict.then_some(Determinism::Strict),
        },
    )
}

fn any_certificate() -> impl Strategy<Value = CertificatePin> {
    let profile = prop::sample::select(Profile::ALL.to_vec());
    let scope = prop::sample::select(vec![Scope::RunToRun, Scope::GpuToGpu, Scope::CpuVerified]);
    let bits = (any_text(), btree_map(any_text(), any_text(), 0..3), scope, profile);
    let place = (any_text(), any_text(), option::of(any_text()), any::<bool>());
    (place, any::<u32>(), [any_text(), any_text()], bits).prop_map(
        |((device, compute, driver, simulated), suite, programs, (bits, kernels, scope, profile))| CertificatePin {
            device,
            compute,
            profile,
            suite,
            programs,
            bits,
            kernels,
            scope,
            driver,
            simulated,
        },
    )
}

prop_compose! {
    fn any_system()(
        simulated in any::<bool>(),
        (runtime, option) in (any_pin(), any_pin()),
        kernel in any_pin(),
        wsl in option::of((any_pin(), any_pin(), any_pin())),
    ) -> SystemPin {
        let wsl = wsl.map(|(kernel, memory, driver_store)| WslPin { kernel, memory, driver_store });
        SystemPin { simulated, runtime, option, kernel, wsl }
    }
}

prop_compose! {
    fn any_lock()(
        at in 0i64..4_000_000_000,
        (nacp, suite) in (any_text(), any::<u32>()),
        system in any_system(),
        (version, branch, cuda, libcuda) in (any_pin(), any_pin(), any_pin(), any_pin()),
        (toolkit, name, engine_version, api) in (any_pin(), any_pin(), any_pin(), any_pin()),
        gpus in prop_oneof![
            vec(any_gpu(), 0..3).prop_map(Pin::Known),
            Just(Pin::None),
            any_text().prop_map(Pin::Unknown),
        ],
        (app, services) in (option::of(any_text()), btree_map(any_text(), any_service(), 0..3)),
        certificates in vec(any_certificate(), 0..3),
    ) -> Lock {
        Lock {
            format: FORMAT,
            made: Made { at: Timestamp::from_second(at).unwrap(), nacp, suite },
            system,
            driver: DriverPin { version, branch, cuda, libcuda },
            toolkit,
            engine: EnginePin { name, version: engine_version, api },
            gpus,
            app,
            services,
            certificates,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_read_again(lock in any_lock()) {
        let text = lock.to_yaml();
        let read = Lock::parse(&text);
        prop_assert!(read.as_ref().is_ok_and(|read| *read == lock), "{text}\n{read:#?}");
        prop_assert_eq!(Lock::parse(&lock.to_json()).unwrap(), lock);
    }

    #[test]
    fn a_lock_is_equal_to_itself_and_to_nothing_else(lock in any_lock(), other in any_lock()) {
        let verification = lock.verify(&lock);
        prop_assert!(verification.drifts.is_empty(), "{verification}");
        prop_assert!(verification.holds(crate::host::lock::Effect::Nothing), "{verification}");
        prop_assert_eq!(lock.diff(&lock), "");
        // Neither direction panics, and a change of either is one of both.
        let there: BTreeMap<_, _> = lock.verify(&other).drifts.into_iter().map(|drift| (drift.item, drift.found)).collect();
        let back: BTreeMap<_, _> = other.verify(&lock).drifts.into_iter().map(|drift| (drift.item, drift.locked)).collect();
        prop_assert_eq!(there, back);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(format: 1\n)?[a-z:{} \\[\\]\"'&*#\n-]{0,60}(\n\\.\\.\\.)?") {
        let _ = Lock::parse(&text);
    }
}
