//! NVML's numbers for what a GPU is, as words: the same for the driver's answers and for simulated ones.

use super::{ComputeCapability, ComputeMode, DriverModel, FabricState, RemoteDevice};
use crate::gpu::{Reading, Unknown};

/// A number for which there is no word, and that is no number for a user either.
const NO_WORD: Unknown = Unknown::NotAvailable;

/// The product line (`nvmlBrandType_t`).
pub(crate) fn brand(code: u32) -> Reading<String> {
    let name = match code {
        0 => return Reading::Unknown(NO_WORD),
        1 => "Quadro",
        2 => "Tesla",
        3 => "NVS",
        4 => "GRID",
        5 => "GeForce",
        6 => "Titan",
        7 => "NVIDIA Virtual Applications",
        8 => "NVIDIA Virtual PC",
        9 => "NVIDIA Virtual Compute Server",
        10 => "NVIDIA RTX Virtual Workstation",
        11 => "NVIDIA Cloud Gaming",
        12 => "Quadro RTX",
        13 => "NVIDIA RTX",
        14 => "NVIDIA",
        15 => "GeForce RTX",
        16 => "Titan RTX",
        other => return Reading::Known(format!("brand {other}")),
    };
    Reading::Known(name.to_owned())
}

/// The architecture (`nvmlDeviceArchitecture_t`).
pub(crate) fn architecture(code: u32) -> Reading<String> {
    let name = match code {
        u32::MAX => return Reading::Unknown(NO_WORD),
        2 => "Kepler",
        3 => "Maxwell",
        4 => "Pascal",
        5 => "Volta",
        6 => "Turing",
        7 => "Ampere",
        8 => "Ada",
        9 => "Hopper",
        10 => "Blackwell",
        13 => "Rubin",
        other => return Reading::Known(format!("architecture {other}")),
    };
    Reading::Known(name.to_owned())
}

/// Streaming multiprocessors: cores divided by the cores of one. Of a compute capability that NACP does not know it is
/// not known how many that are.
pub(crate) fn multiprocessors(cores: &Reading<u32>, compute: &Reading<ComputeCapability>) -> Reading<u32> {
    let (cores, compute) = match (cores, compute) {
        (Reading::Known(cores), Reading::Known(compute)) => (*cores, *compute),
        (Reading::Unknown(reason), _) | (_, Reading::Unknown(reason)) => return Reading::Unknown(*reason),
    };
    let each = match (compute.major, compute.minor) {
        (2, 0) => 32,
        (2, _) => 48,
        (3, _) => 192,
        (6 | 8, 0) | (7, _) => 64,
        (5 | 6 | 8..=12, _) => 128,
        _ => return Reading::Unknown(NO_WORD),
    };
    if cores % each == 0 { Reading::Known(cores / each) } else { Reading::Unknown(NO_WORD) }
}

/// The speed of a lane, in millions of transfers a second (`NVML_PCIE_LINK_MAX_SPEED_*`).
#[cfg(any(feature = "nvml", test))]
pub(crate) fn pcie_speed(code: u32) -> Reading<u32> {
    match code {
        1 => Reading::Known(2_500),
        2 => Reading::Known(5_000),
        3 => Reading::Known(8_000),
        4 => Reading::Known(16_000),
        5 => Reading::Known(32_000),
        6 => Reading::Known(64_000),
        _ => Reading::Unknown(NO_WORD),
    }
}

/// How many programs may compute (`nvmlComputeMode_t`).
pub(crate) fn compute_mode(code: u32) -> Reading<ComputeMode> {
    match code {
        0 => Reading::Known(ComputeMode::Default),
        1 => Reading::Known(ComputeMode::ExclusiveThread),
        2 => Reading::Known(ComputeMode::Prohibited),
        3 => Reading::Known(ComputeMode::ExclusiveProcess),
        _ => Reading::Unknown(NO_WORD),
    }
}

/// The driver model (`nvmlDriverModel_t`, where WDM is what is called TCC everywhere else).
pub(crate) fn driver_model(code: u32) -> Reading<DriverModel> {
    match code {
        0 => Reading::Known(DriverModel::Wddm),
        1 => Reading::Known(DriverModel::Tcc),
        2 => Reading::Known(DriverModel::Mcdm),
        _ => Reading::Unknown(NO_WORD),
    }
}

/// What a GPU is for virtual machines (`nvmlGpuVirtualizationMode_t`).
pub(crate) fn virtualization(code: u32) -> String {
    named(code, &["none", "passthrough", "vgpu", "host vgpu", "host vsga"])
}

/// How a GPU reaches the memory of programs (`nvmlDeviceAddressingModeType_t`).
pub(crate) fn addressing(code: u32) -> String {
    named(code, &["none", "hmm", "ats"])
}

fn named(code: u32, names: &[&str]) -> String {
    let name = usize::try_from(code).ok().and_then(|code| names.get(code));
    name.map_or_else(|| format!("mode {code}"), |name| (*name).to_owned())
}

/// What is at the far end of an NVLink (`nvmlIntNvLinkDeviceType_t`).
pub(crate) fn remote_device(code: u32) -> RemoteDevice {
    match code {
        0 => RemoteDevice::Gpu,
        1 => RemoteDevice::IbmNpu,
        2 => RemoteDevice::Switch,
        _ => RemoteDevice::Unknown,
    }
}

/// How far the registration with a fabric has come (`nvmlGpuFabricState_t`).
pub(crate) fn fabric_state(code: u32) -> Reading<FabricState> {
    match code {
        0 => Reading::Known(FabricState::NotSupported),
        1 => Reading::Known(FabricState::NotStarted),
        2 => Reading::Known(FabricState::InProgress),
        3 => Reading::Known(FabricState::Completed),
        _ => Reading::Unknown(NO_WORD),
    }
}

/// A cluster's UUID in hexadecimal digits; empty when all of it is zero.
pub(crate) fn cluster(uuid: &[u8]) -> String {
    if uuid.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    uuid.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The profile with which the name of a partition ends: `1g.5gb` in `NVIDIA A100-SXM4-40GB MIG 1g.5gb`.
#[cfg(any(feature = "nvml", test))]
pub(crate) fn mig_profile(name: &str) -> Reading<String> {
    match name.rsplit_once("MIG ") {
        Some((_, profile)) if !profile.trim().is_empty() => Reading::Known(profile.trim().to_owned()),
        _ => Reading::Unknown(NO_WORD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiprocessors_are_those_of_nvidia_s_data_sheets() {
        // T4, A100, RTX 3050 Ti laptop, H100 SXM, L4, B200, V100, P100.
        let sheets = [
            (2560, "7.5", 40),
            (6912, "8.0", 108),
            (2560, "8.6", 20),
            (16896, "9.0", 132),
            (7424, "8.9", 58),
            (18944, "10.0", 148),
            (5120, "7.0", 80),
            (3584, "6.0", 56),
        ];
        let count =
            |cores, compute: &str| multiprocessors(&Reading::Known(cores), &Reading::Known(compute.parse().unwrap()));
        for (cores, compute, expected) in sheets {
            assert_eq!(count(cores, compute), Reading::Known(expected), "{compute}");
        }
        assert_eq!(count(6912, "13.0"), Reading::Unknown(Unknown::NotAvailable), "a capability to come");
        assert_eq!(count(100, "8.0"), Reading::Unknown(Unknown::NotAvailable), "no whole number");
        let untold = multiprocessors(&Reading::Unknown(Unknown::NotSupported), &Reading::Unknown(Unknown::GpuLost));
        assert_eq!(untold, Reading::Unknown(Unknown::NotSupported), "as under WSL2");
    }

    #[test]
    fn a_number_without_a_word_is_no_value_or_keeps_its_number() {
        assert_eq!(brand(99), Reading::Known("brand 99".to_owned()));
        assert_eq!(architecture(14), Reading::Known("architecture 14".to_owned()));
        assert_eq!(architecture(u32::MAX), Reading::Unknown(Unknown::NotAvailable));
        assert_eq!((virtualization(3), virtualization(9)), ("host vgpu".to_owned(), "mode 9".to_owned()));
        assert_eq!(pcie_speed(0), Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(compute_mode(7), Reading::Unknown(Unknown::NotAvailable));
        assert_eq!(remote_device(255), RemoteDevice::Unknown);
    }

    #[test]
    fn the_profile_is_the_end_of_a_partition_s_name() {
        let known = |profile: &str| Reading::Known(profile.to_owned());
        assert_eq!(mig_profile("NVIDIA A100-SXM4-40GB MIG 1g.5gb"), known("1g.5gb"));
        assert_eq!(mig_profile("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb"), known("1c.3g.40gb"));
        assert_eq!(mig_profile("MIG 1g.10gb+me"), known("1g.10gb+me"));
        assert_eq!(mig_profile("NVIDIA H100"), Reading::Unknown(Unknown::NotAvailable));
    }

    #[test]
    fn a_cluster_of_zeros_is_none() {
        assert_eq!(cluster(&[0; 16]), "");
        assert_eq!(cluster(&[0x5a, 0x03]), "5a03");
    }
}
