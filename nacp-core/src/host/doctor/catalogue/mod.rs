//! The known failures.

mod cuda;
mod driver;
mod kubernetes;
mod requests;
mod wsl;

use super::Entry;

/// Every known failure, in the order of its number.
pub static CATALOGUE: &[Entry] = &[requests::D01];
