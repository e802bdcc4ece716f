//! Certificates without a device: the runs are made up of what the reference says.

use serde_json::{Value, json};

use super::certificate::Certificate;
use super::evidence::Runs;
use super::run::SuiteRun;
use super::suite::{Shape, Suite};
use super::*;
use crate::cuda::{Device, Loaded, Version};
use crate::gpu::ComputeCapability;
use crate::units::Bytes;

const UUID: &str = "GPU-4100a801-0000-4000-8000-000000000001";
const OTHER: &str = "GPU-4100a802-0000-4000-8000-000000000002";
const CUDA: Version = Version { major: 13, minor: 0 };

fn device(uuid: &str, compute: (u32, u32)) -> Device {
    Device {
        ordinal: 0,
        id: uuid.parse().unwrap(),
        name: "NVIDIA H100 80GB HBM3".into(),
        compute: ComputeCapability { major: compute.0, minor: compute.1 },
        memory: Bytes::gib(80),
        pci: "00000000:01:00.0".into(),
        multiprocessors: 132,
    }
}

/// A run whose `wrong` kernel, if there is one, has one wrong bit in lane 71.
fn run(device: &Device, wrong: Option<&str>) -> SuiteRun {
    let mut run = SuiteRun::default();
    for kernel in suite::kernels(device.compute) {
        let right = &suite::expected(Profile::Tiny, kernel).unwrap().words;
        let mut found = right.clone();
        if wrong == Some(kernel.symbol()) {
            let lane = 71 % found.len();
            found[lane] ^= 1 << 9;
        }
        let nowhere = crate::cuda::Memory { address: 0, bytes: u64::MAX };
        let launch = suite::launch(Profile::Tiny, kernel, Shape::ALL[0], nowhere, nowhere).unwrap();
        run.differences.extend(Difference::between(&launch, right, &found, &[5; 64]));
        run.digests.push(KernelDigest::of(kernel, &found));
        run.multiprocessors.extend([5, 6]);
    }
    run
}

fn place() -> Circumstances {
    let environment = [("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), ("SECRET", "x")];
    Circumstances::at("2026-11-24T09:00:00Z".parse().unwrap())
        .environment(environment.map(|(name, value)| (name.into(), value.into())))
        .driver("580.95.05".to_owned())
        .vbios("96.00.74.00.01".to_owned())
}

fn of(device: &Device, wrong: &[Option<&str>], place: &Circumstances) -> Certificate {
    let mut runs = Runs::new(Profile::Tiny);
    wrong.iter().for_each(|wrong| runs.add(run(device, *wrong), 256));
    Certificate::of(&runs, device, (&Loaded::at("/usr/lib/libcuda.so.1"), CUDA), place).unwrap()
}

fn right() -> Certificate {
    of(&device(UUID, (9, 0)), &[None, None], &place())
}

#[test]
fn what_the_cpu_computes_too_is_verified() {
    let certificate = right();
    assert_eq!(certificate.scope, Some(Scope::CpuVerified));
    assert_eq!(certificate.results.len(), 6);
    assert_eq!(certificate.environment.len(), 1, "only what reaches CUDA is recorded");
    let verification = certificate.verify();
    assert!(verification.is_verified(), "{verification}");
    assert_eq!(
        verification.to_string(),
        "it claims cpu_verified, and all 13 values that can be computed anew are right\n  \
         taken as written: compared, differences, device, driver, environment, started, nacp_version, simulated"
    );
    let text = certificate.to_string();
    assert!(text.starts_with("NVIDIA H100 80GB HBM3 (GPU-4100a801-"), "{text}");
    assert!(text.contains("words are what the CPU computes, in 2 runs"), "{text}");
}

#[test]
fn a_device_without_tensor_units_has_five_results() {
    let certificate = of(&device(UUID, (6, 1)), &[None], &place());
    assert_eq!((certificate.results.len(), certificate.scope), (5, Some(Scope::CpuVerified)));
    assert!(certificate.verify().is_verified());
}

#[test]
fn a_device_that_is_wrong_in_the_same_way_each_time_only_repeats() {
    let certificate = of(&device(UUID, (9, 0)), &[Some("nacp_fma"); 2], &place());
    assert_eq!(certificate.scope, Some(Scope::RunToRun));
    assert_eq!(certificate.differences.len(), 1, "the same difference is told once");
    assert!(certificate.verify().is_verified(), "it says itself that it is wrong");
    assert!(
        certificate.to_string().contains("\n  nacp_fma: lane 71 (block 0, multiprocessor 5) is 0x"),
        "{certificate}"
    );
    assert_eq!(of(&device(UUID, (9, 0)), &[Some("nacp_fma")], &place()).scope, None, "one run repeats nothing");
}

#[test]
fn a_device_that_differs_from_run_to_run_has_no_scope() {
    let certificate = of(&device(UUID, (9, 0)), &[None, Some("nacp_ieee"), None], &place());
    assert_eq!((certificate.scope, certificate.compared.distinct), (None, 2));
    assert!(certificate.verify().is_verified(), "{}", certificate.verify());
    assert!(certificate.to_string().contains("2 different answers in 3 runs"), "{certificate}");
}

#[test]
fn devices_that_are_wrong_alike_agree_and_are_not_verified() {
    let pair = || [UUID, OTHER].map(|uuid| of(&device(uuid, (9, 0)), &[Some("nacp_hash"); 2], &place()));
    let mut certificates = pair();
    agree(&mut certificates).unwrap();
    for certificate in &certificates {
        assert_eq!(certificate.scope, Some(Scope::GpuToGpu));
        assert_eq!(certificate.compared.devices.len(), 2);
        assert!(certificate.verify().is_verified(), "{}", certificate.verify());
    }
    let [mut first, second] = pair();
    first.simulated = true;
    let mut apart = [first, second];
    agree(&mut apart).unwrap();
    assert!(
        apart.iter().all(|one| one.scope == Some(Scope::RunToRun)),
        "a simulated device proves nothing of a real one"
    );
    let mut verified = [right(), of(&device(OTHER, (9, 0)), &[None, None], &place())];
    agree(&mut verified).unwrap();
    assert!(verified.iter().all(|one| one.scope == Some(Scope::CpuVerified) && one.compared.devices.len() == 2));
}

#[test]
fn the_text_is_canonical_and_its_digest_does_not_depend_on_its_form() {
    let certificate = right();
    let text = certificate.canonical().unwrap();
    assert!(text.starts_with(r#"{"compared":{"blocks":[256],"contexts":1,"#), "{text}");
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
    for form in [&text, &pretty, &serde_json::to_string(&certificate).unwrap()] {
        let read = Certificate::parse(form).unwrap();
        assert_eq!((&read, read.canonical().unwrap()), (&certificate, text.clone()));
        assert_eq!(read.digest().unwrap(), certificate.digest);
    }
}

#[test]
fn any_byte_that_is_changed_is_found() {
    let certificate = right();
    let text = certificate.canonical().unwrap();
    let mut found = 0;
    for at in 0..text.len() {
        for bit in [0x01, 0x02, 0x10, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let Ok(changed) = Certificate::parse(&changed) else { continue };
            // Another spelling of the same moment is no change.
            if changed == certificate {
                continue;
            }
            assert_ne!(changed.digest().unwrap(), changed.digest, "byte {at}: {changed:?}");
            found += 1;
        }
    }
    assert!(found > 1000, "{found} changes were read at all");
}

/// Changes each value in turn, and hands on what the certificate then is.
fn with_each_value_changed(value: &Value, check: &mut impl FnMut(&str, Value)) {
    fn walk(root: &Value, path: &str, check: &mut impl FnMut(&str, Value)) {
        let here = root.pointer(path).unwrap();
        let mut put = |to: Value| {
            let mut changed = root.clone();
            *changed.pointer_mut(path).unwrap() = to;
            check(path, changed);
        };
        match here {
            Value::Object(fields) => {
                for name in fields.keys() {
                    let mut without = root.clone();
                    without.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(name);
                    check(&format!("{path}/{name} left out"), without);
                    walk(root, &format!("{path}/{name}"), check);
                }
            }
            Value::Array(items) => {
                put(Value::Array([items.clone(), items.clone()].concat()));
                put(json!([]));
                (0..items.len()).for_each(|index| walk(root, &format!("{path}/{index}"), check));
            }
            Value::Number(number) => put(json!(number.as_u64().unwrap() + 1)),
            Value::Bool(flag) => put(json!(!flag)),
            Value::String(text) => {
                put(json!(format!("{text}x")));
                put(json!(text.replace('0', "1")));
            }
            Value::Null => put(json!(1)),
        }
    }
    walk(value, "", check);
}

#[test]
fn any_field_that_is_changed_is_found() {
    for certificate in [right(), of(&device(UUID, (9, 0)), &[None, Some("nacp_reduce")], &place())] {
        let mut tried = 0;
        with_each_value_changed(&json!(certificate), &mut |path, changed| {
            let Ok(changed) = Certificate::parse(&changed.to_string()) else { return };
            if changed != certificate {
                tried += 1;
                assert!(!changed.verify().is_verified(), "{path} was changed and nobody noticed");
            }
        });
        assert!(tried > 50, "{tried}");
    }
}

#[test]
fn a_result_that_is_changed_is_found_even_under_a_new_digest() {
    let mut certificate = right();
    certificate.results[1].sha256 = "0".repeat(64);
    certificate.suite_digest = suite::digest_of(&certificate.results);
    certificate.seal().unwrap();
    let verification = certificate.verify();
    let wrong: Vec<_> = verification.wrong().map(|field| field.field.as_str()).collect();
    assert_eq!(wrong, ["results.nacp_fma", "scope"]);
    assert!(verification.to_string().contains("is not to be trusted: 2 of its values are wrong"), "{verification}");

    let mut certificate = of(&device(UUID, (9, 0)), &[Some("nacp_fma"), None], &place());
    certificate.scope = Some(Scope::CpuVerified);
    certificate.seal().unwrap();
    assert_eq!(certificate.verify().wrong().next().unwrap().field, "scope");

    let mut certificate = right();
    certificate.results.pop();
    certificate.suite_digest = suite::digest_of(&certificate.results);
    certificate.seal().unwrap();
    assert_eq!(certificate.verify().wrong().next().unwrap().field, "results");

    let mut certificate = right();
    certificate.compared.processes = 9;
    certificate.seal().unwrap();
    assert_eq!(certificate.verify().wrong().next().unwrap().field, "compared");
}

#[test]
fn a_certificate_of_another_suite_is_not_called_right() {
    let mut certificate = right();
    certificate.suite.version += 1;
    certificate.seal().unwrap();
    let verification = certificate.verify();
    assert!(!verification.is_verified() && verification.wrong().next().is_none());
    assert!(verification.to_string().contains("others cannot be computed here"), "{verification}");
}

#[test]
fn what_is_no_certificate_says_why() {
    let good = json!(right());
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        Certificate::parse(&changed.to_string()).unwrap_err().to_string()
    };
    assert!(
        with("format", json!(2)).starts_with("a form of certificate that this version does not know: format=2 known=1")
    );
    assert!(with("format", json!(null)).contains("it states no format"));
    assert!(
        with("differencs", json!([])).ends_with("; did you mean differences?"),
        "{}",
        with("differencs", json!([]))
    );
    assert!(with("scope", json!("cpu")).contains("unknown variant `cpu`"));
    assert!(Certificate::parse("{").unwrap_err().to_string().starts_with("not JSON"));
}

#[test]
fn the_suite_is_the_one_that_its_version_names() {
    let suite = Suite::current();
    let digest =
        |profile| suite::digest_of(&Suite::reference(profile, ComputeCapability { major: 9, minor: 0 }).unwrap());
    assert_eq!(
        (suite.version, &*suite.base_sha256, &*suite.tensor_sha256, &*digest(Profile::Tiny)),
        (1, BASE, TENSOR, TINY),
        "certificates are compared by the version of the suite: raise it when its text or its answers change, and \
         write the new values here"
    );
}

const BASE: &str = "fe8eead6c30df32a669a9f67373ba2570c36220467dc39abc1b65ad0823591d1";
const TENSOR: &str = "6884f6b8870d3cca1cf33720e04660ae684b51ddeee1d9d4581c799a541ea8c3";
const TINY: &str = "375ef4c04e8b33912f1924414de41f123365b0e4d225ff05b4affd55f40db6de";

mod comparing {
    use super::*;

    fn reasons(comparison: &Comparison) -> Vec<String> {
        comparison.reasons.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_place_twice_has_the_same_bits_and_no_reason() {
        let comparison = compare(&right(), &right());
        assert_eq!((comparison.agreement, comparison.reasons.len()), (Agreement::SameBits, 0));
        assert_eq!(comparison.to_string(), "the same bits, in the same place");
    }

    #[test]
    fn other_hardware_and_another_environment_are_told_although_the_bits_are_equal() {
        let elsewhere = place().environment([
            ("CUDA_VISIBLE_DEVICES".to_owned(), "1".to_owned()),
            ("NVIDIA_TF32_OVERRIDE".to_owned(), "1".to_owned()),
        ]);
        let other = of(&device(OTHER, (6, 1)), &[None], &elsewhere);
        let comparison = compare(&right(), &other);
        assert_eq!(comparison.agreement, Agreement::SameBits);
        assert_eq!(
            reasons(&comparison),
            [
                "only the first ran nacp_mma, which was not compared",
                "device.compute differs: 9.0 and 6.1",
                &format!("device.uuid differs: {UUID} and {OTHER}"),
                "CUDA_DEVICE_ORDER differs: \"PCI_BUS_ID\" and not set; that changes no bits",
                "CUDA_VISIBLE_DEVICES differs: not set and \"1\"; that changes no bits",
                "NVIDIA_TF32_OVERRIDE differs: not set and \"1\"",
            ]
        );
    }

    #[test]
    fn the_cpu_tells_which_of_two_equal_devices_is_faulty() {
        let faulty = of(&device(OTHER, (9, 0)), &[Some("nacp_fma"); 2], &place());
        for (first, second, who, text) in [
            (right(), faulty.clone(), Faulty::Second, "the second is not what the CPU computes"),
            (faulty.clone(), right(), Faulty::First, "the first is not what the CPU computes"),
        ] {
            let comparison = compare(&first, &second);
            assert_eq!(comparison.agreement, Agreement::Broken);
            assert_eq!(comparison.reasons[0], Reason::Bits { kernel: "nacp_fma".into(), faulty: who });
            assert_eq!(reasons(&comparison)[0], format!("nacp_fma gave different bits; {text}"));
        }
    }

    #[test]
    fn what_only_repeats_on_other_hardware_may_differ() {
        let mut hopper = of(&device(UUID, (9, 0)), &[Some("nacp_fma"); 2], &place());
        let ada = of(&device(OTHER, (8, 9)), &[None, None], &place());
        assert_eq!(compare(&hopper, &ada).agreement, Agreement::Permitted);
        hopper.scope = Some(Scope::GpuToGpu);
        hopper.seal().unwrap();
        assert_eq!(compare(&hopper, &ada).agreement, Agreement::Broken, "now both promise");
    }

    #[test]
    fn both_may_be_wrong_each_in_its_way() {
        let first = of(&device(UUID, (9, 0)), &[Some("nacp_fma"); 2], &place());
        let mut second = first.clone();
        second.results[1].sha256 = "0".repeat(64);
        second.seal().unwrap();
        assert!(reasons(&compare(&first, &second))[0].ends_with("neither is what the CPU computes"));
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let changed = |change: fn(&mut Certificate), seal: bool| {
            let mut other = right();
            change(&mut other);
            if seal {
                other.seal().unwrap();
            }
            let comparison = compare(&right(), &other);
            assert_eq!(comparison.agreement, Agreement::NotComparable);
            reasons(&comparison).join("; ")
        };
        assert_eq!(changed(|it| it.suite.version = 2, true), "they ran different suites: version 1 and version 2");
        assert_eq!(
            changed(|it| it.suite.base_sha256 = "x".into(), true),
            "they ran different texts of PTX under the same version of the suite"
        );
        assert_eq!(
            changed(|it| it.profile = Profile::Small, true),
            "they ran different sizes of the suite: tiny and small"
        );
        assert_eq!(
            changed(|it| it.device.name = "another".into(), false),
            "the second is not as it was written: its digest does not fit"
        );
        let unsteady = of(&device(UUID, (9, 0)), &[None, Some("nacp_fma")], &place());
        assert_eq!(reasons(&compare(&unsteady, &right())), ["the first gave different answers from run to run"]);
    }

    #[test]
    fn a_simulated_device_is_said_to_be_one() {
        let mut simulated = right();
        simulated.simulated = true;
        simulated.seal().unwrap();
        let comparison = compare(&right(), &simulated);
        assert!(comparison.to_string().starts_with("simulated: the same bits, although the places differ"));
        assert_eq!(reasons(&comparison), ["simulated differs: false and true"]);
        assert!(simulated.to_string().starts_with("simulated: NVIDIA H100"));
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_cpu_that_does_not_round_as_ieee_754_asks_calls_no_certificate_wrong() {
    let test = "cuda::determinism::tests::a_cpu_that_does_not_round_as_ieee_754_asks_calls_no_certificate_wrong";
    if !crate::cuda::reference::in_fast_math(test) {
        return;
    }
    let verification = right().verify();
    assert!(verification.wrong().next().is_none() && !verification.is_verified(), "{verification}");
    for name in ["results", "scope"] {
        let field = verification.fields.iter().find(|field| field.field == name).unwrap();
        let Verified::Unknown { why } = &field.verified else { panic!("{field:?}") };
        assert!(why.starts_with("this CPU does not round as IEEE 754 asks"), "{why}");
    }
}
