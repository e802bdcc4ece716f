//! How busy the parts of a chip are: its own counters, sampled twice (GPM, Hopper and later).

use std::fmt;
use std::sync::Arc;

use super::kept::{Question, Reader};
use super::library::{Answer, Code, Ear, GpmQuery, Library, RawGpmSample};
use crate::gpu::{Profile, Unknown};

/// The metrics of a [`Profile`] in its order (`nvmlGpmMetricId_t`): eight percentages, then two rates in MiB a second.
const METRICS: [u32; 10] = [1, 2, 3, 5, 10, 11, 12, 13, 20, 21];
/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// A question about all metrics, with room for the answers; one serves all GPUs.
pub(super) fn query() -> GpmQuery {
    GpmQuery::new(&METRICS)
}

/// Two samples of the counters of one chip: the last one, and one to be taken next.
#[derive(Debug)]
pub(super) struct Counters {
    last: CounterSample,
    next: CounterSample,
    /// Whether `last` was taken.
    taken: bool,
}

/// Room for a sample of the counters, which the library gives and takes back.
struct CounterSample {
    library: Arc<Library>,
    raw: RawGpmSample,
}

impl CounterSample {
    fn new(library: &Arc<Library>, raw: RawGpmSample) -> Self {
        Self { library: Arc::clone(library), raw }
    }
}

impl Drop for CounterSample {
    fn drop(&mut self) {
        if let Err(code) = self.library.calls().gpm_sample_free(self.raw) {
            tracing::debug!(%code, "a sample of the counters was not taken back");
        }
    }
}

impl fmt::Debug for CounterSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CounterSample").field(&self.raw).finish()
    }
}

impl<E: Ear> Reader<'_, E> {
    /// What happened within the chip since the last time; not available the first time.
    pub(super) fn profile(&mut self, query: &mut GpmQuery) -> Result<Profile, Unknown> {
        let mut counters = match self.kept.counters.take() {
            Some(counters) => counters,
            None => self.counters()?,
        };
        let next = counters.next.raw;
        let sampled = self.ask(Question::CounterSample, |calls, device| calls.gpm_sample_get(device, next));
        let answer = match sampled {
            Ok(()) if counters.taken => {
                query.between(counters.last.raw, next);
                self.ask(Question::CounterMetrics, |calls, _| calls.gpm_metrics(query)).and_then(|()| read(query))
            }
            Ok(()) => Err(Unknown::NotAvailable),
            Err(reason) => {
                self.kept.counters = Some(counters);
                return Err(reason);
            }
        };
        std::mem::swap(&mut counters.last, &mut counters.next);
        counters.taken = true;
        self.kept.counters = Some(counters);
        answer
    }

    /// Room for two samples, if the GPU has such counters.
    fn counters(&mut self) -> Result<Counters, Unknown> {
        let support = self.ask(Question::CounterSupport, |calls, device| match calls.gpm_support(device)? {
            support if support.isSupportedDevice == 0 => Err(Code::NOT_SUPPORTED),
            support => Ok(support),
        });
        support?;
        let library = self.library;
        let mut room = || -> Result<_, Unknown> {
            let raw = self.ask(Question::CounterSample, |calls, _| calls.gpm_sample_alloc())?;
            Ok(CounterSample::new(library, raw))
        };
        Ok(Counters { last: room()?, next: room()?, taken: false })
    }
}

fn read(query: &GpmQuery) -> Result<Profile, Unknown> {
    let thousandths = |at| -> Result<u32, Unknown> {
        let percent = number(query.answer(at))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Ok((percent * 10.0).round() as u32)
    };
    let rate = |at| -> Result<u64, Unknown> {
        let mebibytes = number(query.answer(at))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Ok((mebibytes * MIB).round() as u64)
    };
    Ok(Profile {
        graphics: thousandths(0)?,
        sm: thousandths(1)?,
        occupancy: thousandths(2)?,
        tensor: thousandths(3)?,
        dram: thousandths(4)?,
        fp64: thousandths(5)?,
        fp32: thousandths(6)?,
        fp16: thousandths(7)?,
        pcie_sent: rate(8)?,
        pcie_received: rate(9)?,
    })
}

/// A number that is one: the library writes NaN where it has none.
fn number(answer: Answer<f64>) -> Result<f64, Unknown> {
    match answer {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        Ok(_) => Err(Unknown::NotAvailable),
        Err(code) => Err(code.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_not_available() {
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(number(Ok(value)), Err(Unknown::NotAvailable));
        }
        assert_eq!(number(Ok(12.5)), Ok(12.5));
        assert_eq!(number(Err(Code::NO_DATA)), Err(Unknown::Code(21)));
    }
}
