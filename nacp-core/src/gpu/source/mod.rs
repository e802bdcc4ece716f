//! Where knowledge about GPUs comes from: the first of the four seams.
//!
//! A [`Source`] answers from the NVIDIA driver ([`Nvml`]), from a simulated node
//! ([`sim::Node`](crate::sim::Node)), or from whatever a user brings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Gpu, Sample};
use crate::error::Result;

#[cfg(feature = "nvml")]
mod image;
#[cfg(feature = "nvml")]
mod nvml;

#[cfg(feature = "nvml")]
pub use nvml::Nvml;

/// Something that knows the GPUs of one machine.
pub trait Source: Send + Sync + fmt::Debug {
    /// What the source is and whether its GPUs exist.
    fn origin(&self) -> &Origin;

    /// The GPUs of the machine, in the driver's order. An empty list means that there are none.
    ///
    /// # Errors
    /// [`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) when the driver stops answering as a whole. One GPU
    /// that does not answer is no error: its readings are unknown.
    fn inventory(&self) -> Result<Vec<Gpu>>;

    /// Reads every GPU once, into `samples`, in the order of the inventory. The buffer is reused: its old contents are
    /// replaced.
    ///
    /// # Errors
    /// As for [`inventory`](Self::inventory).
    fn sample(&self, samples: &mut Vec<Sample>) -> Result<()>;
}

/// What a source is: real or simulated, and by what it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Whether the GPUs are made up.
    pub simulated: bool,
    /// What answers: the path of the driver's library, or the name of the simulated node.
    pub name: String,
    /// The driver's version, if it is known.
    pub driver: Option<String>,
    /// The newest CUDA version that the driver serves, as `13.0`, if it is known.
    pub cuda: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.simulated { "simulated" } else { "real" };
        write!(f, "{kind}: {}", self.name)?;
        if let Some(driver) = &self.driver {
            write!(f, ", driver {driver}")?;
        }
        Ok(())
    }
}
