//! What the environment asks of the simulated driver; read once, at the first call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use nacp_core::Bytes;
use nacp_core::sim::NodeFile;
use nacp_core::sim::node::newest_ptx;

use crate::faults::{self, Fault};
use crate::ptx::Flip;

/// Which node answers when nobody says.
const DEFAULT_NODE: &str = "rtx3050ti-laptop-wsl2";

/// What the environment asks.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) node: NodeFile,
    /// The driver's version, `1000 * major + 10 * minor`.
    pub(crate) version: i32,
    /// The newest version of PTX that it compiles.
    pub(crate) ptx: (u32, u32),
    /// Whether its compiler is there.
    pub(crate) compiler: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) hangs: Hangs,
    pub(crate) flip: Option<Wrong>,
    pub(crate) stuck: Option<StuckBit>,
    /// The most memory that a device gives, and the most pinned memory of the host, in bytes.
    pub(crate) memory: Option<u64>,
    pub(crate) pinned: Option<u64>,
    pub(crate) latencies: BTreeMap<String, Duration>,
    pub(crate) trace: Option<PathBuf>,
    /// `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`.
    pub(crate) visible: Option<String>,
    pub(crate) by_pci: bool,
    /// `CUDA_LAUNCH_BLOCKING`: whether a launch answers what its kernel met.
    pub(crate) blocking: bool,
}

/// Which bit turns over, and on which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// This one.
    Bit(usize, Flip),
    /// The one that this file names when a kernel begins; none while it is empty or not there.
    File(PathBuf),
}

impl Wrong {
    /// The bit that turns over on this device now.
    pub(crate) fn on(&self, device: usize) -> Option<Flip> {
        match self {
            Self::Bit(number, flip) => (*number == device).then(|| flip.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).ok()?;
                let (number, flip) = bit(&text)?;
                (number == device).then_some(flip)
            }
        }
    }
}

/// What does not come back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hangs {
    calls: Vec<String>,
    kernels: Vec<String>,
}

impl Hangs {
    /// Whether this call never comes back.
    pub(crate) fn call(&self, name: &str) -> bool {
        self.calls.iter().any(|call| call == name)
    }

    /// Whether this kernel never ends.
    pub(crate) fn kernel(&self, name: &str) -> bool {
        self.kernels.iter().any(|kernel| kernel == name || kernel == "*")
    }
}

/// A bit of a device's memory that keeps its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StuckBit {
    pub(crate) device: usize,
    /// From the beginning of the device's memory, in bytes.
    pub(crate) offset: u64,
    /// Which bit of that byte.
    pub(crate) bit: u8,
    pub(crate) value: bool,
}

impl Config {
    /// Reads the process's environment.
    pub(crate) fn from_environment() -> Result<Self, String> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables; an error names the one that is wrong.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = &|name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let node = node(text("NACP_SIM_NODE").as_deref().unwrap_or(DEFAULT_NODE))?;
        let version = match text("NACP_SIM_CUDA_VERSION") {
            Some(text) => named("NACP_SIM_CUDA_VERSION", &text, text.parse().ok())?,
            None => named("NACP_SIM_NODE", &node.cuda, version(&node.cuda))?,
        };
        let ptx = match text("NACP_SIM_CUDA_PTX") {
            Some(text) => named("NACP_SIM_CUDA_PTX", &text, pair(&text))?,
            None => newest_ptx(version),
        };
        let compiler = match text("NACP_SIM_CUDA_JIT").as_deref() {
            None | Some("present") => true,
            Some("missing") => false,
            Some(other) => return Err(format!("NACP_SIM_CUDA_JIT={other}: neither present nor missing")),
        };
        let faults = faults::parse(&text("NACP_SIM_CUDA_FAULTS").unwrap_or_default())
            .map_err(|error| format!("NACP_SIM_CUDA_FAULTS: {error}"))?;
        let read = |name: &str| text(name).map_or(Ok(None), |text| named(name, &text, bytes(&text)).map(Some));
        Ok(Self {
            node,
            version,
            ptx,
            compiler,
            faults,
            hangs: text("NACP_SIM_CUDA_HANG").map_or(Ok(Hangs::default()), |text| hangs(&text))?,
            flip: optional(text, "NACP_SIM_CUDA_FLIP", flip)?,
            stuck: optional(text, "NACP_SIM_CUDA_MEMORY", stuck)?,
            memory: read("NACP_SIM_CUDA_OOM")?,
            pinned: read("NACP_SIM_CUDA_PINNED")?,
            latencies: optional(text, "NACP_SIM_CUDA_LATENCY", latencies)?.unwrap_or_default(),
            trace: text("NACP_SIM_CUDA_TRACE").map(PathBuf::from),
            visible: variable("CUDA_VISIBLE_DEVICES"),
            by_pci: text("CUDA_DEVICE_ORDER").as_deref() == Some("PCI_BUS_ID"),
            blocking: text("CUDA_LAUNCH_BLOCKING").as_deref() == Some("1"),
        })
    }
}

fn named<T>(name: &str, text: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{name}={text}: see the README of tests/sim-cuda"))
}

fn optional<T>(
    text: impl Fn(&str) -> Option<String>,
    name: &str,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    text(name).map(|text| named(name, &text, read(&text))).transpose()
}

fn node(wanted: &str) -> Result<NodeFile, String> {
    let file = if wanted.contains('/') || Path::new(wanted).is_file() {
        NodeFile::open(wanted)
    } else {
        NodeFile::shipped(wanted)
    };
    file.map_err(|error| format!("NACP_SIM_NODE={wanted}: {error}"))
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn version(text: &str) -> Option<i32> {
    let (major, minor) = pair(text)?;
    i32::try_from(1000 * major + 10 * minor).ok()
}

fn bytes(text: &str) -> Option<u64> {
    Bytes::from_str(text).ok().map(|bytes| bytes.0)
}

fn hangs(text: &str) -> Result<Hangs, String> {
    let mut hangs = Hangs::default();
    for part in text.split([',', '|']).map(str::trim) {
        match part.strip_prefix("kernel ").map(str::trim) {
            Some(kernel) => hangs.kernels.push(kernel.into()),
            None if part.starts_with("cu") => hangs.calls.push(part.into()),
            None => return Err(format!("NACP_SIM_CUDA_HANG: neither a call nor `kernel NAME`: {part:?}")),
        }
    }
    Ok(hangs)
}

/// Words of the form `key=value`, or `key` alone.
fn words(text: &str) -> BTreeMap<&str, &str> {
    text.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, ""))).collect()
}

fn flip(text: &str) -> Option<Wrong> {
    if let Some(path) = text.strip_prefix('@') {
        return Some(Wrong::File(path.into()));
    }
    bit(text).map(|(device, flip)| Wrong::Bit(device, flip))
}

fn bit(text: &str) -> Option<(usize, Flip)> {
    let words = words(text);
    let kernel = words.get("kernel").map(|kernel| (*kernel).to_owned());
    let known = ["device", "kernel", "lane", "step", "bit"];
    words.keys().all(|key| known.contains(key)).then_some(())?;
    let flip = Flip {
        kernel,
        lane: words.get("lane")?.parse().ok()?,
        step: words.get("step")?.parse().ok()?,
        bit: words.get("bit")?.parse().ok()?,
    };
    Some((words.get("device").map_or(Some(0), |device| device.parse().ok())?, flip))
}

fn stuck(text: &str) -> Option<StuckBit> {
    let words = words(text);
    words.keys().all(|key| ["device", "offset", "bit", "stuck"].contains(key)).then_some(())?;
    let value = match *words.get("stuck")? {
        "" | "1" => true,
        "0" => false,
        _ => return None,
    };
    Some(StuckBit {
        device: words.get("device").map_or(Some(0), |device| device.parse().ok())?,
        offset: words.get("offset")?.parse().ok()?,
        bit: words.get("bit")?.parse().ok().filter(|bit| *bit < 8)?,
        value,
    })
}

/// A list of `call=MICROSECONDS`.
fn latencies(text: &str) -> Option<BTreeMap<String, Duration>> {
    text.split(',')
        .map(|part| {
            let (call, microseconds) = part.split_once('=')?;
            Some((call.trim().to_owned(), Duration::from_micros(microseconds.trim().parse().ok()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn without_variables_it_is_the_laptop_in_good_health() {
        let config = read(&[("NACP_SIM_NODE", "")]).unwrap();
        assert_eq!((config.node.name.as_str(), config.version, config.ptx), (DEFAULT_NODE, 13010, (9, 1)));
        assert!(config.compiler && config.faults.is_empty() && config.flip.is_none() && config.memory.is_none());
    }

    #[test]
    fn each_version_of_cuda_has_its_newest_ptx() {
        for (version, ptx) in [
            (9000, (6, 0)),
            (10020, (6, 5)),
            (11000, (7, 0)),
            (11080, (7, 8)),
            (12000, (8, 0)),
            (12050, (8, 5)),
            (12060, (8, 5)),
            (12080, (8, 7)),
            (12090, (8, 8)),
            (13000, (9, 0)),
            (13050, (9, 5)),
        ] {
            assert_eq!(newest_ptx(version), ptx, "{version}");
        }
    }

    #[test]
    fn what_the_variables_ask_is_read() {
        let config = read(&[
            ("NACP_SIM_NODE", "h100x8"),
            ("NACP_SIM_CUDA_VERSION", "12000"),
            ("NACP_SIM_CUDA_JIT", "missing"),
            ("NACP_SIM_CUDA_FLIP", "device=1 kernel=nacp_fma lane=71 step=100 bit=5"),
            ("NACP_SIM_CUDA_MEMORY", "offset=4096 bit=3 stuck"),
            ("NACP_SIM_CUDA_HANG", "cuInit|cuModuleLoadDataEx|kernel nacp_fma"),
            ("NACP_SIM_CUDA_OOM", "64MiB"),
            ("NACP_SIM_CUDA_LATENCY", "cuDevicePrimaryCtxRetain=150000,cuInit=20"),
        ])
        .unwrap();
        assert_eq!((config.version, config.ptx, config.compiler), (12000, (8, 0), false));
        let flip = Flip { kernel: Some("nacp_fma".into()), lane: 71, step: 100, bit: 5 };
        assert_eq!(config.flip, Some(Wrong::Bit(1, flip.clone())));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flip");
        let wrong = super::flip(&format!("@{}", path.display())).unwrap();
        assert_eq!(wrong.on(1), None, "the file is not there");
        std::fs::write(&path, "device=1 kernel=nacp_fma lane=71 step=100 bit=5").unwrap();
        assert_eq!((wrong.on(0), wrong.on(1)), (None, Some(flip)));
        assert_eq!(config.stuck, Some(StuckBit { device: 0, offset: 4096, bit: 3, value: true }));
        assert!(config.hangs.call("cuInit") && config.hangs.kernel("nacp_fma"));
        assert!(!config.hangs.call("cuLaunchKernel") && !config.hangs.kernel("nacp_hash"));
        assert_eq!(config.memory, Some(64 << 20));
        assert_eq!(config.latencies["cuDevicePrimaryCtxRetain"], Duration::from_millis(150));
    }

    #[test]
    fn a_mistake_names_its_variable() {
        for (name, text) in [
            ("NACP_SIM_NODE", "h100x9"),
            ("NACP_SIM_CUDA_VERSION", "12.0"),
            ("NACP_SIM_CUDA_PTX", "8"),
            ("NACP_SIM_CUDA_JIT", "gone"),
            ("NACP_SIM_CUDA_FAULTS", "cuInit"),
            ("NACP_SIM_CUDA_HANG", "kernels"),
            ("NACP_SIM_CUDA_FLIP", "lane=1 step=2"),
            ("NACP_SIM_CUDA_FLIP", "lane=1 step=2 bit=3 thread=4"),
            ("NACP_SIM_CUDA_MEMORY", "offset=1 bit=8 stuck"),
            ("NACP_SIM_CUDA_MEMORY", "offset=1 bit=7"),
            ("NACP_SIM_CUDA_OOM", "much"),
            ("NACP_SIM_CUDA_PINNED", "little"),
            ("NACP_SIM_CUDA_LATENCY", "cuInit"),
        ] {
            let error = read(&[(name, text)]).unwrap_err();
            assert!(error.starts_with(name), "{name}={text}: {error}");
        }
    }
}
