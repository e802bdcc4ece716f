//! Where the driver runs, and what kind of product its GPU is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the driver runs: it decides which of NVIDIA's columns counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Linux, with or without containers.
    Linux,
    /// Windows.
    Windows,
    /// Linux under WSL2: the driver is the Windows one, and so is its version.
    Wsl2,
}

impl Platform {
    /// All.
    pub const ALL: [Self; 3] = [Self::Linux, Self::Windows, Self::Wsl2];

    /// The platform of this program, given whether its driver's library is WSL2's
    /// ([`Loaded::wsl`](crate::cuda::Loaded::wsl)).
    pub fn here(wsl: bool) -> Self {
        match (cfg!(windows), wsl) {
            (true, _) => Self::Windows,
            (_, true) => Self::Wsl2,
            _ => Self::Linux,
        }
    }

    /// Whether the driver is a Windows driver.
    pub fn is_windows_driver(self) -> bool {
        self != Self::Linux
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linux => "Linux",
            Self::Windows => "Windows",
            Self::Wsl2 => "WSL2",
        })
    }
}

/// What kind of product a GPU is, as far as its name tells. Only some kinds may use a driver library that is newer
/// than the kernel's driver (`cuda-compat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Product {
    /// For servers: `NVIDIA H100 80GB HBM3`, `Tesla T4`.
    DataCentre,
    /// For workstations: `NVIDIA RTX A6000`. Forward compatibility is for some of them.
    Professional,
    /// For games: `NVIDIA GeForce RTX 4090`, `NVIDIA TITAN RTX`.
    GeForce,
    /// Part of a system on a chip: `Orin`.
    Jetson,
    /// A name that says nothing.
    Unknown,
}

/// The models for servers, as the first word of their names after `NVIDIA` and before a dash.
const DATA_CENTRE: [&str; 38] = [
    "Tesla", "A2", "A10", "A10G", "A10M", "A16", "A30", "A40", "A100", "A800", "B100", "B200", "B300", "GB200",
    "GB300", "GH200", "H20", "H100", "H200", "H800", "K40", "K80", "L2", "L4", "L20", "L40", "L40G", "L40S", "M4",
    "M10", "M40", "M60", "P4", "P40", "P100", "T4", "T4G", "V100",
];

impl Product {
    /// What a name tells, as CUDA and NVML spell it.
    pub fn of(name: &str) -> Self {
        let words: Vec<&str> = name.split([' ', '-']).filter(|word| !word.is_empty() && *word != "NVIDIA").collect();
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        if has(&["GeForce", "TITAN"]) {
            Self::GeForce
        } else if has(&["Jetson", "Tegra", "Orin", "Xavier", "Thor"]) {
            Self::Jetson
        } else if words.first().is_some_and(|first| DATA_CENTRE.contains(first)) {
            Self::DataCentre
        } else if has(&["RTX", "Quadro"]) {
            Self::Professional
        } else {
            Self::Unknown
        }
    }

    /// Whether forward compatibility is for it: [`None`] where NVIDIA lists only some products of the kind.
    pub fn has_forward_compat(self) -> Option<bool> {
        match self {
            Self::DataCentre | Self::Jetson => Some(true),
            Self::GeForce => Some(false),
            Self::Professional | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DataCentre => "a data-centre GPU",
            Self::Professional => "a professional GPU",
            Self::GeForce => "a GeForce GPU",
            Self::Jetson => "a Jetson",
            Self::Unknown => "a GPU of unknown kind",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_kind_of_product() {
        use Product::*;
        for (name, expected) in [
            ("NVIDIA H100 80GB HBM3", DataCentre),
            ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", DataCentre),
            ("Tesla V100-SXM2-16GB", DataCentre),
            ("NVIDIA L4", DataCentre),
            ("NVIDIA B200", DataCentre),
            ("NVIDIA GeForce RTX 3050 Ti Laptop GPU", GeForce),
            ("NVIDIA GeForce GTX 1080 Ti", GeForce),
            ("NVIDIA TITAN RTX", GeForce),
            ("NVIDIA RTX A6000", Professional),
            ("NVIDIA RTX 6000 Ada Generation", Professional),
            ("Quadro P4000", Professional),
            ("Orin", Jetson),
            ("NVIDIA Thor", Jetson),
            ("NVIDIA Graphics Device", Unknown),
            ("", Unknown),
        ] {
            assert_eq!(Product::of(name), expected, "{name}");
        }
    }

    #[test]
    fn wsl2_has_a_windows_driver() {
        assert_eq!(Platform::ALL.map(Platform::is_windows_driver), [false, true, true]);
        assert_eq!(Platform::here(true), if cfg!(windows) { Platform::Windows } else { Platform::Wsl2 });
    }
}
