//! NVLinks, the fabric that they make, and links to a processor on the board.

use nacp_core::sim::node::{FabricFile, LinkFile, NvLinkFile};
use nvml_wrapper_sys::bindings as sys;

use super::identity::pci_info;
use crate::call::{Gpu, functions, told};
use crate::memory::{Answer, Code, Out, blank, version};

functions! { gpu:
    fn nvmlDeviceGetNvLinkState(link: u32, active: Out<u32>) = |gpu| active.set(of(gpu, link)?.1.into());
    fn nvmlDeviceGetNvLinkVersion(link: u32, value: Out<u32>) = |gpu| {
        of(gpu, link)?;
        value.set(links(gpu)?.version.number())
    };
    fn nvmlDeviceGetNvLinkCapability(link: u32, capability: u32, value: Out<u32>) = |gpu| {
        let (_, active) = of(gpu, link)?;
        value.set(match capability {
            // What a link carries: peers and their atomics, and that it can be used at all.
            0 | 2 => 1,
            1 | 3 => u32::from(gpu.c2c.is_some()),
            4 => 0,
            5 => active.into(),
            _ => return Err(Code::INVALID_ARGUMENT),
        })
    };
    fn nvmlDeviceGetNvLinkRemotePciInfo(link: u32, value: Out<sys::nvmlPciInfo_t>) =
        |gpu| value.set(far_end(gpu, link)?);
    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(link: u32, value: Out<sys::nvmlPciInfo_t>) =
        |gpu| value.set(far_end(gpu, link)?);
    fn nvmlDeviceGetNvLinkRemoteDeviceType(link: u32, value: Out<u32>) = |gpu| {
        const UNKNOWN: u32 = 255;
        let (_, active) = of(gpu, link)?;
        value.set(if active { links(gpu)?.remote.number() } else { UNKNOWN })
    };
    fn nvmlDeviceGetNvLinkErrorCounter(link: u32, counter: u32, value: Out<u64>) = |gpu| {
        let (link, _) = of(gpu, link)?;
        value.set(match counter {
            0 => link.replay,
            1 => link.recovery,
            2 => link.crc_flit,
            3 => link.crc_data,
            4 => link.ecc,
            _ => return Err(Code::INVALID_ARGUMENT),
        })
    };
    fn nvmlDeviceGetNvLinkInfo(value: Out<sys::nvmlNvLinkInfo_v2_t>) = |gpu| {
        let encrypted = links(gpu)?.encrypted.into();
        let older = value.cast::<sys::nvmlNvLinkInfo_v1_t>();
        if let Ok(asked) = older.versioned(1) {
            return older.set(sys::nvmlNvLinkInfo_v1_t { isNvleEnabled: encrypted, ..asked });
        }
        let asked = value.versioned(2)?;
        value.set(sys::nvmlNvLinkInfo_v2_t { version: asked.version, isNvleEnabled: encrypted, ..blank() })
    };

    fn nvmlDeviceGetC2cModeInfoV(value: Out<sys::nvmlC2cModeInfo_v1_t>) = |gpu| {
        told(gpu.c2c)?;
        value.set(sys::nvmlC2cModeInfo_v1_t { isC2cEnabled: 1 })
    };

    fn nvmlDeviceGetGpuFabricInfo(value: Out<sys::nvmlGpuFabricInfo_t>) = |gpu| {
        let fabric = told(gpu.fabric.as_ref())?;
        value.set(sys::nvmlGpuFabricInfo_t {
            clusterUuid: fabric.cluster_bytes(),
            status: fabric.status,
            cliqueId: fabric.clique,
            state: state(fabric)?,
        })
    };
    fn nvmlDeviceGetGpuFabricInfoV(value: Out<sys::nvmlGpuFabricInfo_v3_t>) = |gpu| {
        let asked = value.version()?;
        let older = value.cast::<sys::nvmlGpuFabricInfo_v2_t>();
        let newest = asked == version::<sys::nvmlGpuFabricInfo_v3_t>(3);
        if !newest && asked != version::<sys::nvmlGpuFabricInfo_v2_t>(2) {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        let fabric = told(gpu.fabric.as_ref())?;
        let answer = sys::nvmlGpuFabricInfo_v3_t {
            version: asked,
            clusterUuid: fabric.cluster_bytes(),
            status: fabric.status,
            cliqueId: fabric.clique,
            state: state(fabric)?,
            healthMask: fabric.health.mask(),
            healthSummary: u8::try_from(fabric.summary.number()).map_err(|_| Code::UNKNOWN)?,
        };
        if newest {
            return value.set(answer);
        }
        older.set(sys::nvmlGpuFabricInfo_v2_t {
            version: asked,
            clusterUuid: answer.clusterUuid,
            status: answer.status,
            cliqueId: answer.cliqueId,
            state: answer.state,
            healthMask: answer.healthMask,
        })
    };
}

fn state(fabric: &FabricFile) -> Answer<u8> {
    u8::try_from(fabric.state.number()).map_err(|_| Code::UNKNOWN)
}

pub(super) fn links(gpu: Gpu) -> Answer<&'static NvLinkFile> {
    told(gpu.file.nvlink.as_ref())
}

/// What a link counts, and whether it is active; a link that no GPU has is an invalid argument.
pub(super) fn of(gpu: Gpu, link: u32) -> Answer<(&'static LinkFile, bool)> {
    links(gpu)?.link(link).ok_or(Code::INVALID_ARGUMENT)
}

fn far_end(gpu: Gpu, link: u32) -> Answer<sys::nvmlPciInfo_t> {
    let (_, active) = of(gpu, link)?;
    let address = links(gpu)?.far_end(link).filter(|_| active);
    let address = told(address)?;
    let mut gpus = gpu.machine.file.gpus.iter();
    let peer = gpus.position(|peer| peer.pci == address).and_then(|index| gpu.machine.look(index, None).ok());
    pci_info(address, peer)
}
