//! What a GPU is doing: at a tick, exactly the calls of the asked readings.

use std::fmt;
use std::sync::Arc;

use nvml_wrapper_sys::bindings::nvmlMemory_v2_t;

use super::fields::Answers;
use super::kept::{Question, Reader, is_too_new};
use super::library::{Answer, Calls, Choice, Code, Device, Ear, GpmQuery, Library, Scratch, available};
use super::links::LINKS;
use super::often::often;
use super::processes::Lists;
use super::profile;
use super::roll::{Roll, Seat};
use crate::gpu::{
    ClockEvents, Ecc, Fan, Fields, LinkCounters, MemoryUse, PcieLink, Reading, RetiredPages, Rows, Sample, SramEcc,
    Unknown,
};
use crate::units::Bytes;

/// The most fans that are believed.
const FANS: u32 = 64;

/// Room for what the driver writes; one serves all GPUs.
pub(super) struct Room {
    scratch: Scratch,
    answers: Answers,
    lists: Lists,
    query: GpmQuery,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            scratch: Scratch::default(),
            answers: Answers::default(),
            lists: Lists::default(),
            query: profile::query(),
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}

/// Reads these fields of every GPU of the roll into `samples`. Only where somebody does not answer, or an answer said
/// that a handle is no longer good, each is asked again who it is.
pub(super) fn sample(
    library: &Arc<Library>,
    roll: &mut Roll,
    room: &mut Room,
    fields: Fields,
    samples: &mut Vec<Sample>,
) -> Result<(), Code> {
    let calls = library.calls();
    if !roll.is_complete() {
        roll.call(&calls)?;
    }
    fit(samples, &roll.seats);
    let mut suspect = false;
    for (seat, sample) in roll.seats.iter_mut().zip(samples.iter_mut()) {
        match seat.device {
            Ok(device) => {
                Reader { library, calls, device, kept: &mut seat.kept }.read(fields, room, sample);
                suspect |= std::mem::take(&mut seat.kept.suspect);
            }
            Err(reason) => sample.forget(Fields::ALL, reason),
        }
    }
    if suspect {
        roll.call(&calls)?;
        for (seat, sample) in roll.seats.iter().zip(samples) {
            if let Err(reason) = seat.device {
                sample.forget(Fields::ALL, reason);
            }
        }
    }
    Ok(())
}

/// Brings the samples into the order of the GPUs: one for each, and none of others.
fn fit(samples: &mut Vec<Sample>, seats: &[Seat]) {
    let fits = samples.len() == seats.len() && samples.iter().zip(seats).all(|(sample, seat)| sample.id.is(&seat.id));
    if !fits {
        rearrange(samples, seats);
    }
}

#[cold]
#[inline(never)]
fn rearrange(samples: &mut Vec<Sample>, seats: &[Seat]) {
    for (at, seat) in seats.iter().enumerate() {
        match samples.iter().skip(at).position(|sample| sample.id == seat.id) {
            Some(behind) => samples.swap(at, at + behind),
            None => samples.insert(at, Sample::unknown(seat.id.clone(), Unknown::NotRead)),
        }
    }
    samples.truncate(seats.len());
}

impl<E: Ear> Reader<'_, E> {
    /// Reads these fields.
    #[inline]
    pub(super) fn read(&mut self, fields: Fields, room: &mut Room, sample: &mut Sample) {
        self.read_often(fields & often(), &mut room.scratch, sample);
        // Told apart, so that a fast tick does not look at each of the others.
        if !(fields & !often()).is_empty() {
            self.read_others(fields, room, sample);
        }
    }

    #[inline(never)]
    fn read_others(&mut self, fields: Fields, room: &mut Room, sample: &mut Sample) {
        if !(fields & Answers::all()).is_empty() {
            room.answers.ask(fields, self);
            room.answers.put(fields, sample);
        }
        if fields.contains(Fields::CLOCK_EVENTS) {
            sample.clock_events = self.clock_events().into();
        }
        if fields.contains(Fields::JPEG) {
            let busy = self.ask(Question::Jpeg, Calls::jpeg);
            sample.jpeg = busy.map(|(percent, _)| percent).into();
        }
        if fields.contains(Fields::OPTICAL_FLOW) {
            let busy = self.ask(Question::OpticalFlow, Calls::optical_flow);
            sample.optical_flow = busy.map(|(percent, _)| percent).into();
        }
        if fields.contains(Fields::VIDEO_CLOCK) {
            let mut clock = 0;
            let asked =
                self.ask(Question::VideoClock, |calls, device| calls.clock(device, Choice::CLOCK_VIDEO, &mut clock));
            sample.video_clock = asked.map(|()| clock).into();
        }
        if fields.contains(Fields::MARGIN) {
            let margin = self.ask(Question::Margin, Calls::margin);
            sample.margin = margin.map(|margin| margin.marginTemperature).into();
        }
        if fields.contains(Fields::BAR1_USED) {
            let window = self.ask(Question::Bar1, Calls::bar1);
            sample.bar1_used = window.and_then(|window| available(window.bar1Used)).map(Bytes).into();
        }
        if fields.contains(Fields::PCIE) {
            sample.pcie = self.pcie().into();
        }
        if fields.contains(Fields::PCIE_REPLAYS) {
            let replays = self.ask(Question::PcieReplays, Calls::pcie_replays);
            sample.pcie_replays = replays.map(u64::from).into();
        }
        if fields.contains(Fields::ECC) {
            sample.ecc = self.ecc().into();
        }
        if fields.contains(Fields::SRAM) {
            sample.sram = self.sram().into();
        }
        if fields.contains(Fields::ROWS) {
            let rows = self.ask(Question::Rows, Calls::remapped_rows);
            let rows = rows.map(|(correctable, uncorrectable, pending, failed)| Rows {
                correctable,
                uncorrectable,
                pending: pending != 0,
                failed: failed != 0,
            });
            sample.rows = rows.into();
        }
        if fields.contains(Fields::RETIRED_PAGES) {
            sample.retired_pages = self.retired_pages().into();
        }
        if fields.contains(Fields::NVLINK) {
            sample.nvlink = self.nvlink(&mut room.answers).into();
        }
        if fields.contains(Fields::FANS) {
            self.fans(&mut sample.fans);
        }
        if fields.contains(Fields::PROFILE) {
            sample.profile = self.profile(&mut room.query).into();
        }
        if fields.contains(Fields::PROCESSES) {
            self.processes(&mut room.lists, &mut sample.processes);
        }
        if fields.contains(Fields::MIG) {
            self.partition_use(&mut sample.mig);
        }
    }

    fn clock_events(&mut self) -> Result<ClockEvents, Unknown> {
        let bits = match self.ask(Question::ClockEvents, Calls::clock_event_reasons) {
            Err(reason) if is_too_new(reason) => self.ask(Question::ClockEventsV1, Calls::clock_throttle_reasons),
            answer => answer,
        };
        bits.map(ClockEvents)
    }

    fn pcie(&mut self) -> Result<PcieLink, Unknown> {
        Ok(PcieLink {
            generation: self.ask(Question::PcieGeneration, Calls::pcie_generation)?,
            width: self.ask(Question::PcieWidth, Calls::pcie_width)?,
        })
    }

    fn ecc(&mut self) -> Result<Ecc, Unknown> {
        let mut ask = |kind, counter| {
            self.ask(Question::Ecc, |calls, device| calls.ecc_errors(device, kind, counter)).and_then(available)
        };
        Ok(Ecc {
            corrected: ask(Choice::ERRORS_CORRECTED, Choice::COUNTED_VOLATILE)?,
            uncorrected: ask(Choice::ERRORS_UNCORRECTED, Choice::COUNTED_VOLATILE)?,
            corrected_total: ask(Choice::ERRORS_CORRECTED, Choice::COUNTED_AGGREGATE)?,
            uncorrected_total: ask(Choice::ERRORS_UNCORRECTED, Choice::COUNTED_AGGREGATE)?,
        })
    }

    fn sram(&mut self) -> Result<SramEcc, Unknown> {
        let status = self.ask(Question::Sram, Calls::sram_ecc)?;
        Ok(SramEcc {
            uncorrected_parity: available(status.aggregateUncParity)?,
            uncorrected_secded: available(status.aggregateUncSecDed)?,
            corrected: available(status.aggregateCor)?,
            threshold_exceeded: status.bThresholdExceeded != 0,
        })
    }

    fn retired_pages(&mut self) -> Result<RetiredPages, Unknown> {
        let mut ask = |question, cause| self.ask(question, |calls, device| calls.retired_pages(device, cause));
        let single_bit = ask(Question::RetiredSingleBit, Choice::RETIRED_SINGLE_BIT)?;
        let double_bit = ask(Question::RetiredDoubleBit, Choice::RETIRED_DOUBLE_BIT)?;
        let pending = self.ask(Question::RetiredPending, Calls::retired_pages_pending)?;
        Ok(RetiredPages { single_bit, double_bit, pending: pending != 0 })
    }

    fn fans(&mut self, into: &mut Reading<Vec<Fan>>) {
        let count = match self.kept.fans {
            Some(count) => Ok(count),
            None => self.ask(Question::FanCount, Calls::fan_count),
        };
        let count = match count {
            Ok(count) => count.min(FANS),
            // A driver that cannot count them tells of one.
            Err(reason) if is_too_new(reason) => 1,
            Err(reason) => {
                *into = Reading::Unknown(reason);
                return;
            }
        };
        self.kept.fans = Some(count);
        let mut fans = match std::mem::take(into) {
            Reading::Known(fans) => fans,
            Reading::Unknown(_) => Vec::new(),
        };
        fans.clear();
        fans.extend((0..count).map(|fan| {
            let speed = match self.ask(Question::FanSpeed, |calls, device| calls.fan_speed(device, fan)) {
                Err(reason) if is_too_new(reason) && fan == 0 => self.ask(Question::FanSpeedV1, Calls::fan_speed_v1),
                answer => answer,
            };
            let rpm = self.ask(Question::FanRpm, |calls, device| calls.fan_rpm(device, fan));
            Fan { speed: speed.into(), rpm: rpm.into() }
        }));
        *into = Reading::Known(fans);
    }

    fn nvlink(&mut self, answers: &mut Answers) -> Result<LinkCounters, Unknown> {
        let (links, active) = self.links()?;
        let mut sum = |question, counter| self.link_errors(links, active, question, counter).into();
        let mut counters = LinkCounters {
            active: Reading::Known(active.count_ones()),
            replays: sum(Question::LinkReplays, Choice::LINK_REPLAYS),
            recoveries: sum(Question::LinkRecoveries, Choice::LINK_RECOVERIES),
            crc_flit: sum(Question::LinkCrcFlit, Choice::LINK_CRC_FLIT),
            crc_data: sum(Question::LinkCrcData, Choice::LINK_CRC_DATA),
            ..LinkCounters::default()
        };
        answers.put_links(&mut counters);
        Ok(counters)
    }

    /// Which NVLinks there are and which of them are up, one bit a link.
    fn links(&mut self) -> Result<(u64, u64), Unknown> {
        let candidates = self.kept.links.unwrap_or(Ok((1 << LINKS) - 1))?;
        let (mut links, mut active) = (0, 0);
        let mut absent = Unknown::NotSupported;
        for link in (0..LINKS).filter(|link| candidates >> link & 1 != 0) {
            match self.calls.nvlink_state(self.device, link) {
                Ok(state) => {
                    links |= 1 << link;
                    active |= u64::from(state != 0) << link;
                }
                Err(code) if code.is_final() || code == Code::INVALID_ARGUMENT => {
                    if link == 0 {
                        absent = code.into();
                    }
                    // There is no such link, and none beyond it.
                    if code == Code::INVALID_ARGUMENT {
                        break;
                    }
                }
                Err(code) => {
                    self.kept.suspect |= code.is_about_the_handle();
                    return Err(code.into());
                }
            }
        }
        let found = if links == 0 { Err(absent) } else { Ok(links) };
        self.kept.links = Some(found);
        Ok((found?, active))
    }

    /// The errors that all links have counted. One that is down need not tell its own.
    fn link_errors(&mut self, links: u64, active: u64, question: Question, counter: Choice) -> Result<u64, Unknown> {
        for link in (0..LINKS).filter(|link| links >> link & 1 != 0) {
            let count = if active >> link & 1 != 0 {
                let count = self.ask(question, |calls, device| calls.nvlink_errors(device, link, counter))?;
                available(count)?
            } else {
                match self.calls.nvlink_errors(self.device, link, counter).map(available) {
                    Ok(Ok(count)) => count,
                    _ => continue,
                }
            };
            self.kept.link_errors.of(counter).add(link, count);
        }
        self.kept.link_errors.of(counter).sum()
    }
}

/// A GPU's or a partition's memory, from the newest function that the driver has.
pub(super) fn memory<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Answer<Reading<MemoryUse>> {
    let mut bytes = Scratch::default().memory;
    match calls.memory_v2(device, &mut bytes) {
        Err(code) if code.is_too_new() => memory_v1(calls, device),
        answer => answer.map(|()| memory_use(&bytes)),
    }
}

/// What was told of memory; a part of it that is not available leaves nothing to count on.
#[inline]
pub(super) fn memory_use(bytes: &nvmlMemory_v2_t) -> Reading<MemoryUse> {
    if [bytes.total, bytes.used, bytes.free, bytes.reserved].contains(&u64::MAX) {
        return Reading::Unknown(Unknown::NotAvailable);
    }
    Reading::Known(MemoryUse {
        total: Bytes(bytes.total),
        used: Bytes(bytes.used),
        free: Bytes(bytes.free),
        reserved: Bytes(bytes.reserved),
    })
}

pub(super) fn memory_v1<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Answer<Reading<MemoryUse>> {
    let told = calls.memory_v1(device)?;
    let (total, used, free) = (told.total, told.used, told.free);
    Ok(memory_use(&nvmlMemory_v2_t { version: 1, total, reserved: 0, free, used }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_which_a_part_is_not_available_is_unknown() {
        let whole = nvmlMemory_v2_t { version: 2, total: 8, reserved: 1, free: 4, used: 3 };
        let part = |change: fn(&mut nvmlMemory_v2_t) -> &mut u64| {
            let mut memory = whole;
            *change(&mut memory) = u64::MAX;
            memory_use(&memory)
        };
        assert!(memory_use(&whole).known().is_some());
        for memory in [
            part(|memory| &mut memory.total),
            part(|memory| &mut memory.reserved),
            part(|memory| &mut memory.free),
            part(|memory| &mut memory.used),
        ] {
            assert_eq!(memory, Reading::Unknown(Unknown::NotAvailable));
        }
    }
}
