//! Who is there: the GPUs of the machine by UUID, with the handle of each or why it has none.

use std::collections::BTreeMap;

use super::kept::Kept;
use super::library::{Calls, Code, Device, Ear};
use crate::gpu::{GpuId, Unknown};

/// The GPUs that have answered so far, in the driver's order, and what is kept for reading them.
#[derive(Debug, Default)]
pub(super) struct Roll {
    pub(super) seats: Vec<Seat>,
    /// Whether it was called at all.
    called: bool,
}

/// A GPU that has answered, who it is and whether it still does.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: GpuId,
    /// At which index it answered last.
    pub(super) index: u32,
    /// Its handle, or why it does not answer.
    pub(super) device: Result<Device, Unknown>,
    pub(super) kept: Kept,
}

/// What an index answered: a GPU's UUID and its handle, or why it does not answer.
type Present = (u32, Result<(GpuId, Device), Unknown>);

impl Roll {
    /// Whether the handles are to be trusted: all GPUs answered when they were asked last.
    pub(super) fn is_complete(&self) -> bool {
        self.called && self.seats.iter().all(|seat| seat.device.is_ok())
    }

    /// Asks each index who it is. A GPU that answered before keeps its place without answering; one that never did is
    /// left out, because nobody can name it.
    pub(super) fn call<E: Ear>(&mut self, calls: &Calls<'_, E>) -> Result<(), Code> {
        let answers = (0..calls.device_count()?).map(|index| {
            let answer = calls.device_by_index(index).and_then(|device| {
                let id = calls.uuid(device)?.parse().map_err(|_| Code::UNKNOWN)?;
                Ok((id, device))
            });
            let answer = answer.inspect_err(|code| tracing::warn!(index, %code, "a GPU does not answer"));
            (index, answer.map_err(Unknown::from))
        });
        self.seat(answers.collect());
        self.called = true;
        Ok(())
    }

    /// Who is there, of those who were there before and those who answer now. GPUs are told apart by UUID, because the
    /// index of each may change when the driver drops another.
    fn seat(&mut self, answers: Vec<Present>) {
        let mut present = BTreeMap::new();
        let mut reasons = BTreeMap::new();
        for (index, answer) in answers {
            match answer {
                Ok((id, device)) => {
                    match self.seats.iter_mut().find(|seat| seat.id == id) {
                        Some(seat) => seat.index = index,
                        None => {
                            self.seats.push(Seat { id: id.clone(), index, device: Ok(device), kept: Kept::default() });
                        }
                    }
                    present.insert(id, device);
                }
                Err(reason) => {
                    reasons.insert(index, reason);
                }
            }
        }
        for seat in &mut self.seats {
            let device = present.remove(&seat.id);
            let device = device.ok_or_else(|| reasons.get(&seat.index).copied().unwrap_or(Unknown::GpuLost));
            if device != seat.device {
                // Another handle may be another state of the GPU: what was refused is asked again.
                seat.kept.forget();
                seat.device = device;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_answered_once_keeps_its_place() {
        let id = |number: u32| format!("GPU-00000000-0000-4000-8000-{number:012}").parse::<GpuId>().unwrap();
        let here = |index, number| (index, Ok((id(number), Device::number(number))));
        let mut seats = Roll::default();
        let mut roll = |answers| {
            seats.seat(answers);
            let seats = seats.seats.iter();
            seats.map(|seat| (seat.index, seat.id.clone(), seat.device)).collect::<Vec<_>>()
        };
        let answers = |index, number| (index, id(number), Ok(Device::number(number)));
        let silent = |index, number, reason| (index, id(number), Err(reason));

        let lost = Err(Unknown::GpuLost);
        assert_eq!(roll(vec![here(0, 7), (1, lost)]), [answers(0, 7)], "one that was never named is left out");
        assert_eq!(roll(vec![here(0, 7), here(1, 8), here(2, 9)]).len(), 3);
        assert_eq!(
            roll(vec![here(0, 7), (1, Err(Unknown::Code(999))), here(2, 9)]),
            [answers(0, 7), silent(1, 8, Unknown::Code(999)), answers(2, 9)]
        );
        assert_eq!(
            roll(vec![here(0, 7), here(1, 9)]),
            [answers(0, 7), silent(1, 8, Unknown::GpuLost), answers(1, 9)],
            "the driver counts one less, and the last one moves up"
        );
        assert_eq!(roll(vec![here(0, 7), here(1, 8), here(2, 9)])[1], answers(1, 8), "it is back");
    }
}
