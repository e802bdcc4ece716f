//! What a GPU of a simulated machine is.

use std::fmt;

use super::ask::{Answer, reading as told};
use super::sample::Reader;
use crate::gpu::inventory::decode;
use crate::gpu::{
    Affinity, Ancestor, Clocks, Fabric, Gpu, GpuInstance, Identity, InfoRom, Limits, Mig, MigDevice, MigPlacement,
    MigProfile, Modes, NvLink, Pair, Pcie, PeerAccess, PeerStatus, Persistent, Platform, Processor, Reading,
    RemoteDevice, TemperatureLimits, Unknown,
};
use crate::sim::node::{FabricFile, IdentityFile, InforomFile, MigFile, MigProfileFile, ModesFile, NumaFile, Support};
use crate::units::Bytes;

/// NVIDIA's number as a maker of PCI devices.
const NVIDIA: u32 = 0x10DE;

/// NVML's number for something, in NACP's words.
fn decoded<T>(answer: Answer<u32>, word: impl FnOnce(u32) -> Reading<T>) -> Reading<T> {
    match answer {
        Ok(code) => word(code),
        Err(reason) => Reading::Unknown(reason),
    }
}

impl Reader<'_> {
    /// All that does not change while the GPU is in the machine.
    pub(super) fn describe(self) -> Gpu {
        let file = self.gpu;
        let name = self.ask("Name", Some(file.name.as_str())).unwrap_or("unknown GPU");
        let mut gpu = Gpu::new(file.uuid.clone(), u32::try_from(self.index).unwrap_or(u32::MAX), name);
        gpu.compute = told(self.ask("CudaComputeCapability", Some(file.compute)));
        gpu.memory = told(self.memory()).map(|memory| memory.total);
        gpu.pci = told(self.ask("PciInfo_v3", Some(file.pci.clone())));
        gpu.pcie = self.bus();
        gpu.identity = self.identity();
        gpu.processor = self.processor(&gpu.compute);
        gpu.limits = self.limits();
        gpu.modes = self.modes();
        gpu.affinity = self.affinity();
        gpu.nvlinks = told(self.nvlinks());
        gpu.c2c = told(self.ask("C2cModeInfoV", file.c2c.map(|_| true)));
        gpu.fabric = self.fabric();
        gpu.mig = self.mig();
        gpu
    }

    fn own<T: fmt::Debug>(self, function: &str, value: impl FnOnce(&IdentityFile) -> Option<T>) -> Reading<T> {
        told(self.ask(function, self.gpu.identity.as_ref().and_then(value)))
    }

    fn identity(self) -> Identity {
        let inforom = |function: &str, value: fn(&InforomFile) -> &Option<String>| {
            self.own(function, |own| value(own.inforom.as_ref()?).clone())
        };
        let brand = self.gpu.identity.as_ref().and_then(|own| own.brand).map(super::super::numbered::Brand::number);
        Identity {
            brand: decoded(self.ask("Brand", brand), decode::brand),
            serial: self.own("Serial", |own| own.serial.clone()),
            part_number: self.own("BoardPartNumber", |own| own.part.clone()),
            board: self.own("BoardId", |own| own.board),
            minor: self.own("MinorNumber", |own| own.minor),
            module: self.own("ModuleId", |own| own.module),
            vbios: self.own("VbiosVersion", |own| own.vbios.clone()),
            gsp_firmware: self.own("GspFirmwareVersion", |own| own.firmware.clone()),
            inforom: InfoRom {
                image: inforom("InforomImageVersion", |inforom| &inforom.image),
                oem: inforom("InforomVersion", |inforom| &inforom.oem),
                ecc: inforom("InforomVersion", |inforom| &inforom.ecc),
                power: inforom("InforomVersion", |inforom| &inforom.power),
            },
            platform: self.own("PlatformInfo", |own| {
                let platform = own.platform.as_ref()?;
                Some(Platform {
                    chassis: platform.chassis.clone(),
                    slot: platform.slot.into(),
                    tray: platform.tray.into(),
                    host: platform.host.into(),
                    module: platform.module.into(),
                })
            }),
        }
    }

    fn processor(self, compute: &Reading<crate::gpu::ComputeCapability>) -> Processor {
        let architecture = self
            .gpu
            .identity
            .as_ref()
            .and_then(|own| own.architecture)
            .map(super::super::numbered::Architecture::number);
        let cores = self.own("NumGpuCores", |own| own.cores);
        Processor {
            architecture: decoded(self.ask("Architecture", architecture), decode::architecture),
            multiprocessors: decode::multiprocessors(&cores, compute),
            cores,
            memory_bus: self.own("MemoryBusWidth", |own| own.bus_width),
            bar1: told(self.ask("BAR1MemoryInfo", self.gpu.bar1.map(|bar1| bar1.total))),
        }
    }

    fn bus(self) -> Pcie {
        let own = self.gpu.identity.as_ref();
        let number = |value: Option<u32>, absent| told(self.ask("PciInfo_v3", Some(value.unwrap_or(absent))));
        Pcie {
            device: number(own.and_then(|own| own.device).map(super::super::identity::PciNumber::combined), NVIDIA),
            subsystem: number(own.and_then(|own| own.subsystem).map(super::super::identity::PciNumber::combined), 0),
            max_generation: told(self.ask("MaxPcieLinkGeneration", self.pcie(|pcie| pcie.max_generation))),
            gpu_max_generation: told(self.ask("GpuMaxPcieLinkGeneration", self.pcie(|pcie| pcie.gpu_max_generation))),
            max_width: told(self.ask("MaxPcieLinkWidth", self.pcie(|pcie| pcie.max_width))),
            max_speed: told(self.ask("PcieLinkMaxSpeed", self.pcie(|pcie| pcie.max_speed))),
        }
    }

    fn limits(self) -> Limits {
        let limits = self.gpu.limits.as_ref();
        // Both are told at once.
        let range = limits.and_then(|limits| Some((limits.min?, limits.max?)));
        let range = || self.ask("PowerManagementLimitConstraints", range);
        let max = self.gpu.max_clocks;
        let thermal = self.gpu.thermal;
        let threshold =
            |which, value: Option<u32>| told(self.ask_for("TemperatureThreshold", format_args!("{which}"), value));
        Limits {
            power_min: told(range()).map(|(min, _)| min),
            power_max: told(range()).map(|(_, max)| max),
            power_default: told(self.ask("PowerManagementDefaultLimit", limits.and_then(|limits| limits.default))),
            clocks: told(
                self.ask(
                    "MaxClockInfo",
                    max.map(|max| Clocks { graphics: max.graphics, sm: max.sm, memory: max.memory }),
                ),
            ),
            video_clock: told(self.ask("MaxClockInfo", max.and_then(|max| max.video))),
            temperature: TemperatureLimits {
                shutdown: threshold("shutdown", thermal.and_then(|thermal| thermal.shutdown)),
                slowdown: threshold("slowdown", thermal.and_then(|thermal| thermal.slowdown)),
                gpu_max: threshold("gpu max", thermal.and_then(|thermal| thermal.gpu_max)),
                memory_max: threshold("memory max", thermal.and_then(|thermal| thermal.memory_max)),
            },
            fans: told(self.ask("NumFans", u32::try_from(self.gpu.fans.len()).ok())),
        }
    }

    fn modes(self) -> Modes {
        fn of<T: fmt::Debug>(
            reader: Reader<'_>,
            function: &str,
            value: impl FnOnce(&ModesFile) -> Option<T>,
        ) -> Answer<T> {
            reader.ask(function, reader.gpu.modes.as_ref().and_then(value))
        }
        let model = self
            .gpu
            .modes
            .as_ref()
            .and_then(|modes| modes.driver_model)
            .map(super::super::numbered::DriverModel::number);
        let ecc = self.gpu.ecc.as_ref();
        Modes {
            compute: decoded(
                of(self, "ComputeMode", |modes| modes.compute).map(super::super::numbered::ComputeMode::number),
                decode::compute_mode,
            ),
            persistence: told(of(self, "PersistenceMode", |modes| modes.persistence)),
            display_active: told(of(self, "DisplayActive", |modes| modes.display_active)),
            display_connected: told(of(self, "DisplayMode", |modes| modes.display_connected)),
            ecc: told(self.ask(
                "EccMode",
                ecc.map(|ecc| Persistent { current: ecc.enabled, pending: ecc.pending.unwrap_or(ecc.enabled) }),
            )),
            accounting: told(of(self, "AccountingMode", |modes| modes.accounting)),
            virtualization: told(of(self, "VirtualizationMode", |modes| modes.virtualization))
                .map(|mode| decode::virtualization(mode.number())),
            driver_model: decoded(self.either("DriverModel_v2", "DriverModel", model), decode::driver_model),
            addressing: told(of(self, "AddressingMode", |modes| modes.addressing))
                .map(|mode| decode::addressing(mode.number())),
            confidential_memory: told(of(self, "ConfComputeMemSizeInfo", |modes| modes.confidential))
                .map(|sizes| Bytes(sizes.protected.0 / 1024 * 1024)),
        }
    }

    fn affinity(self) -> Affinity {
        fn of<T: fmt::Debug>(
            reader: Reader<'_>,
            function: &str,
            value: impl FnOnce(&NumaFile) -> Option<T>,
        ) -> Answer<T> {
            reader.ask(function, reader.gpu.numa.as_ref().and_then(value))
        }
        let cpus = self.gpu.numa.as_ref().and_then(|numa| numa.cpus.as_ref()).map(|cpus| cpus.numbers().collect());
        Affinity {
            numa_node: told(of(self, "NumaNodeId", |numa| numa.node)),
            cpus: told(self.either("CpuAffinityWithinScope", "CpuAffinity", cpus)),
            memory_nodes: told(of(self, "MemoryAffinity", |numa| {
                numa.memory.as_ref().map(|nodes| nodes.numbers().collect())
            })),
        }
    }

    fn nvlinks(self) -> Answer<Vec<NvLink>> {
        let links = self.nvlink_state(0)?;
        if links.links == 0 {
            // The first link is an invalid argument.
            return Err(Unknown::Code(2));
        }
        let link = |number: u32| {
            let active = links.link(number).is_some_and(|(_, active)| active);
            let far = links.far_end(number).filter(|_| active).map(str::to_owned);
            let device = if active { decode::remote_device(links.remote.number()) } else { RemoteDevice::Unknown };
            NvLink {
                link: number,
                active: Reading::Known(active),
                version: told(self.ask("NvLinkVersion", Some(links.version.number()))),
                remote: told(self.ask("NvLinkRemotePciInfo_v2", far)),
                remote_device: told(self.ask("NvLinkRemoteDeviceType", Some(device))),
                speed: told(self.field(164, Some(if active { links.speed } else { 0 }))),
            }
        };
        Ok((0..links.links).map(link).collect())
    }

    fn fabric(self) -> Reading<Fabric> {
        let versioned = self.node.file.support("nvmlDeviceGetGpuFabricInfoV") != Support::Missing;
        let found = self.either("GpuFabricInfoV", "GpuFabricInfo", self.gpu.fabric.as_ref());
        let described = |file: &FabricFile, state| {
            let status = i32::try_from(file.status).unwrap_or(i32::MAX);
            let mut fabric = Fabric::new(state, status, decode::cluster(&file.cluster_bytes()), file.clique);
            fabric.health =
                if versioned { Reading::Known(file.health.mask()) } else { Reading::Unknown(Unknown::TooOld) };
            fabric
        };
        match found {
            Ok(file) => decode::fabric_state(file.state.number()).map(|state| described(file, state)),
            Err(reason) => Reading::Unknown(reason),
        }
    }

    fn mig(self) -> Mig {
        let mode = self.mig_mode();
        Mig {
            mode: told(mode)
                .map(|mig| Persistent { current: mig.enabled, pending: mig.pending.unwrap_or(mig.enabled) }),
            devices: told(mode.map(|mig| self.mig_devices(mig))),
            instances: told(mode.and_then(|mig| self.instances(mig))),
            profiles: told(mode.and_then(|mig| self.profiles(mig))),
        }
    }

    fn mig_devices(self, mig: &MigFile) -> Vec<MigDevice> {
        let described = |part: crate::sim::node::MigDevice<'_>| {
            let index = u32::try_from(part.index).unwrap_or(u32::MAX);
            let mut device = MigDevice::new(part.compute.uuid.clone(), index);
            device.name = told(self.ask("Name", Some(format!("{} MIG {}", self.gpu.name, part.profile_name()))));
            device.profile = told(self.ask("Name", Some(part.profile_name())));
            device.gpu_instance = told(self.ask("GpuInstanceId", Some(part.instance.id)));
            device.compute_instance = told(self.ask("ComputeInstanceId", Some(part.compute.id)));
            device.memory = told(self.part_memory(part)).map(|memory| memory.total);
            device.multiprocessors = told(self.ask("Attributes_v2", Some(part.multiprocessors())));
            device
        };
        mig.devices().map(described).collect()
    }

    fn instances(self, mig: &MigFile) -> Answer<Vec<GpuInstance>> {
        if !mig.enabled {
            return Ok(Vec::new());
        }
        self.profiles(mig)?;
        self.ask("GpuInstances", Some(mig.instances.len()))?;
        if !mig.instances.is_empty() {
            self.call("nvmlGpuInstanceGetInfo", format_args!(""), Some(()))?;
        }
        let described = |instance: &crate::sim::node::MigInstanceFile| {
            let profile = mig.profile(&instance.profile)?;
            let placement = MigPlacement { start: instance.start, size: profile.size };
            Some(GpuInstance { id: instance.id, profile: profile.id, placement })
        };
        let mut found: Vec<_> = mig.instances.iter().filter_map(described).collect();
        found.sort_by_key(|instance| instance.id);
        Ok(found)
    }

    fn profiles(self, mig: &MigFile) -> Answer<Vec<MigProfile>> {
        let named = self.node.file.support("nvmlDeviceGetGpuInstanceProfileInfoV") != Support::Missing;
        self.either(
            "GpuInstanceProfileInfoV",
            "GpuInstanceProfileInfo",
            Some(()).filter(|()| !mig.profiles.is_empty()),
        )?;
        let mut profiles: Vec<&MigProfileFile> = mig.profiles.iter().collect();
        profiles.sort_by_key(|profile| profile.number);
        let described = |file: &MigProfileFile| {
            let memory = Bytes::mib(file.memory.as_mib());
            let mut profile = MigProfile::new(file.id, file.slices, file.count, file.multiprocessors, memory);
            profile.name = if named { Reading::Known(file.name.clone()) } else { Reading::Unknown(Unknown::TooOld) };
            profile.remaining =
                told(self.ask("GpuInstanceRemainingCapacity", mig.enabled.then(|| mig.remaining(file))));
            let places = file.starts.iter().map(|start| MigPlacement { start: *start, size: file.size }).collect();
            profile.placements = told(self.either(
                "GpuInstancePossiblePlacements_v2",
                "GpuInstancePossiblePlacements",
                mig.enabled.then_some(places),
            ));
            profile
        };
        Ok(profiles.into_iter().map(described).collect())
    }

    /// What this GPU is to another one.
    pub(super) fn pair(self, other: Self) -> Pair {
        let mut pair = Pair::new(self.gpu.uuid.clone(), other.gpu.uuid.clone());
        let level = |code| Ancestor::from_code(code).map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known);
        pair.ancestor = decoded(self.ask("TopologyCommonAncestor", self.gpu.nearness(other.gpu)), level);
        let both = self.gpu.peers.zip(other.gpu.peers);
        let status = |way| {
            let status =
                both.and_then(|(own, theirs)| own.status(theirs, way)).map(super::super::numbered::PeerStatus::number);
            told(self.ask_for("P2PStatus", format_args!("{way}"), status)).map(PeerStatus::from_code)
        };
        pair.peer = PeerAccess { read: status(0), write: status(1), nvlink: status(2), atomics: status(3) };
        pair
    }
}
