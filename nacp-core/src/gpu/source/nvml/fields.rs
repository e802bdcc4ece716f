//! The readings that are fields (`NVML_FI_*`): all that are asked of a GPU at a tick in one call.
//!
//! Driver 580.82 gave the fields 251 to 273 other numbers. None of those is read here, and a test keeps it so.

use super::kept::{Kept, Question, Reader};
use super::library::{Code, Ear, Field, available};
use crate::gpu::{Fields, LinkCounters, Reading, RecoveryAction, Sample, Slowdown, Unknown};
use crate::units::Bytes;

/// All parts of a GPU together, where a field is one of each part.
const ALL_PARTS: u32 = u32::MAX;

/// A field that is read: which reading it belongs to, its id, and of which part.
const SLOTS: [(Fields, u32, u32); COUNT] = [
    (Fields::MEMORY_TEMPERATURE, 82, 0),
    (Fields::PCIE_SENT, 197, 0),
    (Fields::PCIE_RECEIVED, 198, 0),
    (Fields::RECOVERY, 230, 0),
    (Fields::NVLINK, 138, ALL_PARTS),
    (Fields::NVLINK, 139, ALL_PARTS),
    (Fields::SLOWDOWN, 74, 0),
    (Fields::SLOWDOWN, 75, 0),
    (Fields::SLOWDOWN, 76, 0),
    (Fields::SLOWDOWN, 77, 0),
    (Fields::SLOWDOWN, 78, 0),
    (Fields::SLOWDOWN, 79, 0),
];

/// How many fields are read at most.
pub(super) const COUNT: usize = 12;

/// Room for a question about each field, and for what was answered.
#[derive(Debug)]
pub(super) struct Answers {
    asked: [Field; COUNT],
    answers: [Result<u64, Unknown>; COUNT],
}

impl Default for Answers {
    fn default() -> Self {
        Self { asked: [Field::new(0, 0); COUNT], answers: [Err(Unknown::NotRead); COUNT] }
    }
}

impl Answers {
    /// Which readings come from fields.
    pub(super) fn all() -> Fields {
        SLOTS.iter().fold(Fields::NONE, |all, (field, ..)| all | *field)
    }

    /// Asks for all fields of these readings that the GPU does not refuse.
    pub(super) fn ask<E: Ear>(&mut self, fields: Fields, reader: &mut Reader<'_, E>) {
        let mut places = [0; COUNT];
        let mut count = 0;
        for (at, (field, id, part)) in SLOTS.iter().enumerate() {
            if fields.contains(*field) {
                match reader.kept.refusal(question(at)) {
                    Some(reason) => self.answers[at] = Err(reason),
                    None => {
                        self.asked[count] = Field::new(*id, *part);
                        places[count] = at;
                        count += 1;
                    }
                }
            }
        }
        if count == 0 {
            return;
        }
        let asked = &mut self.asked[..count];
        let whole = reader.calls.field_values(reader.device, asked);
        for (field, at) in asked.iter().zip(places) {
            self.answers[at] = match whole.and_then(|()| field.answer()) {
                Ok(value) => available(value),
                Err(code) => Err(note(reader.kept, at, code)),
            };
        }
    }

    /// Puts what was answered where it belongs.
    pub(super) fn put(&self, fields: Fields, sample: &mut Sample) {
        if fields.contains(Fields::MEMORY_TEMPERATURE) {
            sample.memory_temperature = small(self.answers[0]);
        }
        if fields.contains(Fields::PCIE_SENT) {
            sample.pcie_sent = self.answers[1].map(Bytes).into();
        }
        if fields.contains(Fields::PCIE_RECEIVED) {
            sample.pcie_received = self.answers[2].map(Bytes).into();
        }
        if fields.contains(Fields::RECOVERY) {
            sample.recovery = small(self.answers[3]).map(RecoveryAction::from_code);
        }
        if fields.contains(Fields::SLOWDOWN) {
            let slowdown = Slowdown {
                power: self.answers[6].into(),
                thermal: self.answers[7].into(),
                sync_boost: self.answers[8].into(),
                board: self.answers[9].into(),
                low_utilization: self.answers[10].into(),
                reliability: self.answers[11].into(),
            };
            let Slowdown { power, thermal, sync_boost, board, low_utilization, reliability } = &slowdown;
            let others = [thermal, sync_boost, board, low_utilization, reliability];
            sample.slowdown = match power {
                // Nothing of it is known.
                Reading::Unknown(reason) if others.iter().all(|other| other.known().is_none()) => {
                    Reading::Unknown(*reason)
                }
                _ => Reading::Known(slowdown),
            };
        }
    }

    /// Puts what was sent over the NVLinks.
    pub(super) fn put_links(&self, links: &mut LinkCounters) {
        (links.sent, links.received) = (self.answers[4].into(), self.answers[5].into());
    }
}

/// The number of the question about a field.
fn question(at: usize) -> usize {
    Question::Field as usize + at
}

fn note(kept: &mut Kept, at: usize, code: Code) -> Unknown {
    if code == Code::INVALID_ARGUMENT {
        // What a driver says to a field that is newer than itself.
        return kept.refuse(question(at), code.into());
    }
    kept.note(question(at), code)
}

fn small(reading: Result<u64, Unknown>) -> Reading<u32> {
    reading.and_then(|value| u32::try_from(value).map_err(|_| Unknown::NotAvailable)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_means_something_else_to_another_driver() {
        for (field, id, _) in SLOTS {
            assert!(!(251..=273).contains(&id), "{field} is field {id}: translate it for drivers from 580.82");
        }
    }

    #[test]
    fn a_number_that_is_none_or_too_large_is_not_available() {
        for value in [u64::MAX, u64::from(u32::MAX) + 1] {
            assert_eq!(small(available(value)), Reading::Unknown(Unknown::NotAvailable));
        }
        assert_eq!(small(available(54)), Reading::Known(54));
    }
}
