//! What a function of the library returns when it does not answer.

use std::fmt;

use crate::gpu::{Reading, Unknown};

/// A return code of the library that is not success (`nvmlReturn_t`), kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gpu::source::nvml) struct Code(pub(in crate::gpu::source::nvml) i32);

/// What a function answered.
pub(in crate::gpu::source::nvml) type Answer<T> = Result<T, Code>;

macro_rules! codes {
    ($($name:ident = $code:literal $words:literal,)*) => {
        #[allow(dead_code, reason = "the list is whole")]
        impl Code {
            $(pub(in crate::gpu::source::nvml) const $name: Self = Self($code);)*

            /// The name in nvml.h without its `NVML_ERROR_`, and what NVIDIA says that it means.
            const NAMES: &[(Self, &str, &str)] = &[$((Self::$name, stringify!($name), $words)),*];
        }
    };
}

codes! {
    UNINITIALIZED = 1 "the library is not initialised",
    INVALID_ARGUMENT = 2 "an argument is invalid",
    NOT_SUPPORTED = 3 "not available on this GPU",
    NO_PERMISSION = 4 "no permission",
    ALREADY_INITIALIZED = 5 "already initialised",
    NOT_FOUND = 6 "not found",
    INSUFFICIENT_SIZE = 7 "the buffer is too small",
    INSUFFICIENT_POWER = 8 "the GPU's power cable is not attached",
    DRIVER_NOT_LOADED = 9 "the driver is not loaded",
    TIMEOUT = 10 "the time ran out",
    IRQ_ISSUE = 11 "the kernel found an issue with interrupts",
    LIBRARY_NOT_FOUND = 12 "a library that it needs is missing",
    FUNCTION_NOT_FOUND = 13 "the library does not have the function",
    CORRUPTED_INFOROM = 14 "the InfoROM is corrupted",
    GPU_IS_LOST = 15 "the GPU has fallen off the bus or is inaccessible",
    RESET_REQUIRED = 16 "the GPU must be reset before it can be used",
    OPERATING_SYSTEM = 17 "the operating system blocks the GPU's control device",
    LIB_RM_VERSION_MISMATCH = 18 "library and driver have different versions",
    IN_USE = 19 "in use by somebody else",
    MEMORY = 20 "the memory does not suffice",
    NO_DATA = 21 "no data",
    VGPU_ECC_NOT_SUPPORTED = 22 "not possible on a vGPU host with ECC",
    INSUFFICIENT_RESOURCES = 23 "resources other than memory have run out",
    FREQ_NOT_SUPPORTED = 24 "no such frequency",
    ARGUMENT_VERSION_MISMATCH = 25 "the version of an argument is not supported",
    DEPRECATED = 26 "no longer offered",
    NOT_READY = 27 "not ready",
    GPU_NOT_FOUND = 28 "no GPU found",
    INVALID_STATE = 29 "invalid in this state",
    RESET_TYPE_NOT_SUPPORTED = 30 "no such kind of reset",
    UNKNOWN = 999 "an internal error of the driver",
}

impl Code {
    /// Whether the function, or the version of its argument, is newer than the driver, so that an older one may answer.
    pub(in crate::gpu::source::nvml) fn is_too_new(self) -> bool {
        matches!(self, Self::FUNCTION_NOT_FOUND | Self::ARGUMENT_VERSION_MISMATCH)
    }

    /// Whether asking the same GPU again is in vain until something about it is set up anew.
    pub(in crate::gpu::source::nvml) fn is_final(self) -> bool {
        matches!(self, Self::NOT_SUPPORTED | Self::FUNCTION_NOT_FOUND | Self::ARGUMENT_VERSION_MISMATCH)
    }

    /// Whether the GPU's handle is no longer to be trusted: who it is must be asked again.
    pub(in crate::gpu::source::nvml) fn is_about_the_handle(self) -> bool {
        matches!(self, Self::UNINITIALIZED | Self::GPU_IS_LOST | Self::RESET_REQUIRED)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(code, ..)| code == self) {
            Some((_, _, words)) => f.write_str(words),
            None => write!(f, "nvml code {}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(code, ..)| code == self).map_or("?", |(_, name, _)| name);
        write!(f, "{name}({})", self.0)
    }
}

impl std::error::Error for Code {}

impl From<Code> for Unknown {
    fn from(code: Code) -> Self {
        match code {
            Code::NOT_SUPPORTED => Self::NotSupported,
            Code::NO_PERMISSION => Self::NoPermission,
            Code::FUNCTION_NOT_FOUND => Self::TooOld,
            Code::GPU_IS_LOST => Self::GpuLost,
            Code(other) => Self::Code(other),
        }
    }
}

impl<T> From<Answer<T>> for Reading<T> {
    fn from(answer: Answer<T>) -> Self {
        match answer {
            Ok(value) => Self::Known(value),
            Err(code) => Self::Unknown(code.into()),
        }
    }
}

/// A number whose largest value means that there is none (`NVML_VALUE_NOT_AVAILABLE`).
pub(in crate::gpu::source::nvml) fn available(value: u64) -> Reading<u64> {
    if value == u64::MAX { Reading::Unknown(Unknown::NotAvailable) } else { Reading::Known(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_words_and_its_reason() {
        for (code, name, words) in Code::NAMES {
            assert_eq!(code.to_string(), *words);
            assert_eq!(format!("{code:?}"), format!("{name}({})", code.0));
        }
        assert_eq!((Code(77).to_string(), format!("{:?}", Code(77))), ("nvml code 77".into(), "?(77)".into()));
        assert_eq!(Unknown::from(Code::FUNCTION_NOT_FOUND), Unknown::TooOld);
        assert_eq!(Unknown::from(Code::NOT_READY), Unknown::Code(27));
    }

    #[test]
    fn the_largest_number_is_none() {
        assert_eq!(available(u64::MAX), Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(available(0), Reading::Known(0));
    }
}
