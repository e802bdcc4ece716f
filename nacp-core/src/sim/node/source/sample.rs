//! What a GPU of a simulated machine is doing.

use super::Node;
use super::ask::{Answer, reading};
use crate::gpu::{
    ClockEvents, Clocks, Ecc, Fan, Fields, LinkCounters, MemoryUse, MigUse, PcieLink, Profile, Reading, RecoveryAction,
    RetiredPages, Rows, Sample, Slowdown, SramEcc, Unknown, Utilization,
};
use crate::sim::node::{ClockReason, EccFile, GpuFile, MigDevice, PcieFile, Support, bits};
use crate::units::Bytes;

/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// One GPU that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) index: usize,
    pub(super) gpu: &'a GpuFile,
}

impl Reader<'_> {
    /// Reads these fields.
    pub(super) fn read(self, fields: Fields, sample: &mut Sample) {
        macro_rules! read {
            ($($field:ident $name:ident = $answer:expr,)*) => {
                $(if fields.contains(Fields::$field) { sample.$name = reading($answer); })*
            };
        }
        let gpu = self.gpu;
        read! {
            UTILIZATION utilization = self.ask("UtilizationRates", self.whole(gpu.utilization))
                .map(|busy| Utilization { gpu: busy.gpu, memory: busy.memory }),
            POWER power = self.ask("PowerUsage", Some(gpu.power)),
            MEMORY memory = self.memory(),
            TEMPERATURE temperature = self.either("TemperatureV", "Temperature", Some(gpu.temperature)),
            CLOCKS clocks = self.ask("ClockInfo", Some(Clocks {
                graphics: gpu.clocks.graphics,
                sm: gpu.clocks.sm,
                memory: gpu.clocks.memory,
            })),
            VIDEO_CLOCK video_clock = self.ask("ClockInfo", gpu.clocks.video),
            POWER_LIMIT power_limit = self.ask("EnforcedPowerLimit", gpu.power_limit),
            PERFORMANCE performance = self.ask("PerformanceState", gpu.performance),
            ENERGY energy = self.ask("TotalEnergyConsumption", gpu.energy),
            ENCODER encoder = self.ask("EncoderUtilization", self.whole(gpu.encoder).flatten()),
            DECODER decoder = self.ask("DecoderUtilization", self.whole(gpu.decoder).flatten()),
            JPEG jpeg = self.ask("JpgUtilization", self.whole(gpu.jpeg).flatten()),
            OPTICAL_FLOW optical_flow = self.ask("OfaUtilization", self.whole(gpu.ofa).flatten()),
            CLOCK_EVENTS clock_events = self.either(
                "CurrentClocksEventReasons",
                "CurrentClocksThrottleReasons",
                gpu.clock_events.as_ref().map(|events| ClockEvents(bits(&events.reasons, ClockReason::number))),
            ),
            SLOWDOWN slowdown = self.slowdown(),
            MEMORY_TEMPERATURE memory_temperature = self.field(gpu.thermal.and_then(|thermal| thermal.memory)),
            MARGIN margin = self.ask("MarginTemperature", gpu.thermal.and_then(|thermal| thermal.margin)),
            FANS fans = self.fans(),
            BAR1_USED bar1_used = self.ask("BAR1MemoryInfo", gpu.bar1.map(|bar1| bar1.used)),
            PCIE pcie = self.pcie_link(),
            PCIE_REPLAYS pcie_replays = self.ask("PcieReplayCounter", self.pcie(|pcie| pcie.replays)).map(u64::from),
            PCIE_SENT pcie_sent = self.field(self.pcie(|pcie| pcie.tx_bytes)).map(Bytes),
            PCIE_RECEIVED pcie_received = self.field(self.pcie(|pcie| pcie.rx_bytes)).map(Bytes),
            ECC ecc = self.ask("TotalEccErrors", self.ecc()),
            SRAM sram = self.ask("SramEccErrorStatus", self.sram()),
            ROWS rows = self.ask("RemappedRows", gpu.rows.map(|rows| Rows {
                correctable: rows.corrected,
                uncorrectable: rows.uncorrected,
                pending: rows.pending,
                failed: rows.failure,
            })),
            RETIRED_PAGES retired_pages = self.retired(),
            NVLINK nvlink = self.links(),
            RECOVERY recovery = self.field(gpu.recovery.map(|action| RecoveryAction::from_code(action.number()))),
            PROFILE profile = self.profile(),
            PROCESSES processes = self.processes(),
            MIG mig = self.partitions(),
        }
    }

    /// What a function about this GPU answers; its name without `nvmlDeviceGet`.
    pub(super) fn ask<T>(self, function: &str, value: Option<T>) -> Answer<T> {
        self.node.file.ask(&format!("nvmlDeviceGet{function}"), value)
    }

    pub(super) fn either<T>(self, newer: &str, older: &str, value: Option<T>) -> Answer<T> {
        self.node.file.ask_either(&format!("nvmlDeviceGet{newer}"), &format!("nvmlDeviceGet{older}"), value)
    }

    /// What a field answers.
    pub(super) fn field<T>(self, value: Option<T>) -> Answer<T> {
        self.ask("FieldValues", value)
    }

    /// A value that a GPU tells only while it is not divided.
    fn whole<T>(self, value: T) -> Option<T> {
        (!self.gpu.partitioned()).then_some(value)
    }

    pub(super) fn pcie<T>(self, value: impl FnOnce(&PcieFile) -> Option<T>) -> Option<T> {
        self.gpu.pcie.as_ref().and_then(value)
    }

    pub(super) fn memory(self) -> Answer<MemoryUse> {
        let memory = self.gpu.memory;
        let newest =
            MemoryUse { total: memory.total, used: memory.used, free: memory.free(), reserved: memory.reserved };
        self.newest_memory(newest)
    }

    /// Memory as the machine's library tells it: an old one counts what the driver keeps as used.
    fn newest_memory(self, memory: MemoryUse) -> Answer<MemoryUse> {
        if self.node.file.support("nvmlDeviceGetMemoryInfo_v2") != Support::Missing {
            return self.ask("MemoryInfo_v2", Some(memory));
        }
        let used = memory.used + memory.reserved;
        self.ask("MemoryInfo", Some(MemoryUse { used, reserved: Bytes::ZERO, ..memory }))
    }

    pub(super) fn part_memory(self, part: MigDevice<'_>) -> Answer<MemoryUse> {
        let (total, used, reserved) = (part.profile.memory, part.instance.used, part.instance.reserved);
        self.newest_memory(MemoryUse { total, used, free: part.free(), reserved })
    }

    fn slowdown(self) -> Answer<Slowdown> {
        let violations = self.field(self.gpu.violations)?;
        Ok(Slowdown {
            power: Reading::Known(violations.power),
            thermal: Reading::Known(violations.thermal),
            sync_boost: Reading::Known(violations.sync_boost),
            board: Reading::Known(violations.board_limit),
            low_utilization: Reading::Known(violations.low_utilization),
            reliability: Reading::Known(violations.reliability),
        })
    }

    fn fans(self) -> Answer<Vec<Fan>> {
        let fans = &self.gpu.fans;
        let count = match self.ask("NumFans", Some(fans.len())) {
            // A driver that cannot count them tells of one.
            Err(Unknown::TooOld) => 1,
            count => count?,
        };
        let fan = |nth: usize| Fan {
            speed: match nth {
                0 => reading(self.either("FanSpeed_v2", "FanSpeed", fans.first().map(|fan| fan.speed))),
                nth => reading(self.ask("FanSpeed_v2", fans.get(nth).map(|fan| fan.speed))),
            },
            rpm: reading(self.ask("FanSpeedRPM", fans.get(nth).and_then(|fan| fan.rpm))),
        };
        Ok((0..count).map(fan).collect())
    }

    fn pcie_link(self) -> Answer<PcieLink> {
        Ok(PcieLink {
            generation: self.ask("CurrPcieLinkGeneration", self.pcie(|pcie| pcie.generation))?,
            width: self.ask("CurrPcieLinkWidth", self.pcie(|pcie| pcie.width))?,
        })
    }

    /// Error correction, where it is on: no errors are told while it is off.
    fn enabled(&self) -> Option<&EccFile> {
        self.gpu.ecc.as_ref().filter(|ecc| ecc.enabled)
    }

    fn ecc(self) -> Option<Ecc> {
        let ecc = self.enabled()?;
        Some(Ecc {
            corrected: ecc.volatile.corrected.total(),
            uncorrected: ecc.volatile.uncorrected.total(),
            corrected_total: ecc.aggregate.corrected.total(),
            uncorrected_total: ecc.aggregate.uncorrected.total(),
        })
    }

    fn sram(self) -> Option<SramEcc> {
        let sram = self.enabled()?.sram?;
        Some(SramEcc {
            uncorrected_parity: sram.aggregate_parity,
            uncorrected_secded: sram.aggregate_secded,
            corrected: sram.aggregate_corrected,
            threshold_exceeded: sram.threshold_exceeded,
        })
    }

    fn retired(self) -> Answer<RetiredPages> {
        let retired = self.gpu.retired.as_ref();
        let count = |pages: usize| u32::try_from(pages).unwrap_or(u32::MAX);
        let counts = retired.map(|retired| (count(retired.corrected.len()), count(retired.uncorrected.len())));
        let (single_bit, double_bit) = self.either("RetiredPages_v2", "RetiredPages", counts)?;
        let pending = self.ask("RetiredPagesPendingStatus", retired.map(|retired| retired.pending))?;
        Ok(RetiredPages { single_bit, double_bit, pending })
    }

    fn links(self) -> Answer<LinkCounters> {
        let links = self.ask("NvLinkState", self.gpu.nvlink.as_ref().filter(|links| links.links > 0))?;
        let errors = |sum| reading(self.ask("NvLinkErrorCounter", Some(sum)));
        Ok(LinkCounters {
            sent: reading(self.field(Some(links.sum(|link| link.tx)))),
            received: reading(self.field(Some(links.sum(|link| link.rx)))),
            active: Reading::Known(links.active()),
            replays: errors(links.sum(|link| link.replay)),
            recoveries: errors(links.sum(|link| link.recovery)),
            crc_flit: errors(links.sum(|link| link.crc_flit)),
            crc_data: errors(links.sum(|link| link.crc_data)),
        })
    }

    /// How busy the parts of the chip were since the last reading; not available the first time.
    fn profile(self) -> Answer<Profile> {
        let ask = |function: &str| self.node.file.ask(function, self.gpu.gpm.as_ref());
        ask("nvmlGpmQueryDeviceSupport")?;
        ask("nvmlGpmSampleAlloc")?;
        ask("nvmlGpmSampleGet")?;
        if !self.node.has_sampled(self.index) {
            return Err(Unknown::NotAvailable);
        }
        let metrics = ask("nvmlGpmMetricsGet")?;
        let value = |metric| metrics.by_number(metric).ok_or(Unknown::NotSupported);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let thousandths = |metric| value(metric).map(|percent| (percent * 10.0).round() as u32);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let rate = |metric| value(metric).map(|mebibytes| (mebibytes * MIB).round() as u64);
        Ok(Profile {
            graphics: thousandths(1)?,
            sm: thousandths(2)?,
            occupancy: thousandths(3)?,
            tensor: thousandths(5)?,
            dram: thousandths(10)?,
            fp64: thousandths(11)?,
            fp32: thousandths(12)?,
            fp16: thousandths(13)?,
            pcie_sent: rate(20)?,
            pcie_received: rate(21)?,
        })
    }

    fn partitions(self) -> Answer<Vec<MigUse>> {
        let mig = self.ask("MigMode", self.gpu.mig.as_ref())?;
        let memory = |part| MigUse { id: id(part), memory: reading(self.part_memory(part)) };
        Ok(mig.devices().map(memory).collect())
    }
}

fn id(part: MigDevice<'_>) -> crate::gpu::GpuId {
    part.compute.uuid.clone()
}
