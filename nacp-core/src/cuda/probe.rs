//! What the driver answers: version and devices, or a typed reason.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Attribute, Driver, Fault, FaultKind, Library, Loaded};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{ComputeCapability, GpuId};
use crate::units::Bytes;

const OPERATION: &str = "cuda.probe";

/// What the CUDA driver says about this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Probe {
    /// The file that answered.
    pub library: Loaded,
    /// The newest CUDA version that the driver serves (`cuDriverGetVersion`).
    pub driver_version: Version,
    /// The devices that this process may use, in CUDA's order, which is not NVML's.
    pub devices: Vec<Device>,
    /// Devices that the driver counts and that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<Silent>,
    /// Why there is no device, when the driver said so itself (code 100) or counted none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_device: Option<String>,
}

/// A device that CUDA programs of this process can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Device {
    /// The position in CUDA's list (`CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER` change it).
    pub ordinal: u32,
    /// The UUID, spelled as NVML does.
    pub id: GpuId,
    /// The product's name.
    pub name: String,
    /// The compute capability.
    pub compute: ComputeCapability,
    /// The memory that programs can use, in bytes: less than NVML's total by what the driver keeps for itself.
    pub memory: Bytes,
    /// The PCI address, spelled as NVML does: eight digits of the domain, capitals.
    pub pci: String,
    /// How many streaming multiprocessors it has.
    pub multiprocessors: u32,
}

/// A device that did not answer one of the probe's questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// The position in CUDA's list.
    pub ordinal: u32,
    /// The call that failed.
    pub call: String,
    /// How it failed.
    pub fault: Fault,
}

/// A version of CUDA, printed as `13.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

impl Version {
    /// Reads the driver's number, `1000 * major + 10 * minor`. Numbers below 1 are none.
    pub fn from_number(number: i32) -> Option<Self> {
        let number = u32::try_from(number).ok().filter(|number| *number > 0)?;
        Some(Self { major: number / 1000, minor: number % 1000 / 10 })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }))
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "cuda.version", "not a version of CUDA")
                    .with("value", format_args!("{text:?}"))
                    .hint("write major and minor, for example 13.0")
            })
    }
}

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// Opens the driver's library where the loader finds it, and asks it.
///
/// The library stays loaded. Starting a driver takes from milliseconds to seconds; a caller that must not hold a
/// driver, or must not wait for one that hangs, probes in a child process.
///
/// # Errors
/// [`DriverUnavailable`](ErrorKind::DriverUnavailable) and its relatives, with `cause` and, where the driver gave one,
/// its number as `code`. No device is no error: see [`Probe::no_device`].
pub fn probe() -> Result<Probe> {
    probe_with(&Library::open()?)
}

/// Asks this library file.
///
/// # Errors
/// As for [`probe`].
pub fn probe_at(path: impl AsRef<Path>) -> Result<Probe> {
    probe_with(&Library::open_at(path.as_ref())?)
}

/// Asks this driver.
///
/// # Errors
/// As for [`probe`].
pub fn probe_with(driver: &dyn Driver) -> Result<Probe> {
    let library = driver.loaded();
    if !driver.missing().is_empty() {
        let error = Error::new(ErrorKind::DriverUnavailable, OPERATION, "the CUDA driver library lacks functions")
            .with("cause", "symbol missing")
            .with("library", library)
            .with("symbols", driver.missing().join(","));
        return Err(error.hint("it is a stub, or a driver older than CUDA 11; install the NVIDIA driver"));
    }
    let refused = |call: &'static str, code: i32| {
        let error = Fault::from_code(code).error(OPERATION, call).with("library", library);
        match driver.error_name(code).or_else(|| Fault::from_code(code).name().map(Into::into)) {
            Some(name) => error.with("name", name),
            None => error,
        }
    };
    let started = Fault::from_code(driver.init());
    if started.code != 0 && started.kind != FaultKind::NoDevice {
        return Err(refused("cuInit", started.code));
    }
    let number = driver.version().map_err(|code| refused("cuDriverGetVersion", code))?;
    let driver_version = Version::from_number(number).ok_or_else(|| {
        Error::new(ErrorKind::DriverUnavailable, OPERATION, "the CUDA driver states no version")
            .with("cause", "version")
            .with("library", library)
            .with("version", number)
    })?;
    let mut probe =
        Probe { library: library.clone(), driver_version, devices: Vec::new(), silent: Vec::new(), no_device: None };
    if started.code != 0 {
        probe.no_device = Some(refused("cuInit", started.code).to_string());
        return Ok(probe);
    }
    let count = match driver.device_count() {
        Ok(count) => count,
        Err(code) if Fault::from_code(code).kind == FaultKind::NoDevice => {
            probe.no_device = Some(refused("cuDeviceGetCount", code).to_string());
            return Ok(probe);
        }
        Err(code) => return Err(refused("cuDeviceGetCount", code)),
    };
    for ordinal in 0..count {
        let position = ordinal.unsigned_abs();
        match describe(driver, ordinal) {
            Ok(device) => probe.devices.push(device),
            Err((call, code)) => {
                let fault = Fault::from_code(code);
                tracing::warn!(ordinal, call, %fault, "a CUDA device does not answer; it is listed apart");
                probe.silent.push(Silent { ordinal: position, call: call.into(), fault });
            }
        }
    }
    if count <= 0 {
        probe.no_device =
            Some("the CUDA driver counts no GPU: call=cuDeviceGetCount; check CUDA_VISIBLE_DEVICES".into());
    }
    Ok(probe)
}

/// One device, or the call that failed and its number.
fn describe(driver: &dyn Driver, ordinal: i32) -> Result<Device, (&'static str, i32)> {
    let device = driver.device(ordinal).map_err(|code| ("cuDeviceGet", code))?;
    let name = driver.name(device).map_err(|code| ("cuDeviceGetName", code))?;
    let uuid = driver.uuid(device).map_err(|code| ("cuDeviceGetUuid", code))?;
    let memory = driver.total_memory(device).map_err(|code| ("cuDeviceTotalMem", code))?;
    let pci = driver.pci(device).map_err(|code| ("cuDeviceGetPCIBusId", code))?;
    let attribute = |which| {
        let value = driver.attribute(which, device).map_err(|code| ("cuDeviceGetAttribute", code))?;
        // 1 is CUDA_ERROR_INVALID_VALUE: a negative count is as good as a refusal.
        u32::try_from(value).map_err(|_| ("cuDeviceGetAttribute", 1))
    };
    Ok(Device {
        ordinal: ordinal.unsigned_abs(),
        id: gpu_id(uuid, &name).map_err(|_| ("cuDeviceGetUuid", 1))?,
        compute: ComputeCapability {
            major: attribute(Attribute::ComputeMajor)?,
            minor: attribute(Attribute::ComputeMinor)?,
        },
        memory: Bytes(memory),
        pci: nvml_address(&pci),
        multiprocessors: attribute(Attribute::Multiprocessors)?,
        name,
    })
}

/// CUDA gives bytes without the prefix that tells a GPU from a MIG device; a MIG device says `MIG` in its name.
fn gpu_id(bytes: [u8; 16], name: &str) -> Result<GpuId> {
    let prefix = if name.split_whitespace().any(|word| word == "MIG") { "MIG" } else { "GPU" };
    let mut text = String::from(prefix);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 0 | 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text.parse()
}

/// CUDA writes four digits of the PCI domain, NVML eight.
fn nvml_address(pci: &str) -> String {
    match pci.split_once(':') {
        Some((domain, rest)) => format!("{domain:0>8}:{rest}").to_uppercase(),
        None => pci.into(),
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CUDA {} from {}", self.driver_version, self.library)?;
        for device in &self.devices {
            let Device { ordinal, id, name, compute, memory, multiprocessors, .. } = device;
            write!(
                f,
                "\n  {ordinal}: {name} {id}, compute capability {compute}, {memory}, {multiprocessors} multiprocessors"
            )?;
        }
        for Silent { ordinal, call, fault } in &self.silent {
            write!(f, "\n  {ordinal}: does not answer {call}: {fault}")?;
        }
        match &self.no_device {
            Some(reason) => write!(f, "\n  no device: {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A driver that answers what a test tells it; every call not told otherwise succeeds.
    #[derive(Debug)]
    struct Scripted {
        loaded: Loaded,
        missing: Vec<&'static str>,
        faults: BTreeMap<(&'static str, i32), i32>,
        version: i32,
        count: i32,
        name: &'static str,
    }

    impl Scripted {
        fn new() -> Self {
            Self {
                loaded: Loaded::at("/lib/libcuda.so.1"),
                missing: Vec::new(),
                faults: BTreeMap::new(),
                version: 13_010,
                count: 2,
                name: "NVIDIA H100",
            }
        }

        fn failing(mut self, call: &'static str, device: i32, code: i32) -> Self {
            self.faults.insert((call, device), code);
            self
        }

        fn say<T>(&self, call: &'static str, device: i32, value: T) -> Result<T, i32> {
            self.faults.get(&(call, device)).map_or(Ok(value), |code| Err(*code))
        }
    }

    impl Driver for Scripted {
        fn loaded(&self) -> &Loaded {
            &self.loaded
        }
        fn missing(&self) -> &[&'static str] {
            &self.missing
        }
        fn init(&self) -> i32 {
            self.say("init", 0, ()).err().unwrap_or(0)
        }
        fn version(&self) -> Result<i32, i32> {
            self.say("version", 0, self.version)
        }
        fn device_count(&self) -> Result<i32, i32> {
            self.say("count", 0, self.count)
        }
        fn device(&self, ordinal: i32) -> Result<i32, i32> {
            self.say("device", ordinal, ordinal)
        }
        fn name(&self, device: i32) -> Result<String, i32> {
            self.say("name", device, self.name.into())
        }
        fn uuid(&self, device: i32) -> Result<[u8; 16], i32> {
            self.say("uuid", device, [0xab; 16])
        }
        fn total_memory(&self, device: i32) -> Result<u64, i32> {
            self.say("memory", device, 80 << 30)
        }
        fn attribute(&self, attribute: Attribute, device: i32) -> Result<i32, i32> {
            self.say("attribute", device, attribute as i32)
        }
        fn pci(&self, device: i32) -> Result<String, i32> {
            self.say("pci", device, "0000:3b:00.0".into())
        }
        fn error_name(&self, code: i32) -> Option<String> {
            (code < 1000).then(|| format!("CUDA_ERROR_{code}"))
        }
    }

    #[test]
    fn a_healthy_driver_lists_its_devices_as_nvml_spells_them() {
        let probe = probe_with(&Scripted::new()).unwrap();
        assert_eq!(probe.driver_version, Version { major: 13, minor: 1 });
        let expected = Device {
            ordinal: 1,
            id: "GPU-abababab-abab-abab-abab-abababababab".parse().unwrap(),
            name: "NVIDIA H100".into(),
            compute: ComputeCapability { major: 75, minor: 76 },
            memory: Bytes::gib(80),
            pci: "00000000:3B:00.0".into(),
            multiprocessors: 16,
        };
        assert_eq!((probe.devices.len(), &probe.devices[1]), (2, &expected));
        assert_eq!((probe.silent, probe.no_device), (vec![], None));
    }

    #[test]
    fn every_refusal_of_the_whole_driver_keeps_its_number() {
        for call in ["init", "version", "count"] {
            for code in [-1, 1, 3, 34, 36, 101, 802, 803, 804, 999, 9999, i32::MAX] {
                let error = probe_with(&Scripted::new().failing(call, 0, code)).unwrap_err();
                assert_eq!(error.get("code"), Some(code.to_string().as_str()), "{error}");
                assert_eq!(error.get("library"), Some("/lib/libcuda.so.1"));
            }
        }
        let error = probe_with(&Scripted::new().failing("init", 0, 999)).unwrap_err();
        assert_eq!(error.get("name"), Some("CUDA_ERROR_999"));
    }

    #[test]
    fn a_driver_without_a_device_is_an_answer_with_its_reason() {
        for (driver, reason) in [
            (Scripted::new().failing("init", 0, 100), "call=cuInit code=100"),
            (Scripted::new().failing("count", 0, 100), "call=cuDeviceGetCount code=100"),
            (Scripted { count: 0, ..Scripted::new() }, "counts no GPU"),
            (Scripted { count: -5, ..Scripted::new() }, "counts no GPU"),
        ] {
            let probe = probe_with(&driver).unwrap();
            assert!(probe.devices.is_empty());
            assert!(probe.no_device.as_deref().unwrap().contains(reason), "{probe}");
            assert!(probe.to_string().contains("no device: "), "{probe}");
        }
    }

    #[test]
    fn one_device_that_does_not_answer_does_not_hide_the_others() {
        for call in ["device", "name", "uuid", "memory", "attribute", "pci"] {
            let probe = probe_with(&Scripted::new().failing(call, 0, 999)).unwrap();
            assert_eq!(probe.devices.iter().map(|device| device.ordinal).collect::<Vec<_>>(), [1], "{call}");
            assert_eq!((probe.silent[0].ordinal, probe.silent[0].fault.code), (0, 999), "{call}");
            assert!(probe.to_string().contains("0: does not answer cuDevice"), "{probe}");
        }
    }

    #[test]
    fn missing_functions_are_named_before_anything_is_called() {
        let driver = Scripted { missing: vec!["cuDeviceGet", "cuDeviceGetName"], ..Scripted::new() };
        let error = probe_with(&driver.failing("init", 0, 34)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the CUDA driver library lacks functions: cause=symbol missing library=/lib/libcuda.so.1 \
             symbols=cuDeviceGet,cuDeviceGetName; it is a stub, or a driver older than CUDA 11; install the NVIDIA \
             driver"
        );
    }

    #[test]
    fn a_driver_without_a_version_is_not_version_zero() {
        let error = probe_with(&Scripted { version: 0, ..Scripted::new() }).unwrap_err();
        assert_eq!((error.get("cause"), error.get("version")), (Some("version"), Some("0")));
    }

    #[test]
    fn a_mig_device_is_named_as_one() {
        let probe = probe_with(&Scripted { name: "NVIDIA A100 MIG 1g.5gb", ..Scripted::new() }).unwrap();
        assert!(probe.devices[0].id.as_str().starts_with("MIG-"));
    }

    #[test]
    fn json_round_trip() {
        let probe = probe_with(&Scripted::new().failing("uuid", 1, 999)).unwrap();
        let json = serde_json::to_string(&probe).unwrap();
        assert!(json.contains(r#""driver_version":"13.1""#), "{json}");
        assert_eq!(serde_json::from_str::<Probe>(&json).unwrap(), probe);
    }
}
