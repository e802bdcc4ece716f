//! What CUDA sees of a machine: its devices in CUDA's order, and what each of them is.

mod attribute;

use super::mig::{MigDevice, MigFile};
use super::{ComputeMode, GpuFile, ModesFile, NodeFile, PeerStatus, Pid, ProcessFile};
use crate::gpu::{GpuId, ProcessKind};

/// `CUDA_ERROR_DEVICE_UNAVAILABLE`.
const UNAVAILABLE: i32 = 46;

/// In which order CUDA counts its devices (`CUDA_DEVICE_ORDER`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CudaOrder {
    /// The fastest first, and those that are alike by their addresses (`FASTEST_FIRST`).
    #[default]
    FastestFirst,
    /// By their addresses (`PCI_BUS_ID`).
    PciBus,
}

/// A device of CUDA: a GPU, or a part of a divided one.
#[derive(Clone, Debug, PartialEq)]
pub struct CudaDevice {
    /// The GPU, or the one around the part.
    pub gpu: GpuFile,
    /// The part's UUID, where it is one.
    pub part: Option<GpuId>,
    /// The name of the product, and of the part's profile.
    pub name: String,
    /// How many streaming multiprocessors it has.
    pub multiprocessors: u32,
    /// How many engines copy while programs run.
    pub copy_engines: u32,
    /// What programs can use of its memory, in bytes.
    pub total: u64,
    /// What of that is free, in bytes.
    pub free: u64,
    /// Whether it is reached through WSL2.
    pub wsl: bool,
    /// What a call that wants a context on it is answered, where none can be had (`CUresult`).
    pub refuses: Option<i32>,
}

impl CudaDevice {
    /// The most threads that a block may have.
    pub const BLOCK: u32 = 1024;
    /// The most threads that a block may have in each direction.
    pub const BLOCK_SIDES: [u32; 3] = [1024, 1024, 64];
    /// The most blocks that there may be in each direction.
    pub const GRID_SIDES: [u32; 3] = [0x7FFF_FFFF, 65_535, 65_535];
    /// The shared memory that a block may have without asking for more, in bytes.
    pub const SHARED: u32 = 48 << 10;

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
        let part = |device: MigDevice<'_>| Self {
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
    pub fn uuid(&self) -> &GpuId {
        self.part.as_ref().unwrap_or(&self.gpu.uuid)
    }

    /// How it is set.
    pub fn modes(&self) -> ModesFile {
        self.gpu.modes.clone().unwrap_or_default()
    }

    /// Whether it can read and write the memory of another device.
    pub fn reaches(&self, other: &Self) -> bool {
        let status = |index| self.gpu.peers?.status(other.gpu.peers?, index);
        let ok = |index| status(index) == Some(PeerStatus::Ok);
        self.gpu.uuid != other.gpu.uuid && self.part.is_none() && other.part.is_none() && ok(0) && ok(1)
    }
}

/// Why no context can be had: nobody may, or another process holds the one that there can be.
fn refusal(gpu: &GpuFile, processes: &[ProcessFile]) -> Option<i32> {
    let held = |process: &ProcessFile| process.kind == ProcessKind::Compute && process.pid != Pid::Own;
    match gpu.modes.as_ref().and_then(|modes| modes.compute) {
        Some(ComputeMode::Prohibited) => Some(UNAVAILABLE),
        Some(ComputeMode::ExclusiveProcess) if processes.iter().any(held) => Some(UNAVAILABLE),
        _ => None,
    }
}

impl NodeFile {
    /// The devices that a process sees, where `list` is its `CUDA_VISIBLE_DEVICES`.
    ///
    /// Where a part of any divided GPU is visible, the first one is all that a process sees; a divided GPU itself is
    /// never seen (NVIDIA's manual of MIG, "CUDA device enumeration"). The list ends at the first entry that is no
    /// device.
    pub fn cuda_devices(&self, order: CudaOrder, list: Option<&str>) -> Vec<CudaDevice> {
        let everything = every(self, order);
        let chosen = match list {
            None => everything,
            Some(list) => chosen(&everything, list),
        };
        match chosen.iter().find(|device| device.part.is_some()) {
            Some(part) => vec![part.clone()],
            None => chosen,
        }
    }

    /// The newest CUDA that the driver serves, as `1000 * major + 10 * minor`; none where the file does not name one
    /// that can be told so.
    pub fn cuda_version(&self) -> Option<i32> {
        let (major, minor) = self.cuda.split_once('.')?;
        let number = |text: &str, times: i32| text.parse::<u16>().ok().map(|number| i32::from(number) * times);
        Some(number(major, 1000)? + number(minor, 10).filter(|minor| *minor < 1000)?)
    }

    /// Whether the machine is reached through WSL2. A node file does not tell the system; a name does.
    pub fn is_wsl(&self) -> bool {
        self.name.contains("wsl2")
    }
}

/// The newest PTX that the compiler of a driver takes, by the version of CUDA that it serves (`1000 * major + 10 *
/// minor`): from CUDA 9.0 on each brought the next one, and CUDA 12.5 none ("PTX ISA", release notes).
pub fn newest_ptx(version: i32) -> (u32, u32) {
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    match (number(version / 1000), number(version % 1000 / 10)) {
        (..=8, _) => (5, 0),
        (9, minor) => (6, minor),
        (10, minor) => (6, minor + 3),
        (12, minor @ 6..) => (8, minor - 1),
        (major, minor) => (major - 4, minor),
    }
}

/// Everything that could be seen: the fastest GPU first unless the order of their addresses is asked for.
fn every(node: &NodeFile, order: CudaOrder) -> Vec<CudaDevice> {
    let wsl = node.is_wsl();
    let mut gpus: Vec<&GpuFile> = node.gpus.iter().collect();
    gpus.sort_by(|one, other| one.pci.cmp(&other.pci));
    if order == CudaOrder::FastestFirst {
        let speed = |gpu: &GpuFile| u64::from(gpu.multiprocessors) * u64::from(gpu.max_clocks.unwrap_or(gpu.clocks).sm);
        gpus.sort_by_key(|gpu| std::cmp::Reverse(speed(gpu)));
    }
    gpus.into_iter()
        .flat_map(|gpu| if gpu.partitioned() { CudaDevice::parts(gpu) } else { vec![CudaDevice::whole(gpu, wsl)] })
        .collect()
}

/// Those of a list of positions and UUIDs, in its order, up to the first that is none. A position counts whole GPUs,
/// and the beginning of a UUID is enough where it names one device only.
fn chosen(everything: &[CudaDevice], list: &str) -> Vec<CudaDevice> {
    let mut chosen: Vec<CudaDevice> = Vec::new();
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

    fn see(node: &str, list: Option<&str>) -> Vec<CudaDevice> {
        NodeFile::shipped(node).unwrap().cuda_devices(CudaOrder::FastestFirst, list)
    }

    fn uuids(devices: &[CudaDevice]) -> Vec<&str> {
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
            (ComputeMode::ExclusiveProcess, "4242", Some(UNAVAILABLE)),
            (ComputeMode::Prohibited, "\"self\"", Some(UNAVAILABLE)),
        ] {
            gpu.modes.get_or_insert_default().compute = Some(mode);
            gpu.processes = process(pid);
            assert_eq!(CudaDevice::whole(gpu, false).refuses, expected, "{mode:?} {pid}");
        }
    }

    /// Who holds the GPU around a part does not hold the part.
    #[test]
    fn a_part_held_by_another_process_gives_no_context() {
        let mut node = NodeFile::shipped("a100-mig").unwrap();
        let seen = |node: &NodeFile| node.cuda_devices(CudaOrder::FastestFirst, None)[0].refuses;
        let gpu = node.gpus.iter_mut().find(|gpu| gpu.partitioned()).unwrap();
        gpu.modes.get_or_insert_default().compute = Some(ComputeMode::ExclusiveProcess);
        let process: ProcessFile = serde_json::from_str(r#"{"pid": 4242, "kind": "compute"}"#).unwrap();
        gpu.processes = vec![process.clone()];
        let hold = |node: &mut NodeFile, by: &[ProcessFile]| {
            let instances = node.gpus.iter_mut().filter_map(|gpu| gpu.mig.as_mut()).flat_map(|mig| &mut mig.instances);
            instances.flat_map(|it| &mut it.compute).for_each(|compute| compute.processes = by.to_vec());
        };
        hold(&mut node, &[]);
        assert_eq!(seen(&node), None);
        hold(&mut node, &[process]);
        assert_eq!(seen(&node), Some(UNAVAILABLE));
    }

    #[test]
    fn the_fastest_comes_first_unless_addresses_are_asked_for() {
        let mut node = NodeFile::shipped("h100x8").unwrap();
        node.gpus[0].multiprocessors = 100;
        let (slow, second) = (node.gpus[0].uuid.clone(), node.gpus[1].uuid.clone());
        let first = |order| node.cuda_devices(order, None)[0].uuid().clone();
        assert_eq!((first(CudaOrder::FastestFirst), first(CudaOrder::PciBus)), (second, slow.clone()));
        assert_eq!(node.cuda_devices(CudaOrder::FastestFirst, None)[7].uuid(), &slow);
    }

    #[test]
    fn each_version_of_cuda_is_a_number_and_has_its_newest_ptx() {
        let mut node = NodeFile::shipped("h200").unwrap();
        for (text, number) in [("13.1", Some(13_010)), ("9", None), ("x.1", None), ("70000.1", None), ("12.100", None)]
        {
            node.cuda = text.to_owned();
            assert_eq!(node.cuda_version(), number, "{text}");
        }
        let versions =
            [(8000, (5, 0)), (9000, (6, 0)), (10_020, (6, 5)), (12_040, (8, 4)), (12_060, (8, 5)), (-1, (5, 0))];
        for (version, ptx) in versions {
            assert_eq!(newest_ptx(version), ptx, "{version}");
        }
    }
}
