//! The readings of most ticks, with next to nothing around their calls.
//!
//! The driver writes plain numbers straight into the sample. What has to be looked at is looked at once all calls to the
//! GPU are made: a processor stalls when it reads in one piece what has just been written in several.

use super::kept::{Question, Reader, is_too_new};
use super::library::{Answer, Choice, Code, Ear, Scratch};
use super::sample::{memory_use, memory_v1};
use crate::gpu::{Fields, Reading, Sample, Unknown, Utilization};

/// The state of a GPU that does not tell it (`NVML_PSTATE_UNKNOWN`).
const STATE_UNKNOWN: u32 = 32;

/// These readings, each with the question that is asked first.
const FIRST: [(Fields, Question); 10] = [
    (Fields::UTILIZATION, Question::Utilization),
    (Fields::POWER, Question::Power),
    (Fields::MEMORY, Question::Memory),
    (Fields::TEMPERATURE, Question::Temperature),
    (Fields::CLOCKS, Question::Clocks),
    (Fields::POWER_LIMIT, Question::PowerLimit),
    (Fields::PERFORMANCE, Question::Performance),
    (Fields::ENERGY, Question::Energy),
    (Fields::ENCODER, Question::Encoder),
    (Fields::DECODER, Question::Decoder),
];

/// Which readings these are.
pub(super) fn often() -> Fields {
    FIRST.iter().fold(Fields::NONE, |all, (field, _)| all | *field)
}

impl<E: Ear> Reader<'_, E> {
    /// Reads these fields, all of which are among [`often`].
    #[inline]
    pub(super) fn read_often(&mut self, fields: Fields, scratch: &mut Scratch, sample: &mut Sample) {
        let mut open = fields & !self.kept.closed;
        let (calls, gpu) = (self.calls, self.device);
        let Scratch { rates, memory, temperature, period } = scratch;
        self.first(&mut open, Fields::UTILIZATION, sample, |_| calls.utilization(gpu, rates));
        self.first(&mut open, Fields::MEMORY, sample, |_| calls.memory_v2(gpu, memory));
        self.first(&mut open, Fields::TEMPERATURE, sample, |_| calls.temperature_v(gpu, temperature));
        self.first(&mut open, Fields::PERFORMANCE, sample, |sample| {
            write(&mut sample.performance, |state| calls.performance_state(gpu, state))
        });
        self.first(&mut open, Fields::ENERGY, sample, |sample| {
            write(&mut sample.energy, |millijoules| calls.total_energy(gpu, millijoules))
        });
        self.first(&mut open, Fields::POWER, sample, |sample| {
            write(&mut sample.power, |milliwatts| calls.power_usage(gpu, milliwatts))
        });
        self.first(&mut open, Fields::POWER_LIMIT, sample, |sample| {
            write(&mut sample.power_limit, |milliwatts| calls.enforced_power_limit(gpu, milliwatts))
        });
        self.first(&mut open, Fields::CLOCKS, sample, |sample| {
            write(&mut sample.clocks, |clocks| {
                calls.clock(gpu, Choice::CLOCK_GRAPHICS, &mut clocks.graphics)?;
                calls.clock(gpu, Choice::CLOCK_SM, &mut clocks.sm)?;
                calls.clock(gpu, Choice::CLOCK_MEMORY, &mut clocks.memory)
            })
        });
        self.first(&mut open, Fields::ENCODER, sample, |sample| {
            write(&mut sample.encoder, |percent| calls.encoder(gpu, percent, period))
        });
        self.first(&mut open, Fields::DECODER, sample, |sample| {
            write(&mut sample.decoder, |percent| calls.decoder(gpu, percent, period))
        });
        take_over(open, scratch, sample);
        let refused = fields & !open;
        if !refused.is_empty() {
            self.read_refused(refused, sample);
        }
    }

    /// Asks the first question of a reading. What is not answered is no longer open.
    #[inline(always)]
    fn first(
        &mut self,
        open: &mut Fields,
        field: Fields,
        sample: &mut Sample,
        call: impl FnOnce(&mut Sample) -> Answer<()>,
    ) {
        if open.contains(field)
            && let Err(code) = call(sample)
        {
            self.fail(field, code, sample);
            *open = *open & !field;
        }
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, field: Fields, code: Code, sample: &mut Sample) {
        for (field, question) in FIRST.into_iter().filter(|(first, _)| *first == field) {
            let reason = self.kept.note(question as usize, code);
            if self.kept.refusal(question as usize).is_some() {
                self.kept.closed = self.kept.closed | field;
            }
            sample.forget(field, reason);
        }
    }

    /// Says why the GPU has refused these readings for good, or asks an older function.
    #[inline(never)]
    fn read_refused(&mut self, fields: Fields, sample: &mut Sample) {
        for (field, question) in FIRST.into_iter().filter(|(field, _)| fields.contains(*field)) {
            let Some(reason) = self.kept.refusal(question as usize) else { continue };
            match question {
                Question::Memory if is_too_new(reason) => {
                    let memory = self.ask(Question::MemoryV1, |calls, gpu| memory_v1(calls, gpu));
                    sample.memory = memory.unwrap_or_else(Reading::Unknown);
                }
                Question::Temperature if is_too_new(reason) => {
                    let celsius =
                        self.ask(Question::TemperatureV1, |calls, gpu| calls.temperature(gpu, Choice::SENSOR_GPU));
                    sample.temperature = celsius.into();
                }
                _ => sample.forget(field, reason),
            }
        }
    }
}

/// Lets the driver write the value of a reading.
#[inline(always)]
fn write<T: Default>(reading: &mut Reading<T>, call: impl FnOnce(&mut T) -> Answer<()>) -> Answer<()> {
    if let Reading::Unknown(_) = reading {
        *reading = Reading::Known(T::default());
    }
    match reading {
        Reading::Known(value) => call(value),
        Reading::Unknown(_) => Err(Code::UNKNOWN),
    }
}

/// Takes over what was answered in a form of the driver's own, and finds the numbers that mean that there is none.
#[inline(always)]
fn take_over(answered: Fields, scratch: &Scratch, sample: &mut Sample) {
    if answered.contains(Fields::UTILIZATION) {
        let rates = &scratch.rates;
        sample.utilization = Reading::Known(Utilization { gpu: rates.gpu, memory: rates.memory });
    }
    if answered.contains(Fields::MEMORY) {
        sample.memory = memory_use(&scratch.memory);
    }
    if answered.contains(Fields::TEMPERATURE) {
        let celsius = u32::try_from(scratch.temperature.temperature);
        sample.temperature = celsius.map_err(|_| Unknown::NotAvailable).into();
    }
    if answered.contains(Fields::PERFORMANCE) && sample.performance == Reading::Known(STATE_UNKNOWN) {
        sample.performance = Reading::Unknown(Unknown::NotAvailable);
    }
    if answered.contains(Fields::ENERGY) && sample.energy == Reading::Known(u64::MAX) {
        sample.energy = Reading::Unknown(Unknown::NotAvailable);
    }
}
