//! Who keeps an app: one program at a time on a machine.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

/// The right to change an app, until it is dropped.
pub trait Lease: Send + Sync + fmt::Debug {}

/// Gives out leases.
#[async_trait]
pub trait Leases: Send + Sync + fmt::Debug {
    /// Takes the lease of an app on an engine. `Err` names who holds it, such as `nacp (process 812)`.
    ///
    /// # Errors
    /// When leases cannot be had at all, for instance because no folder for them can be written.
    async fn take(&self, engine: &str, app: &str) -> Result<Result<Box<dyn Lease>, String>>;
}
