//! The devices that a process sees.

use nacp_core::sim::node::{CudaDevice, CudaOrder};

use crate::config::Config;

/// The devices that a process with these variables sees.
pub(crate) fn visible(config: &Config) -> Vec<CudaDevice> {
    let order = if config.by_pci { CudaOrder::PciBus } else { CudaOrder::FastestFirst };
    config.node.cuda_devices(order, config.visible.as_deref())
}
