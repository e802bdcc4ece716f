//! The devices that a process sees, in CUDA's order: GPUs of the node file, or one part of a divided GPU.

use nacp_core::gpu::{GpuId, ProcessKind};
use nacp_core::sim::node::{ComputeMode, MigFile, ModesFile, PeerStatus};
use nacp_core::sim::{GpuFile, NodeFile, Pid, ProcessFile};

use crate::code::Code;
use crate::config::Config;

/// A device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// The GPU, or the one around the part.
    pub(crate) gpu: GpuFile,
    /// The part's UUID, where it is one.
    pub(crate) part: Option<GpuId>,
    pub(crate) name: String,
    pub(crate) multiprocessors: u32,
    pub(crate) copy_engines: u32,
    /// What programs can use of its memory, and what of it is free, in bytes.
    pub(crate) total: u64,
    pub(crate) free: u64,
    /// Whether it is reached through WSL2.
    pub(crate) wsl: bool,
    /// Whether a context can be had, and why not.
    pub(crate) refuses: Option<Code>,
}

impl Device {
    /// A whole GPU.
    fn whole(gpu: &GpuFile, wsl: bool) -> Self {
        let data_center = gpu.compute.minor == 0 && gpu.compute.major >= 6;
        Self {
            part: None,
            name: gpu.name.clone(),
            multiprocessors: gpu.multiprocessors,
            copy_engines: if data_center { 3 } else { 2 },
            total: gpu.memory.total.saturating_sub(gpu.memory.reserved).0,
            free: gpu.memory.free().0,
            wsl,
            refuses: refusal(gpu, &gpu.processes),
            gpu: gpu.clone(),
        }
    }

    /// The parts of a divided GPU that a process can use, in order.
    fn parts(gpu: &GpuFile) -> Vec<Self> {
        let devices = gpu.mig.iter().flat_map(MigFile::devices);
        let part = |device: nacp_core::sim::node::MigDevice<'_>| Self {
            part: Some(device.compute.uuid.clone()),
            name: format!("{} MIG {}", gpu.name, device.profile_name()),
            multiprocessors: device.multiprocessors(),
            copy_engines: device.profile.copy_engines,
            total: device.profile.memory.saturating_sub(device.instance.reserved).0,
            free: device.free().0,
            wsl: false,
            refuses: refusal(gpu, &device.compute.processes),
            gpu: gpu.clone(),
        };
        devices.map(part).collect()
    }

    /// The UUID by which CUDA selects it.
    pub(crate) fn uuid(&self) -> &GpuId {
        self.part.as_ref().unwrap_or(&self.gpu.uuid)
    }

    /// How it is set.
    pub(crate) fn modes(&self) -> ModesFile {
        self.gpu.modes.clone().unwrap_or_default()
    }

    /// Whether it can read and write the memory of another device.
    pub(crate) fn reaches(&self, other: &Self) -> bool {
        let status = |index| self.gpu.peers?.status(other.gpu.peers?, index);
        let ok = |index| status(index) == Some(PeerStatus::Ok);
        self.gpu.uuid != other.gpu.uuid && self.part.is_none() && other.part.is_none() && ok(0) && ok(1)
    }
}

/// Why no context can be had: nobody may, or another process holds the one that there can be.
fn refusal(gpu: &GpuFile, processes: &[ProcessFile]) -> Option<Code> {
    let held = |process: &ProcessFile| process.kind == ProcessKind::Compute && process.pid != Pid::Own;
    match gpu.modes.as_ref().and_then(|modes| modes.compute) {
        Some(ComputeMode::Prohibited) => Some(Code::DEVICE_UNAVAILABLE),
        Some(ComputeMode::ExclusiveProcess) if processes.iter().any(held) => Some(Code::DEVICE_UNAVAILABLE),
        _ => None,
    }
}

/// The devices that a process with these variables sees.
///
/// Where a part of any divided GPU is visible, the first one is all that a process sees; a divided GPU itself is never
/// seen (NVIDIA's manual of MIG, "CUDA device enumeration").
pub(crate) fn visible(config: &Config) -> Vec<Device> {
    let everything = every(&config.node, config.by_pci);
    let chosen = match &config.visible {
        None => everything,
        Some(list) => chosen(&everything, list),
    };
    match chosen.iter().find(|device| device.part.is_some()) {
        Some(part) => vec![part.clone()],
        None => chosen,
    }
}

/// Everything that could be seen: the fastest GPU first unless the order of their addresses is asked for.
fn every(node: &NodeFile, by_pci: bool) -> Vec<Device> {
    // A node file does not tell the system; this one name does.
    let wsl = node.name.contains("wsl2");
    let mut gpus: Vec<&GpuFile> = node.gpus.iter().collect();
    gpus.sort_by(|one, other| one.pci.cmp(&other.pci));
    if !by_pci {
        let speed = |gpu: &GpuFile| u64::from(gpu.multiprocessors) * u64::from(gpu.max_clocks.unwrap_or(gpu.clocks).sm);
        gpus.sort_by_key(|gpu| std::cmp::Reverse(speed(gpu)));
    }
    gpus.into_iter()
        .flat_map(|gpu| if gpu.partitioned() { Device::parts(gpu) } else { vec![Device::whole(gpu, wsl)] })
        .collect()
}

/// Those of a list of positions and UUIDs, in its order, up to the first that is none. A position counts whole GPUs,
/// and the beginning of a UUID is enough where it names one device only.
fn chosen(everything: &[Device], list: &str) -> Vec<Device> {
    let mut chosen: Vec<Device> = Vec::new();
    for item in list.split(',').map(str::trim) {
        let found = match item.parse::<usize>() {
            Ok(position) => everything.get(position),
            Err(_) if item.starts_with("GPU-") || item.starts_with("MIG-") => {
                let mut matching = everything.iter().filter(|device| device.uuid().as_str().starts_with(item));
                matching.next().filter(|_| matching.next().is_none())
            }
            Err(_) => None,
        };
        match found {
            Some(device) if chosen.iter().all(|other| other.uuid() != device.uuid()) => chosen.push(device.clone()),
            Some(_) => return Vec::new(),
            None => break,
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacp_core::sim::node::MigDevice;

    fn see(node: &str, list: Option<&str>) -> Vec<Device> {
        let variables = [("NACP_SIM_NODE", Some(node)), ("CUDA_VISIBLE_DEVICES", list)];
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name)?.1.map(str::to_owned);
        visible(&Config::read(variable).unwrap())
    }

    fn uuids(devices: &[Device]) -> Vec<&str> {
        devices.iter().map(|device| device.uuid().as_str()).collect()
    }

    #[test]
    fn a_process_sees_one_part_and_nothing_beside_it() {
        let node = NodeFile::shipped("a100-mig").unwrap();
        let parts: Vec<MigDevice<'_>> = node.gpus.iter().flat_map(|gpu| &gpu.mig).flat_map(MigFile::devices).collect();
        let seen = see("a100-mig", None);
        assert_eq!(uuids(&seen), [parts[0].compute.uuid.as_str()]);
        assert_eq!((seen[0].name.as_str(), seen[0].multiprocessors), ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 14));
        assert_eq!(seen[0].total, parts[0].profile.memory.saturating_sub(parts[0].instance.reserved).0);
        let wanted = parts[8].compute.uuid.as_str();
        assert_eq!(uuids(&see("a100-mig", Some(wanted))), [wanted]);
        let whole: Vec<_> = node.gpus.iter().filter(|gpu| !gpu.partitioned()).map(|gpu| gpu.uuid.as_str()).collect();
        assert_eq!(uuids(&see("a100-mig", Some(whole[0]))), [whole[0]]);
    }

    #[test]
    fn the_list_of_visible_devices_ends_at_the_first_that_is_none() {
        let all = see("h100x8", None);
        assert_eq!(all.len(), 8);
        let all = uuids(&all);
        for (list, expected) in [
            ("2,0", vec![all[2], all[0]]),
            ("1,9,2", vec![all[1]]),
            ("", vec![]),
            ("-1", vec![]),
            ("0,0", vec![]),
            (all[3], vec![all[3]]),
            ("GPU-", vec![]),
            ("NoDevFiles", vec![]),
        ] {
            assert_eq!(uuids(&see("h100x8", Some(list))), expected, "{list:?}");
        }
    }

    #[test]
    fn a_gpu_held_by_another_process_gives_no_context() {
        let mut node = NodeFile::shipped("h200").unwrap();
        let gpu = &mut node.gpus[0];
        let process = |pid| -> Vec<ProcessFile> {
            serde_json::from_str(&format!(r#"[{{"pid": {pid}, "kind": "compute"}}]"#)).unwrap()
        };
        for (mode, pid, expected) in [
            (ComputeMode::Default, "4242", None),
            (ComputeMode::ExclusiveProcess, "\"self\"", None),
            (ComputeMode::ExclusiveProcess, "4242", Some(Code::DEVICE_UNAVAILABLE)),
            (ComputeMode::Prohibited, "\"self\"", Some(Code::DEVICE_UNAVAILABLE)),
        ] {
            gpu.modes.get_or_insert_default().compute = Some(mode);
            gpu.processes = process(pid);
            assert_eq!(Device::whole(gpu, false).refuses, expected, "{mode:?} {pid}");
        }
    }
}
