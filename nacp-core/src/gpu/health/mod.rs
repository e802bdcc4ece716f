//! How healthy the GPUs are, and what to do about it.
//!
//! Data in, verdicts out. A [`Snapshot`](super::Snapshot), the events since the last one and the machine's [`Facts`] go
//! in; [`Condition`]s come out, each with its [`Severity`], what was read and where, and the [`Action`] that mends it.
//! [`Thresholds`] are data too.
//!
//! - [`assess`] looks once. [`Node::health`](super::Node::health) reads the node and does so; [`check`] also finds the
//!   node, and tells when there is no driver.
//! - [`Monitor`] watches: it knows rates, waits before it raises and before it clears, keeps what events told, and says
//!   when restarts did not help.
//!
//! Three things are told apart. That something is wrong; that it is not; and that nobody can know, because a reading is
//! unknown. The third is [`Unchecked`]: it makes no GPU sick, and it does not count as health. So a laptop under WSL2 is
//! *healthy as far as it can be known*, with the list of what is not.
//!
//! ```
//! # use std::sync::Arc;
//! # use nacp_core::clock::ManualClock;
//! # use nacp_core::gpu::{Node, health::Thresholds};
//! # let node = Node::from_source(Arc::new(nacp_core::sim::Node::named("h100x8")?))?;
//! let health = node.health(&ManualClock::default(), &Thresholds::default())?;
//! println!("{health}");
//! for cordon in health.cordon() {
//!     println!("no work for {}: {}", cordon.gpu, cordon.reason);
//! }
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod action;
mod assessment;
mod condition;
mod facts;
mod history;
mod kind;
mod monitor;
mod parse;
mod recent;
mod rules;
mod severity;
#[cfg(test)]
mod tests;
mod thresholds;
mod told;

use std::path::Path;

pub use self::action::Action;
pub use self::assessment::{Cordon, GpuHealth, Health, Unchecked, assess};
pub use self::condition::{Condition, Evidence};
pub use self::facts::{DriverFault, Facts};
pub use self::history::{History, Past};
pub use self::kind::{Class, ConditionKind};
pub use self::monitor::{Change, Monitor};
pub use self::severity::{Level, Severity, Verdict};
pub use self::thresholds::{Thresholds, Timing, Timings};

use super::Node;
use crate::clock::Clock;
use crate::error::Result;

impl Node {
    /// How healthy the node is at this moment. Its GPUs are read anew, because links and modes change. The machine's
    /// [`Facts`] are read too, unless its GPUs are not [here](Node::is_here): then the machine is another.
    ///
    /// # Errors
    /// What the source answers, and as for [`Thresholds::validate`].
    pub fn health(&self, clock: &dyn Clock, thresholds: &Thresholds) -> Result<Health> {
        thresholds.validate()?;
        let facts = if self.is_here() { Facts::read(Path::new("/")) } else { Facts::default() };
        Ok(assess(thresholds, &self.reread()?.snapshot(clock)?, &facts))
    }
}

/// How healthy the GPUs of this machine are. A driver that does not answer is no error here, it is a condition.
///
/// # Errors
/// As for [`Thresholds::validate`].
#[cfg(feature = "nvml")]
pub fn check(clock: &dyn Clock, thresholds: &Thresholds) -> Result<Health> {
    check_found(Node::discover(), clock, thresholds)
}

/// How healthy the GPUs of this machine are, where somebody has looked for them already: with a
/// [`Guard`](super::probe::Guard), for example. That looking failed is no error here, it is a condition.
///
/// # Errors
/// As for [`Thresholds::validate`].
#[cfg(feature = "nvml")]
pub fn check_found(found: Result<Node>, clock: &dyn Clock, thresholds: &Thresholds) -> Result<Health> {
    thresholds.validate()?;
    match found.and_then(|node| node.health(clock, thresholds)) {
        Ok(health) => Ok(health),
        Err(error) => {
            let library = error.get("library").unwrap_or("NVML").to_owned();
            let origin = super::Origin { simulated: false, name: library, driver: None, cuda: None };
            let snapshot = super::Snapshot { at: clock.wall(), origin, gpus: Vec::new() };
            let facts = Facts::read(Path::new("/")).with_driver_error(&error);
            Ok(assess(thresholds, &snapshot, &facts))
        }
    }
}
