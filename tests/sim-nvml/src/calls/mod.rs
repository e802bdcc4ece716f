//! The functions of the library, by theme.

pub(crate) mod clocks;
pub(crate) mod ecc;
pub(crate) mod events;
pub(crate) mod fields;
pub(crate) mod gpm;
pub(crate) mod handles;
pub(crate) mod identity;
pub(crate) mod instances;
pub(crate) mod links;
pub(crate) mod load;
pub(crate) mod memory_use;
pub(crate) mod mig;
pub(crate) mod modes;
pub(crate) mod pcie;
pub(crate) mod power;
pub(crate) mod process;
pub(crate) mod system;
pub(crate) mod thermal;
pub(crate) mod topology;
mod unmodelled;
