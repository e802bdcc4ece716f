//! Where knowledge about GPUs comes from: the first of the four seams.
//!
//! A [`Source`] answers from the NVIDIA driver ([`Nvml`]), from a simulated node
//! ([`sim::Node`](crate::sim::Node)), or from whatever a user brings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Events, Fields, Gpu, Pair, Sample, Support};
use crate::error::{Error, ErrorKind, Result};

#[cfg(feature = "nvml")]
mod image;
#[cfg(feature = "nvml")]
mod nvml;
#[cfg(feature = "record")]
mod replay;

#[cfg(feature = "nvml")]
pub use nvml::Nvml;
#[cfg(feature = "record")]
pub use replay::{AtEnd, Progress, Replay};

/// Something that knows the GPUs of one machine.
pub trait Source: Send + Sync + fmt::Debug {
    /// What the source is and whether its GPUs exist.
    fn origin(&self) -> &Origin;

    /// Whether its GPUs are those of this very machine. Only then do process ids, `/proc`, `/sys` and the kernel's log
    /// speak of them. Not so for GPUs that are made up, were recorded, or are told from afar.
    fn is_here(&self) -> bool {
        !self.origin().simulated
    }

    /// The GPUs of the machine, in the driver's order. An empty list means that there are none.
    ///
    /// # Errors
    /// [`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) when the driver stops answering as a whole. One GPU
    /// that does not answer is no error: its readings are unknown.
    fn inventory(&self) -> Result<Vec<Gpu>>;

    /// What each two GPUs of the machine are to each other; empty where nothing is known about it.
    ///
    /// # Errors
    /// As for [`inventory`](Self::inventory).
    fn pairs(&self) -> Result<Vec<Pair>> {
        Ok(Vec::new())
    }

    /// Reads these fields of every GPU into `samples`, in the order of the inventory. The buffer is reused: a sample of
    /// a GPU that is still there keeps its other fields, and one of a GPU that is not is dropped. A GPU that no longer
    /// answers keeps its place, and all its fields are unknown.
    ///
    /// A source that reads often allocates nothing here once it has read each field.
    ///
    /// # Errors
    /// As for [`inventory`](Self::inventory).
    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()>;

    /// Begins to listen for what happens to the GPUs.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the source tells nothing of the kind, as NVML under WSL2
    /// and Windows. [`DriverUnavailable`](crate::ErrorKind::DriverUnavailable) when the driver does not answer.
    fn events(&self) -> Result<Box<dyn Events>> {
        Err(Error::new(ErrorKind::Unsupported, "gpu.events", "this source tells no events")
            .with("source", &self.origin().name))
    }

    /// Makes every call that the source knows once and tells what was answered; empty where it makes none.
    ///
    /// # Errors
    /// As for [`inventory`](Self::inventory).
    fn support(&self) -> Result<Support> {
        Ok(Support::default())
    }
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
