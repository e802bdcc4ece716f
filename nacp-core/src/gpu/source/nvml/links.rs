//! How a GPU is connected to others: its NVLinks, its place in a fabric, and what two GPUs are to each other.

use super::inventory::{decoded, number, words};
use super::library::{Answer, Calls, Choice, Code, Device, Ear, Field, text};
use crate::gpu::inventory::decode;
use crate::gpu::{Ancestor, Fabric, GpuId, NvLink, Pair, PeerAccess, PeerStatus, Reading, Unknown};

/// The most NVLinks that are asked for: twice `NVML_NVLINK_MAX_LINKS`, which is what Blackwell has. The driver says where
/// those of a GPU end.
pub(super) const LINKS: u32 = 36;
/// The speed of one link in MB/s (`NVML_FI_DEV_NVLINK_GET_SPEED`).
const SPEED: u32 = 164;

/// The NVLinks that the driver tells of.
pub(super) fn nvlinks<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Reading<Vec<NvLink>> {
    let mut links = Vec::new();
    let mut answered = false;
    let mut refused = None;
    for link in 0..LINKS {
        let active = match calls.nvlink_state(device, link) {
            Ok(state) => Ok(state != 0),
            // There is no such link, or none at all.
            Err(code @ Code::INVALID_ARGUMENT) => {
                refused = refused.or(Some(code));
                break;
            }
            Err(code) if code.is_final() => {
                refused = refused.or(Some(code));
                continue;
            }
            Err(code) => Err(code),
        };
        answered |= active.is_ok();
        refused = refused.or(active.err());
        links.push(NvLink { link, active: active.into(), ..NvLink::default() });
    }
    if !answered {
        return Reading::Unknown(refused.map_or(Unknown::NotSupported, Unknown::from));
    }
    let speeds = speeds(calls, device, &links);
    for (link, speed) in links.iter_mut().zip(speeds) {
        link.version = number(calls.nvlink_version(device, link.link));
        link.remote = match calls.nvlink_remote(device, link.link) {
            Ok(pci) => words(Ok(text(&pci.busId))),
            Err(code) => Reading::Unknown(code.into()),
        };
        link.remote_device = Reading::from(calls.nvlink_remote_device(device, link.link)).map(decode::remote_device);
        link.speed = speed;
    }
    Reading::Known(links)
}

/// The speeds of all links, asked for at once.
fn speeds<E: Ear>(calls: &Calls<'_, E>, device: Device, links: &[NvLink]) -> Vec<Reading<u32>> {
    let mut fields: Vec<Field> = links.iter().map(|link| Field::new(SPEED, link.link)).collect();
    let whole = calls.field_values(device, &mut fields);
    let speed = |field: &Field| {
        let value = whole.and_then(|()| field.answer())?;
        u32::try_from(value).map_err(|_| Code::UNKNOWN)
    };
    fields.iter().map(|field| number(speed(field))).collect()
}

/// Its place in a fabric. The oldest version of the question is answered without the health.
pub(super) fn fabric<E: Ear>(calls: &Calls<'_, E>, device: Device) -> Reading<Fabric> {
    let info = match calls.fabric(device) {
        Ok(info) => info,
        Err(code) => return Reading::Unknown(code.into()),
    };
    let (status, clique, mask, cluster) = (info.status, info.cliqueId, info.healthMask, info.clusterUuid);
    decode::fabric_state(info.state.into()).map(|state| {
        let status = i32::try_from(status).unwrap_or(i32::MAX);
        let mut fabric = Fabric::new(state, status, decode::cluster(&cluster), clique);
        let told = info.version >> 24 >= 2;
        fabric.health = if told { Reading::Known(mask) } else { Reading::Unknown(Unknown::TooOld) };
        fabric
    })
}

/// A GPU, and its handle or why it does not answer.
pub(super) type End<'a> = (&'a GpuId, Result<Device, Unknown>);

/// What two GPUs are to each other.
pub(super) fn pair<E: Ear>(calls: &Calls<'_, E>, a: End<'_>, b: End<'_>) -> Pair {
    let (one, other) = match (a.1, b.1) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(reason), _) | (_, Err(reason)) => {
            return Pair::unknown(a.0.clone(), b.0.clone(), reason);
        }
    };
    let mut pair = Pair::new(a.0.clone(), b.0.clone());
    let level = |code| Ancestor::from_code(code).map_or(Reading::Unknown(Unknown::NotAvailable), Reading::Known);
    pair.ancestor = decoded(calls.topology_ancestor(one, other), level);
    let status = |way| -> Reading<PeerStatus> {
        let answer: Answer<u32> = calls.peer_status(one, other, way);
        Reading::from(answer).map(PeerStatus::from_code)
    };
    pair.peer = PeerAccess {
        read: status(Choice::PEER_READ),
        write: status(Choice::PEER_WRITE),
        nvlink: status(Choice::PEER_NVLINK),
        atomics: status(Choice::PEER_ATOMICS),
    };
    pair
}
