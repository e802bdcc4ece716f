//! What a monitor knows of Xids and restarts, as data that outlives it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gpu::GpuId;

/// The most Xids that are kept; beyond it the oldest is forgotten.
const MOST: usize = 512;

/// Which grave Xids came, and how many restarts of the machine they outlived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct History {
    /// One entry for each GPU and Xid.
    pub xids: Vec<Past>,
}

/// One grave Xid of one GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Which GPU; nothing where it is not known.
    pub gpu: Option<GpuId>,
    /// The Xid.
    pub code: u64,
    /// Restarts of the machine after it came.
    pub reboots: u32,
    /// Whether it came since the last restart.
    pub since_boot: bool,
    /// When it came last.
    pub last: Timestamp,
}

impl History {
    /// An Xid came. What is known of it.
    pub(super) fn came(&mut self, gpu: Option<&GpuId>, code: u64, at: Timestamp) -> Past {
        let found = self.xids.iter_mut().find(|past| past.gpu.as_ref() == gpu && past.code == code);
        if let Some(past) = found {
            past.since_boot = true;
            past.last = past.last.max(at);
            return past.clone();
        }
        let past = Past { gpu: gpu.cloned(), code, reboots: 0, since_boot: true, last: at };
        if self.xids.len() >= MOST
            && let Some((oldest, _)) = self.xids.iter().enumerate().min_by_key(|(_, past)| past.last)
        {
            self.xids.swap_remove(oldest);
        }
        self.xids.push(past.clone());
        past
    }

    pub(super) fn rebooted(&mut self) {
        for past in self.xids.iter_mut().filter(|past| past.since_boot) {
            past.reboots = past.reboots.saturating_add(1);
            past.since_boot = false;
        }
    }

    pub(super) fn forget(&mut self, gpu: &GpuId) {
        self.xids.retain(|past| past.gpu.as_ref() != Some(gpu));
    }
}
