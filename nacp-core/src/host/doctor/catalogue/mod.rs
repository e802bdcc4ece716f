//! The known failures.

#[cfg(test)]
mod bench;
mod cgroups;
mod cuda;
mod daemon;
mod desktop;
mod driver;
mod facts;
mod ground;
mod hardware;
mod kubernetes;
mod memory;
mod mig;
mod newer_driver;
mod permissions;
mod recreate;
mod requests;
mod requirement;
mod snap;
mod specifications;
#[cfg(test)]
mod texts;
mod told;
mod toolkit;
mod versions;
mod wsl;

use super::Entry;

/// Every known failure, in the order of its number.
pub static CATALOGUE: &[Entry] = &[
    requests::D01,
    requests::D02,
    requests::D03,
    specifications::D04,
    specifications::D05,
    specifications::D06,
    requests::D07,
    cgroups::D08,
    driver::D09,
    driver::D10,
    wsl::D11,
    wsl::D12,
    wsl::D13,
    wsl::D14,
    wsl::D15,
    versions::D16,
    versions::D17,
    cuda::D18,
    cuda::D19,
    versions::D20,
    cuda::D21,
    driver::D22,
    cgroups::D23,
    cgroups::D24,
    permissions::D25,
    mig::D26,
    mig::D27,
    mig::D28,
    snap::D29,
    desktop::D30,
    desktop::D31,
    driver::D32,
    daemon::D33,
    kubernetes::D34,
    kubernetes::D35,
    memory::D36,
    hardware::D37,
    hardware::D38,
    hardware::D39,
    memory::D40,
    memory::D41,
    daemon::D42,
    daemon::D43,
    wsl::D44,
    desktop::D45,
    toolkit::D46,
    toolkit::D47,
    daemon::D48,
    toolkit::D49,
];
