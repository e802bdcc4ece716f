//! Who a GPU is, how it is set, and what of the machine is near it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::numbered::{Addressing, Architecture, Brand, ComputeMode, DriverModel, Virtualization};
use crate::error::{Error, ErrorKind};
use crate::units::Bytes;

/// Who a GPU is, beside name and UUID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityFile {
    /// The serial number of the board.
    pub serial: Option<String>,
    /// The part number of the board.
    pub part: Option<String>,
    /// The number of the board; GPUs on the same board share it.
    pub board: Option<u32>,
    /// Whether the board carries several GPUs.
    pub multi_gpu_board: Option<bool>,
    /// The brand.
    pub brand: Option<Brand>,
    /// The architecture.
    pub architecture: Option<Architecture>,
    /// The number of the device file `/dev/nvidiaN`.
    pub minor: Option<u32>,
    /// The place on a baseboard of several GPUs.
    pub module: Option<u32>,
    /// The number of CUDA cores.
    pub cores: Option<u32>,
    /// The width of the memory bus, in bits.
    pub bus_width: Option<u32>,
    /// The version of the VBIOS.
    pub vbios: Option<String>,
    /// The versions of the InfoROM.
    pub inforom: Option<InforomFile>,
    /// The version of the GSP firmware; absent where none runs.
    pub firmware: Option<String>,
    /// The numbers of the PCI device.
    pub device: Option<PciNumber>,
    /// The numbers of the board's maker.
    pub subsystem: Option<PciNumber>,
    /// PCI class and subclass, such as `0302`.
    pub class: Option<String>,
    /// The interrupt.
    pub irq: Option<u32>,
    /// Its place in a rack.
    pub platform: Option<PlatformFile>,
}

/// Versions of the InfoROM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InforomFile {
    /// The whole image.
    pub image: Option<String>,
    /// The maker's part.
    pub oem: Option<String>,
    /// The part for error correction.
    pub ecc: Option<String>,
    /// The part for power.
    pub power: Option<String>,
    /// The checksum of the configuration.
    pub checksum: Option<u32>,
    /// Whether the checksum is wrong.
    pub corrupt: bool,
}

/// The place of a GPU in a rack (`nvmlPlatformInfo_v2_t`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformFile {
    /// The InfiniBand GUID, in hexadecimal digits.
    pub ib_guid: String,
    /// The serial number of the chassis.
    pub chassis: String,
    /// The slot in the chassis, switches included.
    pub slot: u8,
    /// The tray among those that compute.
    pub tray: u8,
    /// The node within the slot.
    pub host: u8,
    /// The kind of its NVLink peers: 1 with a switch.
    pub peer_type: u8,
    /// The GPU within the node.
    pub module: u8,
}

/// A pair of PCI numbers, maker and thing, written as `10de:2330`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciNumber {
    /// The maker; 10DE is NVIDIA.
    pub vendor: u16,
    /// The thing.
    pub device: u16,
}

impl PciNumber {
    /// Both as NVML combines them.
    pub fn combined(self) -> u32 {
        u32::from(self.device) << 16 | u32::from(self.vendor)
    }
}

impl fmt::Display for PciNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

impl FromStr for PciNumber {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |digits: &str| u16::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
        text.split_once(':')
            .and_then(|(vendor, device)| Some(Self { vendor: number(vendor)?, device: number(device)? }))
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "sim.node", "not a pair of PCI numbers")
                    .with("value", format_args!("{text:?}"))
                    .hint("write maker and device as `lspci -n` does, for example 10de:2330")
            })
    }
}

impl TryFrom<String> for PciNumber {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PciNumber> for String {
    fn from(number: PciNumber) -> Self {
        number.to_string()
    }
}

/// How a GPU is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModesFile {
    /// Who may compute.
    pub compute: Option<ComputeMode>,
    /// Whether the driver stays loaded without a client.
    pub persistence: Option<bool>,
    /// Whether a display is connected.
    pub display_connected: Option<bool>,
    /// Whether a display is driven.
    pub display_active: Option<bool>,
    /// How it is virtualised.
    pub virtualization: Option<Virtualization>,
    /// How Windows drives it.
    pub driver_model: Option<DriverModel>,
    /// How it reaches pageable memory of the host.
    pub addressing: Option<Addressing>,
    /// Whether the driver keeps accounts of processes.
    pub accounting: Option<bool>,
    /// Its memory under confidential computing.
    pub confidential: Option<ConfidentialFile>,
}

/// Memory under confidential computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfidentialFile {
    /// Protected.
    pub protected: Bytes,
    /// Not protected.
    pub unprotected: Bytes,
}

/// Processors and memory near a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumaFile {
    /// The NUMA node that the GPU's own memory is, on machines where it is one.
    pub node: Option<u32>,
    /// Processors near it, such as `0-27,56-83`.
    pub cpus: Option<Ranges>,
    /// NUMA nodes of memory near it, such as `0`.
    pub memory: Option<Ranges>,
}

/// A set of numbers, written as Linux writes processors: `0-3,8`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// The highest number that a set may hold.
    const HIGHEST: u32 = 65_535;

    /// The numbers, from the lowest range to the highest.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Whether the number is one of the set.
    pub fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (first, last)) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

impl FromStr for Ranges {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last && last <= Self::HIGHEST).then_some((first, last))
        };
        text.split(',').map(range).collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "sim.node", "not a set of numbers")
                .with("value", format_args!("{text:?}"))
                .hint("write it as Linux does, for example 0-27,56-83")
        })
    }
}

impl TryFrom<String> for Ranges {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Ranges> for String {
    fn from(ranges: Ranges) -> Self {
        ranges.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written_as_linux_writes_them() {
        let ranges: Ranges = "0-3,8,10-11".parse().unwrap();
        assert_eq!(ranges.numbers().collect::<Vec<_>>(), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(ranges.to_string(), "0-3,8,10-11");
        assert!(ranges.contains(8) && !ranges.contains(9));
        for wrong in ["", "3-1", "a", "1-", "0-70000"] {
            assert_eq!(wrong.parse::<Ranges>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
    }

    #[test]
    fn pci_numbers_are_combined_as_nvml_combines_them() {
        let number: PciNumber = "10de:2330".parse().unwrap();
        assert_eq!((number.combined(), number.to_string()), (0x2330_10DE, "10de:2330".to_owned()));
        for wrong in ["10de", "10de:23300", "10de:zzzz", ""] {
            assert_eq!(wrong.parse::<PciNumber>().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
    }
}
