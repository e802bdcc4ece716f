//! Who a GPU is: what was written into it when it was made.

use serde::{Deserialize, Serialize};

use crate::gpu::Reading;

/// Who made a GPU, and what is written on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Identity {
    /// The product line, such as `GeForce` or `NVIDIA` (`nvmlDeviceGetBrand`).
    pub brand: Reading<String>,
    /// The serial number on the board (`nvmlDeviceGetSerial`). It identifies the machine.
    pub serial: Reading<String>,
    /// The board's part number (`nvmlDeviceGetBoardPartNumber`).
    pub part_number: Reading<String>,
    /// The id of the board, the same for GPUs that share one (`nvmlDeviceGetBoardId`).
    pub board: Reading<u32>,
    /// The number N of `/dev/nvidiaN` (`nvmlDeviceGetMinorNumber`).
    pub minor: Reading<u32>,
    /// The position of the module on its baseboard (`nvmlDeviceGetModuleId`).
    pub module: Reading<u32>,
    /// The version of the video BIOS (`nvmlDeviceGetVbiosVersion`).
    pub vbios: Reading<String>,
    /// The version of the firmware of the GPU's system processor (`nvmlDeviceGetGspFirmwareVersion`).
    pub gsp_firmware: Reading<String>,
    /// What the InfoROM says about its own versions.
    pub inforom: InfoRom,
    /// Where the GPU sits in a rack (`nvmlDeviceGetPlatformInfo`).
    pub platform: Reading<Platform>,
}

/// The versions of the parts of a GPU's InfoROM (`nvmlDeviceGetInforomVersion`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InfoRom {
    /// The image as a whole (`nvmlDeviceGetInforomImageVersion`).
    pub image: Reading<String>,
    /// The part of the board's maker.
    pub oem: Reading<String>,
    /// The part that counts ECC errors.
    pub ecc: Reading<String>,
    /// The part of power management.
    pub power: Reading<String>,
}

/// Where a GPU sits in a rack of several machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Platform {
    /// The chassis' serial number; empty where it has none.
    pub chassis: String,
    /// The slot of the chassis, from 0.
    pub slot: u32,
    /// The tray within the slot, from 0.
    pub tray: u32,
    /// The host within the tray, from 0.
    pub host: u32,
    /// The module within the host, from 0.
    pub module: u32,
}
