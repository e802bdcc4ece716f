//! The seam between what asks CUDA and what answers.

use std::fmt;

use super::{Attribute, Loaded};

/// The raw calls of the CUDA driver that the probe makes.
///
/// `Err` carries the driver's own number (`CUresult`), never an enumeration: a newer driver may answer with numbers
/// that this library has never seen. A call that the driver does not have answers 500 (`CUDA_ERROR_NOT_FOUND`), and
/// its name is in [`missing`](Self::missing).
pub trait Driver: Send + Sync + fmt::Debug {
    /// The file that answers.
    fn loaded(&self) -> &Loaded;

    /// The functions that the probe needs and that this driver does not have, in the order in which they are used.
    fn missing(&self) -> &[&'static str];

    /// Starts the driver (`cuInit`): 0, or why it does not start.
    fn init(&self) -> i32;

    /// The newest CUDA version that the driver serves (`cuDriverGetVersion`), as `1000 * major + 10 * minor`.
    ///
    /// # Errors
    /// The driver's number. Works before [`init`](Self::init).
    fn version(&self) -> Result<i32, i32>;

    /// How many devices this process may see (`cuDeviceGetCount`).
    ///
    /// # Errors
    /// The driver's number.
    fn device_count(&self) -> Result<i32, i32>;

    /// The handle of the device at this position (`cuDeviceGet`).
    ///
    /// # Errors
    /// The driver's number.
    fn device(&self, ordinal: i32) -> Result<i32, i32>;

    /// The product's name (`cuDeviceGetName`).
    ///
    /// # Errors
    /// The driver's number.
    fn name(&self, device: i32) -> Result<String, i32>;

    /// The sixteen bytes of the UUID (`cuDeviceGetUuid_v2`, before CUDA 11.4 `cuDeviceGetUuid`).
    ///
    /// # Errors
    /// The driver's number.
    fn uuid(&self, device: i32) -> Result<[u8; 16], i32>;

    /// The memory that programs can use, in bytes (`cuDeviceTotalMem_v2`).
    ///
    /// # Errors
    /// The driver's number.
    fn total_memory(&self, device: i32) -> Result<u64, i32>;

    /// One attribute (`cuDeviceGetAttribute`).
    ///
    /// # Errors
    /// The driver's number.
    fn attribute(&self, attribute: Attribute, device: i32) -> Result<i32, i32>;

    /// The PCI address as the driver spells it (`cuDeviceGetPCIBusId`).
    ///
    /// # Errors
    /// The driver's number.
    fn pci(&self, device: i32) -> Result<String, i32>;

    /// The driver's own name of a number (`cuGetErrorName`), such as `CUDA_ERROR_NO_DEVICE`, if it has one.
    fn error_name(&self, code: i32) -> Option<String>;
}
