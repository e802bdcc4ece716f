//! What a function of the library returns when it does not answer.

use std::fmt;

use nvml_wrapper::error::{NvmlError, nvml_try};

use crate::gpu::{Reading, Unknown};

/// A return code of the library that is not success (`nvmlReturn_t`), kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gpu::source::nvml) struct Code(pub(in crate::gpu::source::nvml) i32);

/// What a function answered.
pub(in crate::gpu::source::nvml) type Answer<T> = Result<T, Code>;

macro_rules! codes {
    ($($name:ident = $code:literal,)*) => {
        impl Code {
            $(pub(in crate::gpu::source::nvml) const $name: Self = Self($code);)*

            /// The name in nvml.h without its `NVML_ERROR_`.
            const NAMES: &[(Self, &str)] = &[$((Self::$name, stringify!($name))),*];
        }
    };
}

codes! {
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    ALREADY_INITIALIZED = 5,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    INSUFFICIENT_POWER = 8,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    IRQ_ISSUE = 11,
    LIBRARY_NOT_FOUND = 12,
    FUNCTION_NOT_FOUND = 13,
    CORRUPTED_INFOROM = 14,
    GPU_IS_LOST = 15,
    RESET_REQUIRED = 16,
    OPERATING_SYSTEM = 17,
    LIB_RM_VERSION_MISMATCH = 18,
    IN_USE = 19,
    MEMORY = 20,
    NO_DATA = 21,
    VGPU_ECC_NOT_SUPPORTED = 22,
    INSUFFICIENT_RESOURCES = 23,
    FREQ_NOT_SUPPORTED = 24,
    ARGUMENT_VERSION_MISMATCH = 25,
    DEPRECATED = 26,
    NOT_READY = 27,
    GPU_NOT_FOUND = 28,
    INVALID_STATE = 29,
    RESET_TYPE_NOT_SUPPORTED = 30,
    UNKNOWN = 999,
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
        matches!(
            self,
            Self::UNINITIALIZED
                | Self::DRIVER_NOT_LOADED
                | Self::GPU_IS_LOST
                | Self::RESET_REQUIRED
                | Self::LIB_RM_VERSION_MISMATCH
                | Self::GPU_NOT_FOUND
        )
    }
}

impl fmt::Display for Code {
    /// The words of nvml-wrapper, where it has some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nvml_try(u32::try_from(self.0).unwrap_or(u32::MAX)) {
            Err(NvmlError::UnexpectedVariant(_)) | Ok(()) => write!(f, "{self:?}"),
            Err(known) => known.fmt(f),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(code, _)| code == self) {
            Some((Self(code), name)) => write!(f, "{name} ({code})"),
            None => write!(f, "code {}", self.0),
        }
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
pub(in crate::gpu::source::nvml) fn available(value: u64) -> Result<u64, Unknown> {
    if value == u64::MAX { Err(Unknown::NotAvailable) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_words_and_its_reason() {
        for (code, name) in Code::NAMES {
            assert_eq!(format!("{code:?}"), format!("{name} ({})", code.0));
            assert!(!code.to_string().contains("variant"), "{code:?}");
        }
        assert_eq!(Code::NO_DATA.to_string(), "no data");
        assert_eq!((Code::NOT_READY.to_string(), Code(77).to_string()), ("NOT_READY (27)".into(), "code 77".into()));
        assert_eq!(Unknown::from(Code::FUNCTION_NOT_FOUND), Unknown::TooOld);
        assert_eq!(Unknown::from(Code::NOT_READY), Unknown::Code(27));
    }

    #[test]
    fn the_largest_number_is_none() {
        assert_eq!(available(u64::MAX), Err(Unknown::NotAvailable));
        assert_eq!(available(0), Ok(0));
    }
}
