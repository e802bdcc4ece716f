//! The GPUs: what is there, and what the driver tells of it a moment later.

use std::time::Duration;

use nacp_core::Bytes;
use nacp_core::clock::Clock as _;
use nacp_core::gpu::{Gpu, GpuId, GpuState, MemoryUse, Origin, Reading, Sample, Snapshot, Unknown};

use super::World;

/// How long a program takes until its memory is allocated.
const LOADS: Duration = Duration::from_millis(1200);

/// One GPU.
#[derive(Debug)]
pub(crate) struct SimGpu {
    pub(crate) id: GpuId,
    pub(crate) gpu: Gpu,
    pub(crate) total: u64,
    /// Whether it answers.
    pub(crate) present: bool,
    /// Whether it stays in the driver's list when it does not answer.
    pub(crate) listed: bool,
    pub(crate) condemned: bool,
    /// Memory of programs that have ended, still shown as used until then.
    pub(crate) ghosts: Vec<(u64, Duration)>,
}

impl SimGpu {
    pub(crate) fn new(index: u32, total: Bytes) -> Self {
        let id: GpuId = format!("GPU-{index:08x}-0000-4000-8000-000000000000").parse().unwrap();
        let mut gpu = Gpu::new(id.clone(), index, "simulated");
        gpu.memory = Reading::Known(total);
        Self { id, gpu, total: total.0, present: true, listed: true, condemned: false, ghosts: Vec::new() }
    }

    /// Whether replicas can run there.
    pub(crate) fn usable(&self) -> bool {
        self.present && !self.condemned
    }
}

impl World {
    /// What the driver tells now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let now = self.now();
        let seen = self.gpus.iter().enumerate().filter(|(_, gpu)| gpu.present || gpu.listed);
        let gpus = seen.map(|(index, gpu)| {
            let mut sample = Sample::unknown(gpu.id.clone(), Unknown::NotRead);
            let loaded = self
                .containers
                .values()
                .filter(|held| held.active() && held.gpus.contains(&index) && held.started + LOADS <= now);
            let loaded: u64 = loaded.filter_map(|held| held.replica.as_ref()).map(|replica| replica.memory).sum();
            let ghosts: u64 = gpu.ghosts.iter().filter(|(_, until)| now < *until).map(|(memory, _)| memory).sum();
            let used = (loaded + ghosts).min(gpu.total);
            sample.memory = match gpu.present {
                true => Reading::Known(MemoryUse {
                    total: Bytes(gpu.total),
                    used: Bytes(used),
                    free: Bytes(gpu.total - used),
                    reserved: Bytes::ZERO,
                }),
                false => Reading::Unknown(Unknown::GpuLost),
            };
            GpuState { gpu: gpu.gpu.clone(), sample }
        });
        let origin = Origin { simulated: true, name: "simulation".to_owned(), driver: None, cuda: None };
        Snapshot { at: self.time.wall(), origin, gpus: gpus.collect() }
    }
}
