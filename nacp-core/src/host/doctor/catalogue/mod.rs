//! The known failures.

#[cfg(test)]
mod bench;
mod cuda;
mod driver;
mod facts;
mod ground;
mod kubernetes;
mod requests;
mod wsl;

use super::Entry;

/// Every known failure, in the order of its number.
pub static CATALOGUE: &[Entry] = &[requests::D01];
