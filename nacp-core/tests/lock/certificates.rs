//! Certificates in a lock: bits that another machine, or another driver, can be held to.

use nacp_core::ErrorKind;
use nacp_core::cuda::kernels::Kernel;
use nacp_core::host::lock::{Effect, Lock, Pin};
use nacp_core::sim;

use crate::{at, certificate, simulated};

const OLD: &str = "580.95.05";
const NEW: &str = "580.105.08";

fn cuda() -> sim::Cuda {
    sim::Cuda::named("h100x8").unwrap()
}

fn certified(driver: &sim::Cuda, version: &str) -> Lock {
    Lock::of(&simulated(version), at(0)).certificate(&certificate(driver, version)).unwrap()
}

#[test]
fn equal_bits_turn_a_change_of_the_driver_into_one_of_performance() {
    let (before, after) = (certified(&cuda(), OLD), certified(&cuda(), NEW));
    let verification = before.verify(&after);
    let driver = verification.drifts.iter().find(|drift| drift.item == "driver.version").unwrap();
    assert_eq!(driver.effect, Effect::Performance, "{verification}");
    assert!(
        driver.why.contains("show the same bits with both for NACP's suite, which proves nothing of a program's own")
    );
    assert!(verification.holds(Effect::Performance) && verification.error().is_none(), "{verification}");
    assert!(verification.unchanged.iter().any(|item| item.starts_with("certificates.")), "{verification}");
}

#[test]
fn a_certificate_of_another_driver_proves_nothing_of_this_one() {
    // Both certificates were made before the driver was replaced.
    let before = certified(&cuda(), OLD);
    let after = Lock::of(&simulated(NEW), at(0)).certificate(&certificate(&cuda(), OLD)).unwrap();
    assert!(!before.verify(&after).holds(Effect::Performance));
    // None was made now.
    let after = Lock::of(&simulated(NEW), at(0));
    let verification = before.verify(&after);
    assert!(!verification.holds(Effect::Performance));
    assert!(verification.to_string().contains("tiny: not known now: none was made now"), "{verification}");
    // And where nothing else changed, none is needed.
    assert!(before.verify(&Lock::of(&simulated(OLD), at(0))).holds(Effect::Nothing));
}

#[test]
fn one_model_without_a_certificate_leaves_the_driver_open() {
    let with_another = |version| {
        let mut survey = simulated(version);
        let mut other = survey.nvml.gpus[0].clone();
        other.name = "NVIDIA L4".into();
        survey.nvml.gpus.push(other);
        Lock::of(&survey, at(0)).certificate(&certificate(&cuda(), version)).unwrap()
    };
    assert!(!with_another(OLD).verify(&with_another(NEW)).holds(Effect::Performance));
}

#[test]
fn other_bits_are_results_and_name_the_kernel() {
    let wrong = cuda().flipping(0, Kernel::Fma, 3, 5);
    let (before, after) = (certified(&cuda(), OLD), certified(&wrong, OLD));
    let verification = before.verify(&after);
    assert_eq!(verification.drifts.len(), 1, "{verification}");
    let drift = &verification.drifts[0];
    assert_eq!(drift.effect, Effect::Results);
    assert!(drift.why.ends_with("(nacp_fma)"), "{drift:?}");
    assert!(verification.error().unwrap().to_string().contains("item=certificates."));
}

#[test]
fn the_same_bits_are_kept_once_and_a_second_opinion_beside_them() {
    let lock = certified(&cuda(), OLD);
    let again = lock.clone().certificate(&certificate(&cuda(), OLD)).unwrap();
    assert_eq!(again, lock);
    let wrong = cuda().flipping(0, Kernel::Fma, 3, 5);
    let two = lock.clone().certificate(&certificate(&wrong, OLD)).unwrap();
    assert_eq!(two.certificates.len(), 2);
    // In whatever order they come.
    assert_eq!(certified(&wrong, OLD).certificate(&certificate(&cuda(), OLD)).unwrap(), two);
    assert!(!lock.verify(&two).holds(Effect::Performance), "one GPU of this model disagrees");
}

#[test]
fn the_file_of_the_driver_is_taken_from_a_certificate_of_that_driver() {
    let mut certificate = certificate(&cuda(), OLD);
    certificate.driver.library_sha256 = Some("77".into());
    certificate.digest = certificate.digest().unwrap();
    let of = |version| Lock::of(&simulated(version), at(0)).certificate(&certificate).unwrap().driver.libcuda;
    assert_eq!(of(OLD), Pin::Known("77".into()));
    assert!(of(NEW).unknown().is_some());
}

#[test]
fn an_altered_certificate_is_refused() {
    let mut certificate = certificate(&cuda(), OLD);
    certificate.suite_digest = "0".repeat(64);
    let error = Lock::of(&simulated(OLD), at(0)).certificate(&certificate).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().starts_with("certificate was altered: its digest is another"), "{error}");
}

#[test]
fn a_certificate_of_runs_that_differ_is_refused() {
    let mut certificate = certificate(&cuda(), OLD);
    certificate.scope = None;
    certificate.digest = certificate.digest().unwrap();
    let error = Lock::of(&simulated(OLD), at(0)).certificate(&certificate).unwrap_err();
    assert!(error.to_string().starts_with("certificate proves nothing: its runs differ"), "{error}");
}

#[test]
fn another_suite_is_told_from_none() {
    let mut certificate = certificate(&cuda(), OLD);
    let before = Lock::of(&simulated(OLD), at(0)).certificate(&certificate).unwrap();
    certificate.suite.version += 1;
    certificate.digest = certificate.digest().unwrap();
    let after = Lock::of(&simulated(OLD), at(0)).certificate(&certificate).unwrap();
    let verification = before.verify(&after);
    let words = verification.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the one of now is of another suite"), "{verification}");
}
