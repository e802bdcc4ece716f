//! Who keeps an app: one program at a time on a machine.
//!
//! Two programs that keep one app would undo each other's work. So whoever keeps an app holds its [`Lease`], and the
//! others only read. [`FileLeases`] is for programs of one machine, [`MemoryLeases`] for a simulation.

mod file;
mod memory;

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

pub use file::FileLeases;
pub use memory::MemoryLeases;

/// The right to change an app, until it is dropped.
pub trait Lease: Send + Sync + fmt::Debug {}

/// Gives out leases.
#[async_trait]
pub trait Leases: Send + Sync + fmt::Debug {
    /// Takes the lease of an app on an engine. `Err` names who holds it, such as `nacp (process 812)`. It never waits
    /// for the holder.
    ///
    /// # Errors
    /// When leases cannot be had at all, for instance because no folder for them can be written.
    async fn take(&self, engine: &str, app: &str) -> Result<Result<Box<dyn Lease>, String>>;
}
