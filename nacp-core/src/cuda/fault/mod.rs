//! What the driver's numbers mean, as a table.

mod names;

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Retry};

/// A call that the CUDA driver refused: its number, and what NACP takes it for.
///
/// ```
/// use nacp_core::cuda::{Fault, FaultKind};
///
/// assert_eq!(Fault::from_code(803).kind, FaultKind::DriverMismatch);
/// assert_eq!(Fault::from_code(9999).to_string(), "the CUDA driver answered with an unknown code (9999)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// The driver's number (`CUresult`), whatever it is.
    pub code: i32,
    /// What it means.
    pub kind: FaultKind,
}

/// What a number of the CUDA driver means to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FaultKind {
    /// Not enough memory on the device.
    OutOfMemory,
    /// The driver was not started, or is being stopped.
    NotInitialized,
    /// A toolkit's stub was loaded in place of the driver.
    StubLibrary,
    /// The library and the kernel's driver do not fit together.
    DriverMismatch,
    /// The device exists and cannot be used now.
    DeviceUnavailable,
    /// The driver sees no device.
    NoDevice,
    /// There is no device of this number.
    InvalidDevice,
    /// The program on offer is not made for this device or driver.
    ImageUnsupported,
    /// The driver's compiler for PTX is not installed.
    JitCompilerMissing,
    /// Memory of the device had an error that could not be corrected.
    EccUncorrectable,
    /// A link between GPUs had an error that could not be corrected.
    NvlinkUncorrectable,
    /// An error of the hardware was contained; the process must start again.
    Contained,
    /// The context is not valid any more.
    ContextInvalid,
    /// A program on the device failed; the process must start again.
    DeviceFault,
    /// The watchdog stopped a program on the device.
    Timeout,
    /// The operating system or the driver refuses this user.
    NotPermitted,
    /// The fabric manager of an NVSwitch machine is not ready.
    FabricManagerNotReady,
    /// The forward-compatibility package does not serve this device.
    ForwardCompatUnsupported,
    /// The multi-process service failed.
    Mps,
    /// No meaning is known; the number tells.
    Unknown,
}

const TABLE: [(RangeInclusive<i32>, FaultKind); 26] = [
    (2..=2, FaultKind::OutOfMemory),
    (3..=4, FaultKind::NotInitialized),
    (34..=34, FaultKind::StubLibrary),
    (36..=36, FaultKind::DriverMismatch),
    (46..=46, FaultKind::DeviceUnavailable),
    (100..=100, FaultKind::NoDevice),
    (101..=101, FaultKind::InvalidDevice),
    (200..=200, FaultKind::ImageUnsupported),
    (201..=202, FaultKind::ContextInvalid),
    (209..=209, FaultKind::ImageUnsupported),
    (214..=214, FaultKind::EccUncorrectable),
    (218..=218, FaultKind::ImageUnsupported),
    (220..=220, FaultKind::NvlinkUncorrectable),
    (221..=221, FaultKind::JitCompilerMissing),
    (222..=222, FaultKind::ImageUnsupported),
    (226..=226, FaultKind::Contained),
    (700..=700, FaultKind::DeviceFault),
    (702..=702, FaultKind::Timeout),
    (709..=709, FaultKind::ContextInvalid),
    (714..=719, FaultKind::DeviceFault),
    (800..=800, FaultKind::NotPermitted),
    (802..=802, FaultKind::FabricManagerNotReady),
    (803..=803, FaultKind::DriverMismatch),
    (804..=804, FaultKind::ForwardCompatUnsupported),
    (805..=810, FaultKind::Mps),
    (919..=919, FaultKind::FabricManagerNotReady),
];

impl Fault {
    /// The meaning of the driver's number. A number that is not in the table is [`FaultKind::Unknown`] and is kept.
    pub fn from_code(code: i32) -> Self {
        let row = TABLE.iter().find(|(codes, _)| codes.contains(&code));
        Self { code, kind: row.map_or(FaultKind::Unknown, |(_, kind)| *kind) }
    }

    /// The fault of this name: as `cuda.h` spells it (`CUDA_ERROR_NO_DEVICE`), or as the runtime library does
    /// (`cudaErrorNoDevice`). Nothing for a name that is newer than CUDA 13.4, or is none.
    pub fn from_name(name: &str) -> Option<Self> {
        names::code(name).map(Self::from_code)
    }

    /// What helps against it, in one sentence; none where nothing in general does.
    pub fn hint(self) -> Option<&'static str> {
        self.kind.meaning().hint
    }

    /// The name that `cuda.h` gives the number, such as `CUDA_ERROR_NO_DEVICE`; none for one that is newer than CUDA 13.4.
    pub fn name(self) -> Option<&'static str> {
        names::name(self.code)
    }

    /// The error of an operation whose call `call` ended in this fault.
    pub fn error(self, operation: &'static str, call: &'static str) -> Error {
        let Meaning { text, cause, kind, hint } = self.kind.meaning();
        let mut error =
            Error::new(kind, operation, text).with("cause", cause).with("call", call).with("code", self.code);
        if let Some(hint) = hint {
            error = error.hint(hint);
        }
        match self.retry() {
            Retry::Later => error.retry_later(),
            Retry::Never => error,
        }
    }

    /// Whether the same call may succeed later, in the same process.
    pub fn retry(self) -> Retry {
        use FaultKind::{DeviceUnavailable, FabricManagerNotReady, Mps, OutOfMemory};
        match self.kind {
            DeviceUnavailable | FabricManagerNotReady | Mps | OutOfMemory => Retry::Later,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind.meaning().text, self.code)
    }
}

/// What a user is told about a fault.
struct Meaning {
    text: &'static str,
    cause: &'static str,
    kind: ErrorKind,
    hint: Option<&'static str>,
}

impl FaultKind {
    fn meaning(self) -> Meaning {
        use ErrorKind as E;
        let row = |text, cause, kind, hint| Meaning { text, cause, kind, hint };
        match self {
            Self::OutOfMemory => row(
                "not enough memory on the GPU",
                "out of memory",
                E::ResourceExhausted,
                Some("free memory on the GPU, or ask for less"),
            ),
            Self::NotInitialized => row("the CUDA driver is not started", "not started", E::DriverUnavailable, None),
            Self::StubLibrary => row(
                "a CUDA toolkit's stub was loaded in place of the driver",
                "stub",
                E::DriverUnavailable,
                Some("remove the folder `stubs` from LD_LIBRARY_PATH"),
            ),
            Self::DriverMismatch => row(
                "the CUDA library and the kernel's NVIDIA driver do not fit together",
                "mismatch",
                E::DriverUnavailable,
                Some("restart the machine to finish a driver update, or remove an old cuda-compat package"),
            ),
            Self::DeviceUnavailable => row(
                "the GPU is busy or held back",
                "busy",
                E::Conflict,
                Some("see with `nvidia-smi` whether another process holds it in exclusive mode"),
            ),
            Self::NoDevice => row(
                "the CUDA driver sees no GPU",
                "no device",
                E::NotFound,
                Some("check `nvidia-smi -L`, CUDA_VISIBLE_DEVICES, and that the container was given a GPU"),
            ),
            Self::InvalidDevice => row("no GPU of this number", "invalid device", E::NotFound, None),
            Self::ImageUnsupported => row(
                "the GPU program does not fit this GPU or driver",
                "image unsupported",
                E::Unsupported,
                Some("update the driver, or build the program for this GPU"),
            ),
            Self::JitCompilerMissing => row(
                "the driver's compiler for PTX is not installed",
                "jit compiler missing",
                E::DriverUnavailable,
                Some("install libnvidia-ptxjitcompiler of the same driver version"),
            ),
            Self::EccUncorrectable => {
                row("memory of the GPU failed beyond correction", "ecc", E::DeviceLost, Some("reset the GPU"))
            }
            Self::NvlinkUncorrectable => {
                row("a link between GPUs failed beyond correction", "nvlink", E::DeviceLost, Some("reset the GPU"))
            }
            Self::Contained => row(
                "the GPU contained an error of its hardware",
                "contained",
                E::DeviceLost,
                Some("start the process again"),
            ),
            Self::ContextInvalid => row("the CUDA context is not valid any more", "context", E::DeviceLost, None),
            Self::DeviceFault => row(
                "a program on the GPU failed",
                "device fault",
                E::DeviceLost,
                Some("start the process again; no further call of this one can succeed"),
            ),
            Self::Timeout => row("the watchdog stopped a program on the GPU", "watchdog", E::Timeout, None),
            Self::NotPermitted => row(
                "no permission to use the CUDA driver",
                "not permitted",
                E::PermissionDenied,
                Some("check the owner and mode of /dev/nvidia*"),
            ),
            Self::FabricManagerNotReady => row(
                "the NVSwitch fabric is not ready",
                "fabric manager",
                E::DriverUnavailable,
                Some("start `nvidia-fabricmanager` of the driver's version and wait for it"),
            ),
            Self::ForwardCompatUnsupported => row(
                "the cuda-compat package does not serve this GPU",
                "forward compat",
                E::DriverUnavailable,
                Some("remove the cuda-compat package from the image, or update the driver"),
            ),
            Self::Mps => row(
                "the CUDA multi-process service failed",
                "mps",
                E::DriverUnavailable,
                Some("check nvidia-cuda-mps-control, or unset CUDA_MPS_PIPE_DIRECTORY"),
            ),
            Self::Unknown => {
                row("the CUDA driver answered with an unknown code", "unknown code", E::DriverUnavailable, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of the table, by number.
    #[test]
    fn each_number_means_what_the_driver_documents() {
        use FaultKind::*;
        let expected = [
            (2, OutOfMemory),
            (3, NotInitialized),
            (4, NotInitialized),
            (34, StubLibrary),
            (36, DriverMismatch),
            (46, DeviceUnavailable),
            (100, NoDevice),
            (101, InvalidDevice),
            (200, ImageUnsupported),
            (201, ContextInvalid),
            (202, ContextInvalid),
            (209, ImageUnsupported),
            (214, EccUncorrectable),
            (218, ImageUnsupported),
            (220, NvlinkUncorrectable),
            (221, JitCompilerMissing),
            (222, ImageUnsupported),
            (226, Contained),
            (700, DeviceFault),
            (702, Timeout),
            (709, ContextInvalid),
            (714, DeviceFault),
            (719, DeviceFault),
            (800, NotPermitted),
            (802, FabricManagerNotReady),
            (803, DriverMismatch),
            (804, ForwardCompatUnsupported),
            (805, Mps),
            (810, Mps),
            (811, Unknown),
            (1, Unknown),
            (701, Unknown),
            (713, Unknown),
            (801, Unknown),
            (812, Unknown),
            (914, Unknown),
            (918, Unknown),
            (919, FabricManagerNotReady),
            (999, Unknown),
            (-7, Unknown),
            (i32::MAX, Unknown),
        ];
        for (code, kind) in expected {
            assert_eq!(Fault::from_code(code), Fault { code, kind });
        }
    }

    /// 811 stands next to the numbers of the multi-process service and is none of them: cuda.h calls it
    /// `CUDA_ERROR_CDP_NOT_SUPPORTED`.
    #[test]
    fn a_number_without_a_meaning_of_its_own_has_its_name() {
        for (code, name) in [
            (811, Some("CUDA_ERROR_CDP_NOT_SUPPORTED")),
            (914, Some("CUDA_ERROR_INVALID_RESOURCE_TYPE")),
            (917, Some("CUDA_ERROR_STREAM_DETACHED")),
            (919, Some("CUDA_ERROR_FABRIC_NOT_READY")),
            (920, None),
        ] {
            assert_eq!(Fault::from_code(code).name(), name);
        }
    }

    #[test]
    fn no_number_has_two_meanings() {
        for code in -1..=1000 {
            assert!(TABLE.iter().filter(|(codes, _)| codes.contains(&code)).count() <= 1, "{code}");
        }
    }

    #[test]
    fn an_error_keeps_call_and_number() {
        let error = Fault::from_code(802).error("cuda.probe", "cuInit");
        assert_eq!(
            error.to_string(),
            "the NVSwitch fabric is not ready: cause=fabric manager call=cuInit code=802; start \
             `nvidia-fabricmanager` of the driver's version and wait for it"
        );
        assert_eq!((error.kind(), error.retry()), (ErrorKind::DriverUnavailable, Retry::Later));
        assert_eq!(Fault::from_code(-3).error("x", "cuInit").get("code"), Some("-3"));
    }
}
