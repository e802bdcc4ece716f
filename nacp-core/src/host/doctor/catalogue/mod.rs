//! The known failures.

#[cfg(test)]
mod bench;
mod cuda;
mod daemon;
mod desktop;
mod driver;
mod facts;
mod ground;
mod hardware;
mod kubernetes;
mod memory;
mod requests;
mod requirement;
mod snap;
mod specifications;
mod told;
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
    snap::D29,
    desktop::D30,
    desktop::D31,
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
    daemon::D48,
];
