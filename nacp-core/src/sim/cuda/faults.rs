//! What the driver does wrong because it was asked to.

use std::time::Duration;

use crate::cuda::kernels::Kernel;

/// All that was asked for.
#[derive(Debug, Default)]
pub(super) struct Faults {
    refusals: Vec<Refusal>,
    pub(super) flips: Vec<Flip>,
    pub(super) stuck: Vec<Stuck>,
    pub(super) hangs: Vec<(&'static str, Duration)>,
}

/// A call that is refused.
#[derive(Debug)]
struct Refusal {
    call: &'static str,
    device: Option<u32>,
    nth: Option<u32>,
    code: i32,
}

/// A bit that a kernel gets wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flip {
    pub(super) device: u32,
    pub(super) kernel: Kernel,
    pub(super) lane: u32,
    pub(super) bit: u32,
}

/// A bit of memory that is always one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuck {
    pub(super) device: u32,
    pub(super) offset: u64,
    pub(super) bit: u32,
}

impl Faults {
    pub(super) fn refuse(&mut self, call: &'static str, device: Option<u32>, nth: Option<u32>, code: i32) {
        self.refusals.push(Refusal { call, device, nth, code });
    }

    /// What a call on this device answers in place of doing its work, when it is the `nth` of its name.
    pub(super) fn answer(&self, call: &str, device: Option<u32>, nth: u32) -> Option<i32> {
        let mut matching = self.refusals.iter().filter(|refusal| {
            let here = refusal.device.is_none() || refusal.device == device;
            refusal.call == call && here && refusal.nth.is_none_or(|wanted| wanted == nth)
        });
        matching.next().map(|refusal| refusal.code)
    }

    /// How long a call of this name does not come back.
    pub(super) fn hang(&self, call: &str) -> Option<Duration> {
        self.hangs.iter().find(|(name, _)| *name == call).map(|(_, time)| *time)
    }
}
