//! The known failures.

#[cfg(test)]
mod bench;
mod cuda;
mod daemon;
mod driver;
mod facts;
mod ground;
mod kubernetes;
mod requests;
mod snap;
mod specifications;
mod wsl;

use super::Entry;

/// Every known failure, in the order of its number.
pub static CATALOGUE: &[Entry] = &[requests::D01, requests::D02, requests::D03, requests::D07, snap::D29];
