//! The format of a node file, and the files that come with NACP.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::gpu::GpuFile;
use super::layers;
use super::script::{StepFile, Timeline};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::gpu::GpuId;

/// The node files that come with NACP.
const SHIPPED: [(&str, &str); 10] = [
    ("a100-mig", include_str!("../../../nodes/a100-mig.json")),
    ("broken", include_str!("../../../nodes/broken.json")),
    ("gb200-nvl72", include_str!("../../../nodes/gb200-nvl72.json")),
    ("h100x8", include_str!("../../../nodes/h100x8.json")),
    ("h200", include_str!("../../../nodes/h200.json")),
    ("l4", include_str!("../../../nodes/l4.json")),
    ("old-driver-470", include_str!("../../../nodes/old-driver-470.json")),
    ("rtx3050ti-laptop-wsl2", include_str!("../../../nodes/rtx3050ti-laptop-wsl2.json")),
    ("rtx4090", include_str!("../../../nodes/rtx4090.json")),
    ("t4", include_str!("../../../nodes/t4.json")),
];

/// The highest clock in MHz that CUDA can tell, in kHz as a number of 32 bits with a sign.
const MOST_MHZ: u32 = i32::MAX as u32 / 1000;

/// A made-up machine, as a node file describes it. The simulated NVML and CUDA libraries of the tests answer from the
/// same files.
///
/// In the file, an object `each` may stand beside `gpus`: what it says is said of every GPU that does not say it itself,
/// group by group. When a file is read it is merged into the GPUs.
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeFile {
    /// The node's name.
    pub name: String,
    /// What kind of machine it is, in one line.
    pub summary: String,
    /// The driver's version.
    pub driver: String,
    /// The driver's branch, such as `r580_00`; absent where the driver does not tell.
    pub branch: Option<String>,
    /// The version of the management library.
    pub nvml: String,
    /// The newest CUDA version that the driver serves.
    pub cuda: String,
    /// The GPUs, in the driver's order.
    pub gpus: Vec<GpuFile>,
    /// GPUs that the driver was told to leave alone.
    pub excluded: Vec<ExcludedFile>,
    /// Prefixes of NVML functions that this machine answers with "not supported".
    pub unsupported: Vec<String>,
    /// Prefixes of NVML functions that this machine's library does not have, because it is too old.
    pub missing: Vec<String>,
    /// Whether the driver tells the memory of each process.
    pub process_memory: bool,
    /// Microseconds that a call of an NVML function takes; `*` stands for every function without a figure of its own.
    pub latency_us: BTreeMap<String, u64>,
    /// By how many percent those figures may vary from call to call.
    pub latency_jitter: Option<JitterFile>,
    /// What happens as time goes on.
    pub script: Vec<StepFile>,
}

/// A GPU that the driver was told to leave alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedFile {
    /// The UUID.
    pub uuid: GpuId,
    /// The PCI address.
    pub pci: String,
}

/// How much the time of a call varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JitterFile {
    /// Up and down, in percent.
    pub percent: u32,
    /// Where the row of made-up numbers begins.
    pub seed: u64,
}

/// How a machine answers a function of the management library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// With what the file says.
    Answers,
    /// With "not supported".
    NotSupported,
    /// Not at all: the library is too old to have it.
    Missing,
}

/// The text of a node file: the GPUs and the script are read when `each` is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    name: String,
    summary: String,
    driver: String,
    #[serde(default)]
    branch: Option<String>,
    nvml: String,
    cuda: String,
    #[serde(default, borrow)]
    each: Option<&'a RawValue>,
    #[serde(borrow)]
    gpus: Vec<&'a RawValue>,
    #[serde(default)]
    excluded: Vec<ExcludedFile>,
    #[serde(default)]
    unsupported: Vec<String>,
    #[serde(default)]
    missing: Vec<String>,
    process_memory: bool,
    #[serde(default)]
    latency_us: BTreeMap<String, u64>,
    #[serde(default)]
    latency_jitter: Option<JitterFile>,
    #[serde(default, borrow)]
    script: Vec<&'a RawValue>,
}

impl<'a> Document<'a> {
    /// What is said of one GPU: of each, then of this one.
    fn layers(&self, gpu: &'a RawValue) -> Vec<&'a RawValue> {
        self.each.into_iter().chain([gpu]).collect()
    }
}

/// Reads a part of a node file's text from its layers.
fn read<'a, T: Deserialize<'a>>(json: &str, layers: &[&'a RawValue]) -> Result<T> {
    layers::read(layers).map_err(|mistake| wrong(mistake.within(json)))
}

/// The part of a step that changes GPUs, as text.
#[derive(Deserialize)]
struct Changes<'a> {
    #[serde(default)]
    gpu: Option<usize>,
    #[serde(default, borrow)]
    set: Option<&'a RawValue>,
}

impl NodeFile {
    /// Reads a node file.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument), with line and column.
    pub fn parse(json: &str) -> Result<Self> {
        let document: Document<'_> = serde_json::from_str(json).map_err(|error| wrong(&error).caused_by(error))?;
        let mut gpus: Vec<GpuFile> = Vec::new();
        for gpu in &document.gpus {
            gpus.push(read(json, &document.layers(gpu))?);
        }
        let mut script = Vec::new();
        for text in &document.script {
            script.push(read::<StepFile>(json, &[text])?);
            let changes: Changes<'_> = serde_json::from_str(text.get()).map_err(wrong)?;
            if let (Some(set), Some(gpu)) = (changes.set, document.gpus.get(changes.gpu.unwrap_or(0))) {
                read::<GpuFile>(json, &[document.layers(gpu), vec![set]].concat())?;
            }
        }
        let Document { name, summary, driver, branch, nvml, cuda, excluded, unsupported, missing, .. } = document;
        let Document { process_memory, latency_us, latency_jitter, .. } = document;
        let file = Self {
            name,
            summary,
            driver,
            branch,
            nvml,
            cuda,
            gpus,
            excluded,
            unsupported,
            missing,
            process_memory,
            latency_us,
            latency_jitter,
            script,
        };
        file.check()?;
        Ok(file)
    }

    /// Reads a node file from the disk.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) or [`PermissionDenied`](ErrorKind::PermissionDenied) when it cannot be read, and
    /// as for [`parse`](Self::parse).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = std::fs::read_to_string(path).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                std::io::ErrorKind::InvalidData => ErrorKind::InvalidArgument,
                _ => ErrorKind::NotFound,
            };
            Error::new(kind, "sim.node", "cannot read the node file")
                .with("path", path.display())
                .with("reason", &error)
                .caused_by(error)
        })?;
        Self::parse(&json).map_err(|error| error.with("path", path.display()))
    }

    /// A node file that comes with NACP.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the names that there are.
    pub fn shipped(name: &str) -> Result<Self> {
        let found = SHIPPED.iter().find(|(known, _)| *known == name);
        let (_, json) = found.ok_or_else(|| {
            let names = Self::names();
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

    /// The names of the node files that come with NACP.
    pub fn names() -> Vec<&'static str> {
        SHIPPED.iter().map(|(name, _)| *name).collect()
    }

    /// Whether this machine answers a function of the management library.
    pub fn supports(&self, function: &str) -> bool {
        self.support(function) == Support::Answers
    }

    /// How this machine answers a function of the management library, as far as it does not depend on the GPU.
    pub fn support(&self, function: &str) -> Support {
        let named = |prefixes: &[String]| prefixes.iter().any(|prefix| function.starts_with(prefix.as_str()));
        match (named(&self.missing), named(&self.unsupported)) {
            (true, _) => Support::Missing,
            (false, true) => Support::NotSupported,
            (false, false) => Support::Answers,
        }
    }

    /// Whether the driver counts fields 251 to 273 as it does from 580.82 on.
    pub fn new_field_numbers(&self) -> bool {
        let mut parts = self.driver.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (580, 82)
    }

    /// Whether the parts fit together.
    fn check(&self) -> Result<()> {
        if self.cuda_version().is_none() {
            return Err(wrong("not a version of CUDA, such as 13.0").with("field", "cuda").with("value", &self.cuda));
        }
        for (index, gpu) in self.gpus.iter().enumerate() {
            let place = |error: Error| error.with("gpu", index);
            let highest = gpu.max_clocks.unwrap_or(gpu.clocks);
            for (field, clock) in [("sm", highest.sm), ("memory", highest.memory)] {
                if clock > MOST_MHZ {
                    return Err(place(
                        wrong("a clock that no driver could tell")
                            .with("field", format_args!("clocks.{field}"))
                            .with("value", clock)
                            .with("most", MOST_MHZ),
                    ));
                }
            }
            if let Some(mig) = &gpu.mig {
                for instance in &mig.instances {
                    if mig.profile(&instance.profile).is_none() {
                        let names: Vec<_> = mig.profiles.iter().map(|profile| profile.name.as_str()).collect();
                        return Err(place(
                            wrong("a GPU instance has a profile that its GPU has not")
                                .with("profile", &instance.profile)
                                .with("known", names.join(",")),
                        ));
                    }
                }
            }
            if let Some(links) = &gpu.nvlink
                && let Some(other) = links.exceptions.iter().find(|other| other.link >= links.links)
            {
                return Err(place(wrong("an exception for an NVLink that there is not").with("link", other.link)));
            }
        }
        Timeline::new(self).map(|_| ())
    }
}

/// A mistake in a node file.
pub(super) fn wrong(reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, "sim.node", "not a node file").with("reason", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{
  "name": "small", "summary": "", "driver": "580.95.05", "nvml": "13.580.95.05", "cuda": "13.0", "process_memory": true,
  "each": {
    "name": "X", "compute": "9.0", "multiprocessors": 1,
    "memory": { "total": "1GiB", "used": "0MiB", "reserved": "0MiB" },
    "utilization": { "gpu": 0, "memory": 0 }, "temperature": 30, "power": 1000,
    "clocks": { "graphics": 1, "sm": 2, "memory": 3 },
    "pcie": { "generation": 5, "width": 16 }
  },
  "gpus": [
    { "uuid": "GPU-00000000-0000-4000-8000-000000000001", "pci": "00000000:01:00.0" },
    { "uuid": "GPU-00000000-0000-4000-8000-000000000002", "pci": "00000000:02:00.0", "temperature": 40,
      "memory": { "used": "512MiB" }, "pcie": { "width": 8 } }
  ],
  "script": [{ "tick": 2, "gpu": 1, "set": { "temperature": 90 } }]
}"#;

    #[test]
    fn what_is_said_of_each_gpu_is_merged_into_every_one() {
        let file = NodeFile::parse(SMALL).unwrap();
        let [first, second] = &file.gpus[..] else { panic!("two GPUs") };
        assert_eq!((first.temperature, second.temperature), (30, 40));
        let memory = second.memory;
        assert_eq!((memory.total.as_mib(), memory.used.as_mib(), memory.free().as_mib()), (1024, 512, 512));
        let pcie = second.pcie.as_ref().unwrap();
        assert_eq!((pcie.generation, pcie.width), (Some(5), Some(8)));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for name in NodeFile::names() {
            let file = NodeFile::shipped(name).unwrap();
            assert_eq!(NodeFile::parse(&serde_json::to_string(&file).unwrap()).unwrap(), file, "{name}");
        }
    }

    #[test]
    fn a_mistake_is_found_where_it_stands() {
        for (right, wrong, place) in [
            (r#""summary": """#, r#""sumary": """#, "unknown field `sumary`, expected one of"),
            (r#""width": 8"#, r#""widht": 8"#, "unknown field `widht`"),
            (r#""width": 8"#, r#""width": "8""#, "expected u32 at line 13 column 60"),
            (r#""temperature": 40"#, r#""temperature": "hot""#, "at line 12 column"),
            (r#""generation": 5"#, r#""generatoin": 5"#, "at line 8 column 29"),
            (r#""power": 1000,"#, "", "missing field `power` at line 11 column 5"),
            (r#""set": { "temperature": 90 }"#, r#""set": { "temperatur": 90 }"#, "at line 15 column"),
            (r#""tick": 2"#, r#""tik": 2"#, "unknown field `tik`"),
            (r#""sm": 2,"#, r#""sm": 2147484,"#, "gpu=0"),
            (r#""sm": 2,"#, r#""sm": 2147484,"#, "field=clocks.sm value=2147484 most=2147483"),
            (r#""cuda": "13.0""#, r#""cuda": "4000000.0""#, "field=cuda value=4000000.0"),
            (r#""gpu": 1"#, r#""gpu": 2"#, "step=0"),
            (r#""used": "512MiB""#, r#""used": "512MiBs""#, "at line 13 column"),
            (r#"{ "width": 8 }"#, r#"{ "width": 8, "width": 4 }"#, "duplicate field `width` at line 13"),
        ] {
            assert!(SMALL.contains(right), "{right}");
            let error = NodeFile::parse(&SMALL.replacen(right, wrong, 1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(place), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_misspelt_node_names_the_nearest() {
        let error = NodeFile::shipped("h100x9").unwrap_err().to_string();
        assert!(error.starts_with("no simulated node of this name: name=h100x9 known=a100-mig,broken,"), "{error}");
        assert!(error.ends_with("did you mean h100x8?"), "{error}");
    }

    #[test]
    fn functions_are_not_supported_or_missing_by_prefix() {
        let mut file = NodeFile::parse(SMALL).unwrap();
        file.unsupported = vec!["nvmlDeviceGetFan".into()];
        file.missing = vec!["nvmlGpm".into(), "nvmlDeviceGetFanSpeedRPM".into()];
        assert_eq!(file.support("nvmlDeviceGetFanSpeed"), Support::NotSupported);
        assert_eq!(file.support("nvmlDeviceGetFanSpeedRPM"), Support::Missing);
        assert_eq!(file.support("nvmlGpmSampleGet"), Support::Missing);
        assert!(file.supports("nvmlDeviceGetName"));
    }

    #[test]
    fn fields_are_renumbered_at_driver_580_82() {
        let mut file = NodeFile::parse(SMALL).unwrap();
        for (driver, new) in [("470.256.02", false), ("580.65.06", false), ("580.82.07", true), ("591.44", true)] {
            file.driver = driver.into();
            assert_eq!(file.new_field_numbers(), new, "{driver}");
        }
    }
}
