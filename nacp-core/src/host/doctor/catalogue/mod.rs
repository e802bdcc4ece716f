//! The known failures.

#[cfg(test)]
mod bench;
mod cgroups;
mod cuda;
mod daemon;
mod driver;
mod facts;
mod ground;
mod kubernetes;
mod mig;
mod permissions;
mod requests;
mod snap;
mod specifications;
mod toolkit;
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
    driver::D22,
    cgroups::D23,
    cgroups::D24,
    permissions::D25,
    mig::D26,
    mig::D27,
    mig::D28,
    snap::D29,
    driver::D32,
    daemon::D33,
    daemon::D42,
    daemon::D43,
    toolkit::D46,
    toolkit::D47,
    daemon::D48,
    toolkit::D49,
];
