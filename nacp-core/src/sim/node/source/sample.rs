//! What a GPU of a simulated machine is doing.

use std::fmt;

use super::Node;
use super::ask::{Answer, reading};
use super::support::Notes;
use crate::gpu::{
    ClockEvents, Clocks, Ecc, Fan, Fields, LinkCounters, MemoryUse, MigUse, PcieLink, Profile, Reading, RecoveryAction,
    RetiredPages, Rows, Sample, Slowdown, SramEcc, Unknown, Utilization,
};
use crate::sim::node::{
    ClockReason, EccFile, GpuFile, MigDevice, MigFile, NvLinkFile, PcieFile, Support, ViolationsFile, bits,
};
use crate::units::Bytes;

/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// One GPU that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) index: usize,
    pub(super) gpu: &'a GpuFile,
    /// Where every answer is written down, if somebody wants that.
    pub(super) notes: Option<&'a Notes>,
}

impl<'a> Reader<'a> {
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
            MEMORY_TEMPERATURE memory_temperature = self.field(82, gpu.thermal.and_then(|thermal| thermal.memory)),
            MARGIN margin = self.ask("MarginTemperature", gpu.thermal.and_then(|thermal| thermal.margin)),
            FANS fans = self.fans(),
            BAR1_USED bar1_used = self.ask("BAR1MemoryInfo", gpu.bar1.map(|bar1| bar1.used)),
            PCIE pcie = self.pcie_link(),
            PCIE_REPLAYS pcie_replays = self.ask("PcieReplayCounter", self.pcie(|pcie| pcie.replays)).map(u64::from),
            PCIE_SENT pcie_sent = self.field(197, self.pcie(|pcie| pcie.tx_bytes)).map(Bytes),
            PCIE_RECEIVED pcie_received = self.field(198, self.pcie(|pcie| pcie.rx_bytes)).map(Bytes),
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
            RECOVERY recovery = self.field(230, gpu.recovery.map(|action| RecoveryAction::from_code(action.number()))),
            PROFILE profile = self.profile(),
            PROCESSES processes = self.processes(),
            MIG mig = self.partitions(),
        }
    }

    /// What a function about this GPU answers; its name without `nvmlDeviceGet`.
    pub(super) fn ask<T: fmt::Debug>(self, function: &str, value: Option<T>) -> Answer<T> {
        self.ask_for(function, format_args!(""), value)
    }

    /// The same, of a function that answers several questions.
    pub(super) fn ask_for<T: fmt::Debug>(
        self,
        function: &str,
        argument: fmt::Arguments<'_>,
        value: Option<T>,
    ) -> Answer<T> {
        self.call(&format!("nvmlDeviceGet{function}"), argument, value)
    }

    /// What a function answers, by its whole name.
    pub(super) fn call<T: fmt::Debug>(
        self,
        function: &str,
        argument: fmt::Arguments<'_>,
        value: Option<T>,
    ) -> Answer<T> {
        let answer = self.node.file.ask(function, value);
        if let Some(notes) = self.notes {
            notes.heard(function, argument, Some(&self.gpu.uuid), &answer);
        }
        answer
    }

    /// The same, with an older function that is asked where the machine's library does not have the newer one.
    pub(super) fn either<T: fmt::Debug>(self, newer: &str, older: &str, value: Option<T>) -> Answer<T> {
        if self.node.file.support(&format!("nvmlDeviceGet{newer}")) == Support::Missing {
            let _: Answer<T> = self.ask(newer, None);
            return self.ask(older, value);
        }
        self.ask(newer, value)
    }

    /// What a field answers, by its number in nvml.h.
    pub(super) fn field<T: fmt::Debug>(self, id: u32, value: Option<T>) -> Answer<T> {
        self.ask_for("FieldValues", format_args!("field {id}"), value)
    }

    /// The kinds of events that it reports, as bits.
    pub(super) fn supported_events(self) -> Answer<u64> {
        let kinds = self.node.timeline().ok().map(|timeline| timeline.event_kinds(self.index, self.gpu));
        self.ask("SupportedEventTypes", kinds)
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
        match self.ask("MemoryInfo_v2", Some(memory)) {
            Err(Unknown::TooOld) => {
                let used = memory.used + memory.reserved;
                self.ask("MemoryInfo", Some(MemoryUse { used, reserved: Bytes::ZERO, ..memory }))
            }
            answer => answer,
        }
    }

    pub(super) fn part_memory(self, part: MigDevice<'_>) -> Answer<MemoryUse> {
        let (total, used, reserved) = (part.profile.memory, part.instance.used, part.instance.reserved);
        self.newest_memory(MemoryUse { total, used, free: part.free(), reserved })
    }

    fn slowdown(self) -> Answer<Slowdown> {
        let violations = self.gpu.violations.as_ref();
        let time = |id, value: fn(&ViolationsFile) -> u64| self.field(id, violations.map(value)).map(Reading::Known);
        Ok(Slowdown {
            power: time(74, |held| held.power)?,
            thermal: time(75, |held| held.thermal)?,
            sync_boost: time(76, |held| held.sync_boost)?,
            board: time(77, |held| held.board_limit)?,
            low_utilization: time(78, |held| held.low_utilization)?,
            reliability: time(79, |held| held.reliability)?,
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
        let links = self.nvlink_state(1)?;
        let errors = |counter, sum| reading(self.ask_for("NvLinkErrorCounter", format_args!("{counter}"), Some(sum)));
        Ok(LinkCounters {
            sent: reading(self.field(138, Some(links.sum(|link| link.tx)))),
            received: reading(self.field(139, Some(links.sum(|link| link.rx)))),
            active: Reading::Known(links.active()),
            replays: errors("replays", links.sum(|link| link.replay)),
            recoveries: errors("recoveries", links.sum(|link| link.recovery)),
            crc_flit: errors("crc flit", links.sum(|link| link.crc_flit)),
            crc_data: errors("crc data", links.sum(|link| link.crc_data)),
        })
    }

    /// The NVLinks, where there are so many at least.
    pub(super) fn nvlink_state(self, least: u32) -> Answer<&'a NvLinkFile> {
        let links = self.gpu.nvlink.as_ref().filter(|links| links.links >= least);
        self.ask("NvLinkState", links.map(NvLinkFile::active))?;
        links.ok_or(Unknown::NotSupported)
    }

    /// How busy the parts of the chip were since the last reading; not available the first time.
    fn profile(self) -> Answer<Profile> {
        let ask = |function: &str| self.call(function, format_args!(""), Some(()));
        let metrics = self.gpu.gpm.as_ref();
        self.call("nvmlGpmQueryDeviceSupport", format_args!(""), Some(metrics.is_some()))?;
        let metrics = metrics.ok_or(Unknown::NotSupported)?;
        ask("nvmlGpmSampleAlloc")?;
        ask("nvmlGpmSampleGet")?;
        // Whoever writes the answers down wants each once, and leaves the readings of others alone.
        if self.notes.is_none() && !self.node.has_sampled(self.index) {
            return Err(Unknown::NotAvailable);
        }
        ask("nvmlGpmMetricsGet")?;
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
        let mig = self.mig_mode()?;
        let memory = |part| MigUse { id: id(part), memory: reading(self.part_memory(part)) };
        Ok(mig.devices().map(memory).collect())
    }

    /// The partitions, where the GPU knows this mode.
    pub(super) fn mig_mode(self) -> Answer<&'a MigFile> {
        let mig = self.gpu.mig.as_ref();
        self.ask("MigMode", mig.map(|mig| (mig.enabled, mig.pending.unwrap_or(mig.enabled))))?;
        mig.ok_or(Unknown::NotSupported)
    }
}

fn id(part: MigDevice<'_>) -> crate::gpu::GpuId {
    part.compute.uuid.clone()
}
