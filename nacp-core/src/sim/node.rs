//! Simulated machines: node files, and a [`gpu::Source`](crate::gpu::Source) that answers from them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, nearest};
use crate::gpu::{
    Clocks, ComputeCapability, Fields, Gpu, GpuId, MemoryUse, Origin, Process, ProcessKind, Reading, Sample, Source,
    Unknown, Utilization,
};
use crate::units::Bytes;

/// The node files that come with NACP.
const SHIPPED: [(&str, &str); 2] = [
    ("h100x8", include_str!("../../nodes/h100x8.json")),
    ("rtx3050ti-laptop-wsl2", include_str!("../../nodes/rtx3050ti-laptop-wsl2.json")),
];

/// A made-up machine, as a node file describes it. The simulated NVML and CUDA libraries of the tests answer from the
/// same files.
///
/// A machine of your own begins with a shipped one:
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::{Bytes, gpu, sim};
///
/// let mut file = sim::NodeFile::shipped("h100x8")?;
/// file.name = "half-a-server".to_owned();
/// file.gpus.truncate(4);
/// file.gpus[0].memory.used = Bytes::gib(70);
/// let node = gpu::Node::from_source(Arc::new(sim::Node::from(file)))?;
/// assert_eq!(node.origin().to_string(), "simulated: half-a-server, driver 580.95.05");
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The node's name.
    pub name: String,
    /// What kind of machine it is, in one line.
    pub summary: String,
    /// The driver's version.
    pub driver: String,
    /// The version of the management library.
    pub nvml: String,
    /// The newest CUDA version that the driver serves.
    pub cuda: String,
    /// The GPUs, in the driver's order.
    pub gpus: Vec<GpuFile>,
    /// Prefixes of NVML functions that this machine answers with "not supported".
    #[serde(default)]
    pub unsupported: Vec<String>,
    /// Whether the driver tells the memory of each process.
    pub process_memory: bool,
}

/// One GPU of a [`NodeFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuFile {
    /// The UUID.
    pub uuid: GpuId,
    /// The product's name.
    pub name: String,
    /// The compute capability.
    pub compute: ComputeCapability,
    /// The PCI address.
    pub pci: String,
    /// The number of streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory; what is neither used nor reserved is free.
    pub memory: MemoryFile,
    /// Utilisation, in percent.
    pub utilization: Utilization,
    /// Degrees Celsius.
    pub temperature: u32,
    /// Milliwatts.
    pub power: u32,
    /// Milliwatts; absent where the machine does not tell.
    #[serde(default)]
    pub power_limit: Option<u32>,
    /// MHz.
    pub clocks: Clocks,
    /// The highest clocks, in MHz; absent where the machine does not tell, as all that follows.
    #[serde(default)]
    pub max_clocks: Option<Clocks>,
    /// The P-state, 0 for the fastest.
    #[serde(default)]
    pub performance: Option<u32>,
    /// Speed of the fan, in percent.
    #[serde(default)]
    pub fan: Option<u32>,
    /// Utilisation of the video encoder, in percent.
    #[serde(default)]
    pub encoder: Option<u32>,
    /// Utilisation of the video decoder, in percent.
    #[serde(default)]
    pub decoder: Option<u32>,
    /// Programs that use the GPU.
    #[serde(default)]
    pub processes: Vec<ProcessFile>,
}

/// Memory of a [`GpuFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryFile {
    /// All of it.
    pub total: Bytes,
    /// Allocated.
    pub used: Bytes,
    /// Kept by the driver.
    pub reserved: Bytes,
}

/// A process of a [`GpuFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessFile {
    /// Which process: a number, or the reader's own.
    pub pid: Pid,
    /// What it uses the GPU for.
    pub kind: ProcessKind,
    /// Its memory on the GPU.
    #[serde(default)]
    pub memory: Bytes,
}

/// A process id of a node file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pid {
    /// The process that reads the file, so that tools which look it up find it.
    #[serde(rename = "self")]
    Own,
    /// This process.
    #[serde(untagged)]
    Number(u32),
}

impl Pid {
    /// The number.
    pub fn resolve(self) -> u32 {
        match self {
            Self::Own => std::process::id(),
            Self::Number(pid) => pid,
        }
    }
}

impl NodeFile {
    /// Reads a node file.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument), with line and column.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "sim.node", "not a node file")
                .with("reason", &error)
                .caused_by(error)
        })
    }

    /// A node file that comes with NACP.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the names that there are.
    pub fn shipped(name: &str) -> Result<Self> {
        let found = SHIPPED.iter().find(|(known, _)| *known == name);
        let (_, json) = found.ok_or_else(|| {
            let names = Node::names();
            let error = Error::new(ErrorKind::NotFound, "sim.node", "no simulated node of this name")
                .with("name", name)
                .with("known", names.join(","));
            match nearest(name, names) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            }
        })?;
        Self::parse(json)
    }

    /// Whether this machine answers a function of the management library.
    pub fn supports(&self, function: &str) -> bool {
        !self.unsupported.iter().any(|prefix| function.starts_with(prefix.as_str()))
    }
}

/// A simulated machine as a source of GPUs. Everything that it says is labelled simulated, and nothing changes by
/// itself: every sample is that of the file.
#[derive(Clone, Debug)]
pub struct Node {
    file: NodeFile,
    origin: Origin,
}

impl Node {
    /// The names of the nodes that come with NACP.
    pub fn names() -> Vec<&'static str> {
        SHIPPED.iter().map(|(name, _)| *name).collect()
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

    /// The file that it answers from.
    pub fn file(&self) -> &NodeFile {
        &self.file
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
        Self { file, origin }
    }
}

impl Source for Node {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let gpus = self.file.gpus.iter().zip(0..).map(|(file, index)| {
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
        samples.extend(self.file.gpus.iter().map(|gpu| self.measure(gpu)));
        Ok(())
    }
}

impl Node {
    fn measure(&self, gpu: &GpuFile) -> Sample {
        let mut sample = Sample::unknown(gpu.uuid.clone(), Unknown::NotRead);
        let MemoryFile { total, used, reserved } = gpu.memory;
        let free = total.saturating_sub(used + reserved);
        sample.memory = self.answer("nvmlDeviceGetMemoryInfo_v2", MemoryUse { total, used, free, reserved });
        sample.utilization = self.answer("nvmlDeviceGetUtilizationRates", gpu.utilization);
        sample.temperature = self.answer("nvmlDeviceGetTemperature", gpu.temperature);
        sample.power = self.answer("nvmlDeviceGetPowerUsage", gpu.power);
        sample.power_limit = gpu.power_limit.filter(|_| self.file.supports("nvmlDeviceGetEnforcedPowerLimit")).into();
        sample.clocks = self.answer("nvmlDeviceGetClockInfo", gpu.clocks);
        sample.processes = self.answer("nvmlDeviceGetComputeRunningProcesses_v3", self.processes(gpu));
        sample
    }

    /// A value that the machine tells through this function of the management library.
    fn answer<T>(&self, function: &str, value: T) -> Reading<T> {
        self.file.supports(function).then_some(value).into()
    }

    fn processes(&self, gpu: &GpuFile) -> Vec<Process> {
        let mut processes: Vec<_> = gpu
            .processes
            .iter()
            .map(|process| {
                let memory = match self.file.process_memory {
                    true => Reading::Known(process.memory),
                    false => Reading::Unknown(Unknown::NotAvailable),
                };
                Process::new(process.pid.resolve(), process.kind, memory)
            })
            .collect();
        processes.sort_by_key(|process| process.pid);
        processes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_node_is_whole() {
        for name in Node::names() {
            let node = Node::named(name).unwrap();
            assert_eq!(node.file().name, name);
            let mut samples = Vec::new();
            node.sample(Fields::ALL, &mut samples).unwrap();
            assert_eq!(samples.len(), node.inventory().unwrap().len());
            for sample in samples {
                let memory = *sample.memory.known().unwrap();
                assert_eq!(memory.used + memory.free + memory.reserved, memory.total, "{name}");
            }
        }
    }

    #[test]
    fn a_misspelt_node_names_the_nearest() {
        let error = Node::named("h100x9").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no simulated node of this name: name=h100x9 known=h100x8,rtx3050ti-laptop-wsl2; did you mean h100x8?"
        );
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
}
