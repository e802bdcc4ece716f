//! Another process that runs the kernels.

use std::time::Duration;

use super::Elsewhere;
use super::executor::{Executor, Reply};
use super::task::{Answer, Setup, Task};
use crate::child::{Group, Program};
use crate::clock::{Clock, SystemClock};
use crate::cuda::{KernelDigest, Profile};
use crate::gpu::GpuId;

/// The same program once more, as a child of the child.
#[derive(Debug)]
pub(super) struct Another<'a> {
    pub(super) program: &'a Program,
    pub(super) setup: &'a Setup,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl Elsewhere for Another<'_> {
    fn digests(&self, device: &GpuId, profile: Profile) -> Result<Vec<KernelDigest>, String> {
        let clock = SystemClock::new();
        let setup = Setup { elsewhere: None, ..self.setup.clone() };
        // In the group of the child: who kills the child in time kills this one with it.
        let mut executor = Executor::child(self.program, &setup, Group::Ours)
            .map_err(|error| format!("{} cannot be started: {error}", self.program.path().display()))?;
        executor.give(Task::Digests { device: device.clone(), profile });
        loop {
            let left = self.limit.saturating_sub(clock.monotonic());
            match executor.wait(left) {
                Some(Reply::Answer(Answer::Digests(digests))) => return digests,
                Some(Reply::Answer(_)) => {}
                Some(Reply::Gone(gone)) => return Err(format!("the other process ended: {}", gone.reason)),
                None if left.is_zero() => return Err("the other process did not answer in time".to_owned()),
                None => {}
            }
        }
    }
}
