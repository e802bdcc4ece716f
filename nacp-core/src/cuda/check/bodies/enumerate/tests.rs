//! Every end of the checks of the devices, with its message.

use super::super::scripted::{Script, Scripted};
use super::*;
use crate::cuda::check::Facts;
use crate::gpu::{ComputeCapability, Persistent};

const FIRST: &str = "GPU-abababab-abab-abab-abab-abababababab";
const SECOND: &str = "GPU-cdcdcdcd-cdcd-cdcd-cdcd-cdcdcdcdcdcd";

fn two() -> Script {
    Script { devices: vec![("NVIDIA A", (9, 0), 0xab), ("NVIDIA B", (9, 0), 0xcd)], ..Script::default() }
}

/// How the comparison ends when the management library tells of these devices what `change` makes of it.
fn beside(script: Script, change: impl FnOnce(&mut Vec<Gpu>)) -> Scripted {
    let mut gpus = Scripted::new(script.clone()).gpus();
    change(&mut gpus);
    Scripted::new(Script { facts: Facts { gpus: Some(gpus), ..script.facts.clone() }, ..script })
}

#[test]
fn the_same_devices_on_both_sides_pass() {
    let driver = beside(two(), |_| ());
    assert_eq!(driver.ends(enumerate), "pass");
    assert_eq!(
        driver.reads(enumerate, "device.1").as_deref(),
        Some(format!("{SECOND} NVIDIA B, 9.0, 132 multiprocessors, 80 GiB, 00000000:01:00.0").as_str())
    );
    assert_eq!(driver.reads(enumerate, "order"), None);
    let alone = Scripted::new(two());
    assert_eq!(alone.ends(enumerate), "pass");
    assert_eq!(
        alone.reads(enumerate, "cross_check").as_deref(),
        Some("there is no management library to compare with")
    );
}

#[test]
fn a_device_that_only_one_side_lists_fails_unless_it_is_explained() {
    let one = || Script { devices: vec![("NVIDIA A", (9, 0), 0xab)], ..Script::default() };
    let both = Scripted::new(two()).gpus();
    let lists_two = |script: Script, change: fn(&mut Gpu)| {
        let mut gpus = both.clone();
        change(&mut gpus[1]);
        beside(script, |it| *it = gpus)
    };
    assert_eq!(
        lists_two(one(), |_| ()).ends(enumerate),
        format!(
            "fail: the management library lists {SECOND} (NVIDIA B) and CUDA does not; see whether the driver still serves this \
             GPU, and in a container whether it was given all of its devices"
        )
    );
    let mut hiding = one();
    hiding.facts.environment.insert("CUDA_VISIBLE_DEVICES".into(), "0".into());
    let hidden = lists_two(hiding, |_| ());
    assert_eq!(hidden.ends(enumerate), "pass");
    assert_eq!(
        hidden.reads(enumerate, "not_in_cuda"),
        Some(format!("{SECOND}: CUDA_VISIBLE_DEVICES=\"0\" leaves it out"))
    );
    let prohibited = lists_two(one(), |gpu| gpu.modes.compute = Reading::Known(ComputeMode::Prohibited));
    assert_eq!(prohibited.ends(enumerate), "pass");
    assert_eq!(
        prohibited.reads(enumerate, "not_in_cuda"),
        Some(format!("{SECOND}: its compute mode prohibits programs"))
    );
    assert_eq!(
        beside(two(), |gpus| drop(gpus.pop())).ends(enumerate),
        format!(
            "fail: CUDA lists {SECOND} (NVIDIA B) and the management library does not; the two libraries are not of the same \
             driver"
        )
    );
}

fn partition(gpu: &mut Gpu, parts: &[(&str, u32)]) {
    gpu.mig.mode = Reading::Known(Persistent { current: true, pending: true });
    let part = |(id, index): &(&str, u32)| MigDevice::new(id.parse().unwrap(), *index);
    gpu.mig.devices = Reading::Known(parts.iter().map(part).collect());
}

#[test]
fn a_partitioned_gpu_is_its_partitions() {
    let cuda = || Script { devices: vec![("NVIDIA A MIG 1g.10gb", (9, 0), 0xab)], ..Script::default() };
    let own = "MIG-abababab-abab-abab-abab-abababababab";
    let other = "MIG-11111111-1111-1111-1111-111111111111";
    let driver = beside(cuda(), |gpus| {
        gpus[0].id = SECOND.parse().unwrap();
        partition(&mut gpus[0], &[(own, 0), (other, 1)]);
    });
    assert_eq!(driver.ends(enumerate), "pass");
    let shown = format!("{other}: CUDA shows a process one partition only");
    assert_eq!(driver.reads(enumerate, "not_in_cuda"), Some(shown));
    let empty = beside(two(), |gpus| {
        let mut third = Gpu::new("GPU-22222222-2222-2222-2222-222222222222".parse().unwrap(), 2, "NVIDIA C");
        partition(&mut third, &[]);
        gpus.push(third);
    });
    assert_eq!(
        empty.ends(enumerate),
        "warn: GPU-22222222-2222-2222-2222-222222222222 is in MIG mode and has no partition that programs can use; make one with \
         `nvidia-smi mig -cgi … -C`, or leave MIG mode"
    );
}

#[test]
fn what_the_two_sides_tell_differently_is_told() {
    let ends = |change: fn(&mut Gpu)| beside(two(), |gpus| change(&mut gpus[0])).ends(enumerate);
    assert_eq!(
        ends(|gpu| gpu.name = "NVIDIA Z".into()),
        format!("warn: {FIRST} is called \"NVIDIA A\" by CUDA and \"NVIDIA Z\" by the management library")
    );
    assert_eq!(
        ends(|gpu| gpu.memory = Reading::Known(Bytes::gib(40))),
        format!("warn: {FIRST} has 80 GiB for CUDA and 40 GiB for the management library")
    );
    assert_eq!(
        ends(|gpu| gpu.memory = Reading::Known(Bytes::gib(120))),
        format!("warn: {FIRST} has 80 GiB for CUDA and 120 GiB for the management library")
    );
    assert_eq!(ends(|gpu| gpu.memory = Reading::Known(Bytes::gib(84))), "pass");
    assert_eq!(
        ends(|gpu| gpu.compute = Reading::Known(ComputeCapability { major: 8, minor: 0 })),
        format!(
            "fail: {FIRST} has compute capability 9.0 for CUDA and 8.0 for the management library; the two libraries are not of \
             the same driver"
        )
    );
    let turned = beside(two(), |gpus| gpus.reverse());
    assert_eq!(turned.ends(enumerate), "pass");
    assert!(turned.reads(enumerate, "order").unwrap().contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
}

#[test]
fn no_device_and_a_device_that_does_not_answer_fail() {
    let none = Script { devices: vec![], ..Script::default() };
    assert_eq!(
        Scripted::new(none.clone()).ends(enumerate),
        "fail: the CUDA driver counts no GPU: call=cuDeviceGetCount; check CUDA_VISIBLE_DEVICES"
    );
    let mut hidden = none;
    hidden.facts.environment.insert("CUDA_VISIBLE_DEVICES".into(), String::new());
    assert!(Scripted::new(hidden).ends(enumerate).ends_with("; CUDA_VISIBLE_DEVICES=\"\" hides devices"));
    let silent = Script { refuses: [("uuid", 999)].into(), ..Script::default() };
    assert_eq!(
        Scripted::new(silent).ends(enumerate),
        "fail: device 0 does not answer cuDeviceGetUuid: the CUDA driver answered with an unknown code (999); see the kernel's \
         log for an Xid, and reset the GPU or restart the machine"
    );
    let broken = Script { refuses: [("count", 3)].into(), ..Script::default() };
    assert!(
        Scripted::new(broken).ends(enumerate).starts_with("fail: the CUDA driver is not started: cause=not started")
    );
}

#[test]
fn simulated_devices_are_not_missed_among_real_gpus() {
    let simulated = Script { simulated: true, ..two() };
    let real = |gpus: &mut Vec<Gpu>| {
        gpus.iter_mut().for_each(|gpu| gpu.id = "GPU-00000000-0000-0000-0000-000000000000".parse().unwrap());
    };
    let driver = beside(simulated.clone(), real);
    assert_eq!(driver.ends(enumerate), "pass");
    assert!(driver.reads(enumerate, "cross_check").unwrap().starts_with("the simulated devices are not those"));
    assert!(beside(simulated, |gpus| drop(gpus.pop())).ends(enumerate).starts_with("fail: CUDA lists"));
}

#[test]
fn the_callers_programs_are_judged_for_the_device() {
    let wanting = |sass: &[&str], ptx: Option<(&str, &str)>, script: Script| {
        let facts = Facts {
            wanted_sass: sass.iter().map(|arch| arch.parse().unwrap()).collect(),
            wanted_ptx: ptx.map(|(isa, target)| (isa.parse().unwrap(), target.parse().unwrap())),
            ..Facts::default()
        };
        Scripted::new(Script { facts, ..script }).ends(arch_fit)
    };
    let h100 = Script::default;
    assert_eq!(wanting(&[], None, h100()), "skipped, NotAsked: no program was named");
    assert_eq!(wanting(&["sm_80", "sm_90a"], None, h100()), "pass");
    assert_eq!(wanting(&["sm_80"], Some(("8.0", "compute_80")), h100()), "pass");
    assert_eq!(
        wanting(&["sm_80"], None, h100()),
        "fail: refused: sm_80: machine code for 8.0 does not run on 9.0, which is of another major version; build it for sm_90, \
         or with PTX for it or older"
    );
    assert_eq!(
        wanting(&[], Some(("8.8", "compute_90")), Script { version: 12_040, ..h100() }),
        "fail: refused: compute_90: PTX 8.8 is newer than what a driver of CUDA 12.4 reads, which is 8.4 (error 222); install a \
         driver of CUDA 12.9 or newer, or build it for sm_90, or with PTX for it or older"
    );
    let orin = Script { devices: vec![("Orin", (8, 7), 1)], ..h100() };
    assert_eq!(
        wanting(&["sm_80"], None, orin),
        "warn: unknown: sm_80: NVIDIA promises nothing for machine code for 8.0 on 8.7: one is part of a system on a chip"
    );
}

#[test]
fn beside_a_mig_device_cuda_lists_no_whole_gpu() {
    let part = || Script { devices: vec![("NVIDIA A MIG 1g.10gb", (9, 0), 0xab)], ..Script::default() };
    let whole = "GPU-22222222-2222-2222-2222-222222222222";
    let driver = beside(part(), |gpus| {
        gpus[0].id = SECOND.parse().unwrap();
        partition(&mut gpus[0], &[("MIG-abababab-abab-abab-abab-abababababab", 0)]);
        gpus.push(Gpu::new(whole.parse().unwrap(), 1, "NVIDIA C"));
    });
    assert_eq!(driver.ends(enumerate), "pass");
    let told = format!("{whole}: CUDA lists no whole GPU where it lists a MIG device");
    assert_eq!(driver.reads(enumerate, "not_in_cuda"), Some(told));
}

#[test]
fn partitions_that_nobody_tells_are_unknown_and_no_fault() {
    let part = || Script { devices: vec![("NVIDIA A MIG 1g.10gb", (9, 0), 0xab)], ..Script::default() };
    let own = "MIG-abababab-abab-abab-abab-abababababab";
    let driver = beside(part(), |gpus| {
        gpus[0].id = SECOND.parse().unwrap();
        partition(&mut gpus[0], &[]);
        gpus[0].mig.devices = Reading::Unknown(crate::gpu::Unknown::Namespaced);
    });
    assert_eq!(driver.ends(enumerate), "pass");
    let why = crate::gpu::Unknown::Namespaced;
    assert_eq!(driver.reads(enumerate, "partitions"), Some(format!("{SECOND}: unknown, {why}")));
    let text = format!("{own}: whether it is a partition of a GPU is unknown, {why}");
    assert_eq!(driver.reads(enumerate, "not_in_nvml"), Some(text));
    // Where the partitions are known and it is none of them, the two libraries do not fit together.
    let other = beside(part(), |gpus| {
        gpus[0].id = SECOND.parse().unwrap();
        partition(&mut gpus[0], &[("MIG-11111111-1111-1111-1111-111111111111", 0)]);
    });
    assert!(other.ends(enumerate).starts_with(&format!("fail: CUDA lists {own}")), "{}", other.ends(enumerate));
}
