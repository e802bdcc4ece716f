//! A simulated machine as a source of GPUs.

use std::sync::Arc;
use std::time::Duration;

use super::file::NodeFile;
use super::gpu::GpuFile;
use super::process::Children;
use super::script::{GpuState, TICK, Timeline};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Clocks, Fields, Gpu, MemoryUse, Origin, Process, Reading, Sample, Source, Unknown};

/// A simulated machine as a source of GPUs. Everything that it says is labelled simulated, and nothing changes by
/// itself: every sample is that of the file, until a step of the file's script changes it.
#[derive(Clone, Debug)]
pub struct Node {
    file: NodeFile,
    origin: Origin,
    /// The script, or what is wrong with it.
    timeline: Arc<std::result::Result<Timeline, String>>,
    clock: Arc<dyn Clock>,
    /// What the clock showed at tick 0.
    start: Duration,
    children: Arc<Children>,
}

impl Node {
    /// The names of the nodes that come with NACP.
    pub fn names() -> Vec<&'static str> {
        NodeFile::names()
    }

    /// A node that comes with NACP.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the names that there are.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use nacp_core::{gpu, sim};
    ///
    /// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
    /// assert_eq!(node.gpus().len(), 8);
    /// assert!(node.origin().simulated);
    /// # Ok::<(), nacp_core::Error>(())
    /// ```
    pub fn named(name: &str) -> Result<Self> {
        NodeFile::shipped(name).map(Self::from)
    }

    /// The same machine with its script at tick 0 now, on this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.start = clock.monotonic();
        self.clock = clock;
        self
    }

    /// The file that it answers from.
    pub fn file(&self) -> &NodeFile {
        &self.file
    }

    /// How many ticks of the script have passed.
    pub fn tick(&self) -> u64 {
        let passed = self.clock.monotonic().saturating_sub(self.start);
        u64::try_from(passed.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<NodeFile> for Node {
    fn from(file: NodeFile) -> Self {
        let origin = Origin {
            simulated: true,
            name: file.name.clone(),
            driver: Some(file.driver.clone()),
            cuda: Some(file.cuda.clone()),
        };
        let timeline = Arc::new(Timeline::new(&file).map_err(|error| error.to_string()));
        let clock = Arc::new(SystemClock::new());
        Self { file, origin, timeline, start: clock.monotonic(), clock, children: Arc::default() }
    }
}

impl Source for Node {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let gpus = self.states()?.into_iter().zip(0..).map(|(state, index)| {
            let file = &state.file;
            let mut gpu = Gpu::new(file.uuid.clone(), index, &file.name);
            gpu.compute = self.answer("nvmlDeviceGetCudaComputeCapability", file.compute);
            gpu.memory = self.answer("nvmlDeviceGetMemoryInfo_v2", file.memory.total);
            gpu.pci = self.answer("nvmlDeviceGetPciInfo_v3", file.pci.clone());
            gpu
        });
        Ok(gpus.collect())
    }

    fn sample(&self, _fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        samples.clear();
        for (index, state) in self.states()?.into_iter().enumerate() {
            samples.push(match state.lost {
                true => Sample::unknown(state.file.uuid.clone(), Unknown::GpuLost),
                false => self.measure(index, &state.file),
            });
        }
        Ok(())
    }
}

impl Node {
    /// The GPUs as they are now.
    fn states(&self) -> Result<Vec<&GpuState>> {
        let timeline = self.timeline.as_ref().as_ref().map_err(|problem| {
            Error::new(ErrorKind::InvalidArgument, "sim.node", "the node's script makes no sense")
                .with("reason", problem)
        })?;
        let tick = self.tick();
        Ok((0..self.file.gpus.len()).filter_map(|gpu| timeline.state(gpu, tick)).collect())
    }

    fn measure(&self, index: usize, gpu: &GpuFile) -> Sample {
        let mut sample = Sample::unknown(gpu.uuid.clone(), Unknown::NotRead);
        let memory = gpu.memory;
        let memory =
            MemoryUse { total: memory.total, used: memory.used, free: memory.free(), reserved: memory.reserved };
        sample.memory = self.answer("nvmlDeviceGetMemoryInfo_v2", memory);
        sample.utilization = match gpu.partitioned() {
            true => Reading::Unknown(Unknown::NotSupported),
            false => self.answer("nvmlDeviceGetUtilizationRates", gpu.utilization),
        };
        sample.temperature = self.answer("nvmlDeviceGetTemperature", gpu.temperature);
        sample.power = self.answer("nvmlDeviceGetPowerUsage", gpu.power);
        sample.power_limit = gpu.power_limit.filter(|_| self.file.supports("nvmlDeviceGetEnforcedPowerLimit")).into();
        let clocks = Clocks { graphics: gpu.clocks.graphics, sm: gpu.clocks.sm, memory: gpu.clocks.memory };
        sample.clocks = self.answer("nvmlDeviceGetClockInfo", clocks);
        sample.processes = self.answer("nvmlDeviceGetComputeRunningProcesses_v3", self.processes(index, gpu));
        sample
    }

    /// A value that the machine tells through this function of the management library.
    fn answer<T>(&self, function: &str, value: T) -> Reading<T> {
        self.file.supports(function).then_some(value).into()
    }

    fn processes(&self, index: usize, gpu: &GpuFile) -> Vec<Process> {
        let mut processes: Vec<_> = gpu
            .all_processes()
            .filter_map(|(nth, _, process)| {
                let pid = self.children.resolve(process.pid, GpuFile::process_key(index, nth));
                let pid = pid.inspect_err(|error| tracing::warn!(%error, "a simulated process does not start"));
                let memory = match self.file.process_memory {
                    true => Reading::Known(process.memory),
                    false => Reading::Unknown(Unknown::NotAvailable),
                };
                Some(Process::new(pid.ok()?, process.kind, memory))
            })
            .collect();
        processes.sort_by_key(|process| process.pid);
        processes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn every_shipped_node_is_whole() {
        for name in Node::names() {
            let node = Node::named(name).unwrap().with_clock(Arc::new(ManualClock::default()));
            assert_eq!(node.file().name, name);
            let mut samples = Vec::new();
            node.sample(Fields::ALL, &mut samples).unwrap();
            assert_eq!(samples.len(), node.inventory().unwrap().len());
            for memory in samples.iter().filter_map(|sample| sample.memory.known()) {
                assert_eq!(memory.used + memory.free + memory.reserved, memory.total, "{name}");
            }
        }
    }

    #[test]
    fn what_wsl2_does_not_tell_is_unknown_not_zero() {
        let node = Node::named("rtx3050ti-laptop-wsl2").unwrap();
        let mut samples = Vec::new();
        node.sample(Fields::ALL, &mut samples).unwrap();
        assert_eq!(samples[0].power_limit, Reading::Unknown(Unknown::NotSupported));
        let process = &samples[0].processes.known().unwrap()[0];
        assert_eq!(process.memory, Reading::Unknown(Unknown::NotAvailable));
    }

    #[test]
    fn a_script_runs_by_the_clock_that_is_given() {
        let mut file = NodeFile::shipped("h100x8").unwrap();
        file.script = serde_json::from_value(serde_json::json!([
            { "tick": 3, "gpu": 0, "set": { "temperature": 95 } },
            { "tick": 10, "gpu": 1, "lost": true },
        ]))
        .unwrap();
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(77));
        let node = Node::from(file).with_clock(clock.clone());
        let mut samples = Vec::new();
        let mut readings = |by| {
            clock.advance(Duration::from_millis(by));
            node.sample(Fields::ALL, &mut samples).unwrap();
            (samples[0].temperature.clone(), samples[1].temperature.clone())
        };
        assert_eq!(readings(299), (Reading::Known(31), Reading::Known(44)));
        assert_eq!(readings(1), (Reading::Known(95), Reading::Known(44)));
        assert_eq!(readings(700), (Reading::Known(95), Reading::Unknown(Unknown::GpuLost)));
    }
}
