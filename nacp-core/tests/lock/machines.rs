//! Locks of machines of other kinds, and moving from one to another.

use nacp_core::host::lock::{Effect, Lock, Pin};
use nacp_core::host::{self, Survey};

use crate::{app, at, lock, survey};

#[test]
fn a_lock_of_the_laptop_is_verified_on_a_server() {
    let (laptop, server) = (lock("wsl2-docker"), lock("bare-metal-docker"));
    assert_eq!(laptop.driver.version, Pin::Known("581.42".into()), "the Windows driver's version");
    let verification = laptop.verify(&server);
    println!("{verification}");
    let drift = |item: &str| verification.drifts.iter().find(|drift| drift.item == item).unwrap();
    let runtime = drift("system.runtime");
    assert_eq!(runtime.effect, Effect::Performance);
    assert!(runtime.locked.contains("WSL2") && runtime.found.contains("native Linux"), "{runtime:?}");
    let option = drift("system.option");
    assert_eq!((option.locked.as_str(), option.found.as_str()), ("b_container", "native_linux"));
    let driver = drift("driver.version");
    assert_eq!(driver.effect, Effect::Results);
    assert!(driver.why.starts_with("a driver for another system: Windows and Linux"), "{driver:?}");
    assert!(!driver.remedy.contains("install"), "{driver:?}");
    assert_eq!(drift("gpus.NVIDIA GeForce RTX 3050 Ti Laptop GPU").found, "none");
    assert_eq!(drift("gpus.NVIDIA GeForce RTX 4090").found, "2 x NVIDIA GeForce RTX 4090");
    // The services go along unchanged.
    for item in ["services.llm.image", "services.llm.spec", "services.embed.image", "toolkit", "engine.version"] {
        assert!(verification.unchanged.iter().any(|same| same == item), "{item}: {verification}");
    }
    assert_eq!(verification.error().unwrap().get("item"), Some("driver.version"));
}

#[test]
fn what_is_particular_to_wsl2_is_pinned_there_and_nowhere_else() {
    let mut machine = survey("wsl2-docker");
    machine.wsl.memory_limit = host::Seen::Found("8GB".into());
    machine.wsl.custom_kernel = host::Seen::Absent;
    machine.wsl.driver_store = host::Seen::Found(vec!["nv_dispi.inf_amd64_2".into(), "nv_dispi.inf_amd64_1".into()]);
    let before = Lock::of(&machine, at(0));
    let wsl = before.system.wsl.clone().unwrap();
    assert_eq!((wsl.kernel, wsl.memory), (Pin::None, Pin::Known("8GB".into())));
    assert_eq!(wsl.driver_store, Pin::Known("nv_dispi.inf_amd64_1 nv_dispi.inf_amd64_2".into()));
    machine.wsl.memory_limit = host::Seen::Found("16GB".into());
    machine.wsl.custom_kernel = host::Seen::Found("C:\\Users\\someone\\bzImage".into());
    let after = Lock::of(&machine, at(0));
    assert!(!after.to_yaml().contains("someone"), "{}", after.to_yaml());
    let changed: Vec<_> = before.verify(&after).drifts.into_iter().map(|drift| (drift.item, drift.effect)).collect();
    let performance = |item: &str| (item.to_owned(), Effect::Performance);
    assert_eq!(changed, [performance("system.wsl.kernel"), performance("system.wsl.memory")]);
    assert_eq!(lock("bare-metal-docker").system.wsl, None);
}

#[test]
fn a_machine_of_which_nothing_is_known_pins_nothing_that_it_does_not_know() {
    let survey = Survey::of_host(host::detect_in(&host::Root::at("/nonexistent", Default::default())));
    let lock = Lock::of(&survey, at(0));
    let completeness = lock.completeness();
    let missing: Vec<_> = completeness.missing.iter().map(|missing| missing.item.as_str()).collect();
    let expected = [
        "system.runtime",
        "system.option",
        "system.kernel",
        "driver.version",
        "driver.cuda",
        "driver.libcuda",
        "toolkit",
        "engine.name",
        "engine.version",
        "gpus",
        "services",
    ];
    assert_eq!((completeness.pinned, missing), (0, expected.to_vec()));
    assert!(completeness.missing.iter().all(|missing| !missing.why.is_empty()), "{completeness}");
    assert_eq!(Lock::parse(&lock.to_yaml()).unwrap(), lock);
}

#[test]
fn completeness_counts_what_results_need() {
    let lock = lock("bare-metal-docker");
    let completeness = lock.completeness();
    assert_eq!(
        completeness.to_string(),
        "15 of 17 pinned\n  \
         not pinned: driver.libcuda (no certificate was given, and only a certificate has it)\n  \
         not pinned: certificates.NVIDIA GeForce RTX 4090 (no certificate of this model was given)"
    );
    assert_eq!((completeness.fraction() * 17.0).round(), 15.0);
    let without_digests = Lock::of(&survey("bare-metal-docker"), at(0)).app(&app()).completeness();
    assert_eq!(without_digests.pinned, 13);
    assert!(without_digests.to_string().contains("services.llm.digest (no daemon was asked"), "{without_digests}");
}

#[test]
fn a_machine_without_a_gpu_is_one_that_has_none() {
    let mut machine = survey("bare-metal-docker");
    machine.nvml = Default::default();
    machine.nvml.driver = host::Seen::Absent;
    machine.kernel.driver = host::Seen::Absent;
    machine.cuda = Default::default();
    machine.cuda.library = host::Seen::Absent;
    let none = Lock::of(&machine, at(0));
    assert_eq!((&none.driver.version, &none.driver.cuda, &none.gpus), (&Pin::None, &Pin::None, &Pin::None));
    assert!(none.verify(&none).holds(Effect::Nothing));
    assert!(none.verify(&none).unchanged.iter().any(|item| item == "gpus"));
}

#[test]
fn equal_gpus_stand_together_and_others_of_the_same_name_apart() {
    let mut machine = survey("bare-metal-docker");
    let mut third = machine.nvml.gpus[0].clone();
    third.id = "GPU-00000003-0000-4000-8000-000000000003".into();
    third.vbios = Some("95.02.3c.80.00".into());
    machine.nvml.gpus.insert(0, third);
    let lock = Lock::of(&machine, at(0));
    let groups: Vec<_> = lock.gpus.known().unwrap().iter().map(|gpu| (gpu.count, gpu.uuid.len())).collect();
    assert_eq!(groups, [(1, 1), (2, 2)]);
    // The order in which the driver counts them does not matter.
    machine.nvml.gpus.reverse();
    assert_eq!(Lock::of(&machine, at(0)), lock);
}

#[test]
fn a_library_that_fails_is_no_machine_without_gpus() {
    let mut machine = survey("bare-metal-docker");
    machine.nvml = Default::default();
    machine.nvml.failure = Some(host::survey::NvmlFailure {
        code: Some(18),
        message: "versions do not match".into(),
        ..Default::default()
    });
    machine.cuda = Default::default();
    let now = Lock::of(&machine, at(0));
    assert_eq!(now.gpus, Pin::Unknown("versions do not match".into()));
    let verification = lock("bare-metal-docker").verify(&now.app(&app()));
    assert!(!verification.holds(Effect::Performance));
    assert!(verification.to_string().contains("gpus: not known now: versions do not match"), "{verification}");
}
