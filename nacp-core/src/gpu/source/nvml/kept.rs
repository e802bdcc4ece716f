//! What is kept about a GPU from one tick to the next.

use std::sync::Arc;

use super::library::{Answer, Calls, Code, Device, Ear, Library};
use super::link_errors::LinkErrors;
use super::partitions::Partitions;
use super::profile::Counters;
use crate::gpu::{Fields, Unknown};

/// One thing that a GPU is asked at a tick. What it refuses for good is not asked again until the next inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Question {
    Utilization,
    Power,
    PowerLimit,
    Energy,
    Memory,
    MemoryV1,
    Temperature,
    TemperatureV1,
    Clocks,
    VideoClock,
    Performance,
    ClockEvents,
    ClockEventsV1,
    Encoder,
    Decoder,
    Jpeg,
    OpticalFlow,
    FanCount,
    FanSpeed,
    FanSpeedV1,
    FanRpm,
    PcieGeneration,
    PcieWidth,
    PcieReplays,
    Bar1,
    Ecc,
    Sram,
    Rows,
    RetiredSingleBit,
    RetiredDoubleBit,
    RetiredPending,
    Margin,
    LinkReplays,
    LinkRecoveries,
    LinkCrcFlit,
    LinkCrcData,
    ComputeProcesses,
    GraphicsProcesses,
    MpsProcesses,
    ProcessUtilization,
    CounterSupport,
    CounterSample,
    CounterMetrics,
    /// The first of the fields that are asked together; the others follow in their order.
    Field,
}

/// What is kept about a GPU from one tick to the next.
#[derive(Debug)]
pub(super) struct Kept {
    /// One bit a question: what the GPU refuses.
    refused: u64,
    /// Why it refuses; only of those whose bit is set.
    reasons: [Unknown; 64],
    /// Whether an answer said that the handle is no longer to be trusted.
    pub(super) suspect: bool,
    /// Which of the readings of most ticks have had their first question refused.
    pub(super) closed: Fields,
    /// How many fans there are.
    pub(super) fans: Option<u32>,
    /// One bit for each NVLink that there is, or why there is none.
    pub(super) links: Option<Result<u64, Unknown>>,
    /// What its NVLinks have counted.
    pub(super) link_errors: Box<LinkErrors>,
    /// The partitions, or why they are not known.
    pub(super) partitions: Option<Result<Partitions, Unknown>>,
    /// Whether a partition turned out to be no longer there.
    pub(super) divided_anew: bool,
    /// The last sample of the counters within the chip.
    pub(super) counters: Option<Counters>,
    /// Up to when the use of the GPU by each program is known, in the driver's microseconds.
    pub(super) used_until: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            refused: 0,
            reasons: [Unknown::NotSupported; 64],
            suspect: false,
            closed: Fields::NONE,
            fans: None,
            links: None,
            link_errors: Box::default(),
            partitions: None,
            divided_anew: false,
            counters: None,
            used_until: 0,
        }
    }
}

impl Kept {
    /// Asks everything anew, because the GPU may have been set up otherwise. What was counted goes on.
    pub(super) fn forget(&mut self) {
        let (counters, used_until) = (self.counters.take(), self.used_until);
        let link_errors = std::mem::take(&mut self.link_errors);
        *self = Self { counters, used_until, link_errors, ..Self::default() };
    }

    /// Why the GPU refuses this question, if it does.
    #[inline]
    pub(super) fn refusal(&self, question: usize) -> Option<Unknown> {
        if self.refused >> (question & 63) & 1 == 0 { None } else { Some(self.reasons[question & 63]) }
    }

    /// Notes a code that came instead of an answer.
    #[cold]
    #[inline(never)]
    pub(super) fn note(&mut self, question: usize, code: Code) -> Unknown {
        self.suspect |= code.is_about_the_handle();
        if code.is_final() { self.refuse(question, code.into()) } else { code.into() }
    }

    /// Notes that asking this again is in vain.
    pub(super) fn refuse(&mut self, question: usize, reason: Unknown) -> Unknown {
        self.refused |= 1 << (question & 63);
        self.reasons[question & 63] = reason;
        reason
    }
}

/// One GPU that is being read.
pub(super) struct Reader<'a, E> {
    pub(super) library: &'a Arc<Library>,
    pub(super) calls: Calls<'a, E>,
    pub(super) device: Device,
    pub(super) kept: &'a mut Kept,
}

impl<'a, E: Ear> Reader<'a, E> {
    /// Asks the GPU, unless it has refused this question before.
    #[inline]
    pub(super) fn ask<T>(
        &mut self,
        question: Question,
        call: impl FnOnce(&Calls<'a, E>, Device) -> Answer<T>,
    ) -> Result<T, Unknown> {
        let question = question as usize;
        match self.kept.refusal(question) {
            Some(reason) => Err(reason),
            None => call(&self.calls, self.device).map_err(|code| self.kept.note(question, code)),
        }
    }
}

/// Whether an older function may answer where a newer one did not.
pub(super) fn is_too_new(reason: Unknown) -> bool {
    matches!(reason, Unknown::TooOld) || reason == Unknown::from(Code::ARGUMENT_VERSION_MISMATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_good_is_kept_until_it_is_forgotten() {
        let mut kept = Kept::default();
        let question = Question::Jpeg as usize;
        for passing in [Code::UNKNOWN, Code::TIMEOUT, Code::NO_PERMISSION, Code::GPU_IS_LOST] {
            kept.note(question, passing);
            assert_eq!(kept.refusal(question), None, "{passing:?}");
        }
        assert!(kept.suspect, "a lost GPU");
        for code in [Code::NOT_SUPPORTED, Code::FUNCTION_NOT_FOUND] {
            assert_eq!(kept.note(question, code), Unknown::from(code));
            assert_eq!(kept.refusal(question), Some(Unknown::from(code)));
            assert_eq!(kept.refusal(Question::Encoder as usize), None, "another question");
            kept.forget();
            assert_eq!((kept.refusal(question), kept.suspect), (None, false));
        }
    }

    #[test]
    fn every_question_has_its_bit() {
        assert!(Question::Field as usize + super::super::fields::COUNT <= 64);
    }
}
