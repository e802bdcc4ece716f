//! What a call answers.

use std::ffi::{CStr, c_char};

use nacp_core::ErrorKind;

/// What a function answers. The numbers are stable and never reused; a program should be ready for ones that it does
/// not know.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum nacp_status {
    /// It worked.
    NACP_OK = 0,
    /// The caller passed something that cannot be right; trying again with the same values cannot help.
    NACP_E_INVALID_ARGUMENT = 1,
    /// The named thing is not there.
    NACP_E_NOT_FOUND = 2,
    /// Something else has what was asked for: a name, a port, a generation.
    NACP_E_CONFLICT = 3,
    /// The operating system, the driver or the engine refuses this user.
    NACP_E_PERMISSION_DENIED = 4,
    /// This driver, engine or build cannot do what was asked.
    NACP_E_UNSUPPORTED = 5,
    /// No usable NVIDIA driver: not installed, not loaded, broken, or too old.
    NACP_E_DRIVER_UNAVAILABLE = 6,
    /// No usable container engine: not installed, not running, or out of reach.
    NACP_E_ENGINE_UNAVAILABLE = 7,
    /// A GPU stopped answering and needs a reset or a restart of the machine.
    NACP_E_DEVICE_LOST = 8,
    /// Not enough memory, GPUs, ports or capacity for what was asked.
    NACP_E_RESOURCE_EXHAUSTED = 9,
    /// The time limit passed first.
    NACP_E_TIMEOUT = 10,
    /// The caller, or the program's end, stopped the operation.
    NACP_E_CANCELLED = 11,
    /// A defect of NACP itself, a caught panic included.
    NACP_E_INTERNAL = 12,
    /// A service's own program ended or broke; its log says why. The same app may work once the service is mended.
    NACP_E_SERVICE_FAILED = 13,
}

use nacp_status::*;

const NAMES: [(nacp_status, &CStr); 14] = [
    (NACP_OK, c"NACP_OK"),
    (NACP_E_INVALID_ARGUMENT, c"NACP_E_INVALID_ARGUMENT"),
    (NACP_E_NOT_FOUND, c"NACP_E_NOT_FOUND"),
    (NACP_E_CONFLICT, c"NACP_E_CONFLICT"),
    (NACP_E_PERMISSION_DENIED, c"NACP_E_PERMISSION_DENIED"),
    (NACP_E_UNSUPPORTED, c"NACP_E_UNSUPPORTED"),
    (NACP_E_DRIVER_UNAVAILABLE, c"NACP_E_DRIVER_UNAVAILABLE"),
    (NACP_E_ENGINE_UNAVAILABLE, c"NACP_E_ENGINE_UNAVAILABLE"),
    (NACP_E_DEVICE_LOST, c"NACP_E_DEVICE_LOST"),
    (NACP_E_RESOURCE_EXHAUSTED, c"NACP_E_RESOURCE_EXHAUSTED"),
    (NACP_E_TIMEOUT, c"NACP_E_TIMEOUT"),
    (NACP_E_CANCELLED, c"NACP_E_CANCELLED"),
    (NACP_E_INTERNAL, c"NACP_E_INTERNAL"),
    (NACP_E_SERVICE_FAILED, c"NACP_E_SERVICE_FAILED"),
];

impl From<ErrorKind> for nacp_status {
    fn from(kind: ErrorKind) -> Self {
        let found = NAMES.iter().find(|(status, _)| *status as i32 == kind.code());
        found.map_or(NACP_E_INTERNAL, |(status, _)| *status)
    }
}

/// The name of a status, such as "NACP_E_TIMEOUT"; "NACP_E_UNKNOWN" for a number that this library does not know.
///
/// @param status a status
/// @return text that is always valid and never freed
#[unsafe(no_mangle)]
pub extern "C" fn nacp_status_name(status: i32) -> *const c_char {
    let found = NAMES.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"NACP_E_UNKNOWN", |(_, name)| name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_a_status_of_the_same_name_and_number_and_the_other_way_round() {
        for kind in ErrorKind::ALL {
            let status = nacp_status::from(*kind);
            assert_eq!(status as i32, kind.code(), "{kind}");
            let (_, name) = NAMES.iter().find(|(known, _)| *known == status).unwrap();
            assert_eq!(name.to_str().unwrap(), kind.c_status());
        }
        for (status, name) in NAMES {
            match ErrorKind::from_code(status as i32) {
                Some(kind) => assert_eq!((name.to_str().unwrap(), status), (kind.c_status(), kind.into())),
                None => assert_eq!(status, NACP_OK),
            }
            assert_eq!(format!("{status:?}"), name.to_str().unwrap());
        }
        assert_eq!(NAMES.len(), ErrorKind::ALL.len() + 1);
    }
}
