//! Which NVLinks of one GPU lead to another.

use std::collections::BTreeSet;

use crate::gpu::{FabricState, Gpu, NvLink, Reading, RemoteDevice, Unknown};

/// Domain, bus, device and function.
type Address = (u32, u32, u32, u32);

/// The NVLinks between two GPUs, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bundle {
    pub(super) count: u32,
    pub(super) switched: bool,
    pub(super) version: Reading<u32>,
    pub(super) bandwidth: Reading<u64>,
}

/// The PCI addresses of the GPUs of a node. What is at another address is a switch or no GPU of this node.
#[derive(Debug)]
pub(super) struct Addresses(BTreeSet<Address>);

impl Addresses {
    pub(super) fn new(gpus: &[Gpu]) -> Self {
        Self(gpus.iter().filter_map(|gpu| address(gpu.pci.known()?)).collect())
    }
}

/// The NVLinks between two GPUs that are up. Either end tells of a direct link; of those to a switch both must.
pub(super) fn between(a: &Gpu, b: &Gpu, same_clique: &Reading<bool>, addresses: &Addresses) -> Reading<Bundle> {
    // GPUs in different cliques of a fabric may hang on the same switch, which then does not join them.
    let apart = *same_clique == Reading::Known(false) && in_fabric(a) && in_fabric(b);
    let fabric = *same_clique == Reading::Known(true);
    let one = side(a, b, fabric, addresses);
    let other = side(b, a, fabric, addresses);
    match (one, other) {
        (Reading::Known(one), Reading::Known(other)) => {
            let direct = smaller(&one.direct, &other.direct);
            let switched = if apart { Vec::new() } else { smaller(&one.switched, &other.switched) };
            Reading::Known(if direct.is_empty() { bundle(&switched, true) } else { bundle(&direct, false) })
        }
        (Reading::Known(known), Reading::Unknown(reason)) | (Reading::Unknown(reason), Reading::Known(known)) => {
            if known.direct.is_empty() && !known.switched.is_empty() && !apart {
                return Reading::Unknown(reason);
            }
            Reading::Known(bundle(&known.direct, false))
        }
        (Reading::Unknown(reason), Reading::Unknown(_)) => Reading::Unknown(reason),
    }
}

fn in_fabric(gpu: &Gpu) -> bool {
    gpu.fabric.known().is_some_and(|fabric| fabric.state == FabricState::Completed)
}

/// The links of one end that are up.
#[derive(Default)]
struct Side<'a> {
    direct: Vec<&'a NvLink>,
    switched: Vec<&'a NvLink>,
}

/// Where a link leads.
enum Way {
    Direct,
    Switched,
    Elsewhere,
}

fn side<'a>(from: &'a Gpu, to: &Gpu, fabric: bool, addresses: &Addresses) -> Reading<Side<'a>> {
    let links = match &from.nvlinks {
        Reading::Known(links) => links,
        Reading::Unknown(reason) => return Reading::Unknown(*reason),
    };
    let mut side = Side::default();
    for link in links.iter().filter(|link| link.active != Reading::Known(false)) {
        let way = match way(link, to, fabric, addresses) {
            Ok(way) => way,
            Err(reason) => return Reading::Unknown(reason),
        };
        match (way, &link.active) {
            (Way::Elsewhere, _) => {}
            (_, Reading::Unknown(reason)) => return Reading::Unknown(*reason),
            (Way::Direct, _) => side.direct.push(link),
            (Way::Switched, _) => side.switched.push(link),
        }
    }
    Reading::Known(side)
}

fn way(link: &NvLink, to: &Gpu, fabric: bool, addresses: &Addresses) -> Result<Way, Unknown> {
    let device = match &link.remote_device {
        Reading::Known(RemoteDevice::Switch) => return Ok(Way::Switched),
        Reading::Known(RemoteDevice::IbmNpu) => return Ok(Way::Elsewhere),
        other => other,
    };
    let far = link.remote.known().and_then(|remote| address(remote));
    let Some(far) = far else {
        // In a fabric the driver need not know what is at the other end: it is the switch.
        return if fabric { Ok(Way::Switched) } else { Err(link.remote.unknown().unwrap_or(Unknown::NotAvailable)) };
    };
    let to = match &to.pci {
        Reading::Known(pci) => address(pci).ok_or(Unknown::NotAvailable)?,
        Reading::Unknown(reason) => return Err(*reason),
    };
    match device {
        _ if far == to => Ok(Way::Direct),
        _ if addresses.0.contains(&far) => Ok(Way::Elsewhere),
        _ if fabric => Ok(Way::Switched),
        Reading::Known(RemoteDevice::Gpu) => Ok(Way::Elsewhere),
        Reading::Known(_) => Err(Unknown::NotAvailable),
        Reading::Unknown(reason) => Err(*reason),
    }
}

fn smaller<'a>(one: &[&'a NvLink], other: &[&'a NvLink]) -> Vec<&'a NvLink> {
    if one.len() <= other.len() { one.to_vec() } else { other.to_vec() }
}

fn bundle(links: &[&NvLink], switched: bool) -> Bundle {
    let none = Reading::Unknown(Unknown::NotAvailable);
    let version = links.iter().map(|link| link.version.clone()).reduce(|one, other| both(one, other, u32::min));
    let speeds = links.iter().map(|link| link.speed.clone().map(u64::from));
    Bundle {
        count: u32::try_from(links.len()).unwrap_or(u32::MAX),
        switched: switched && !links.is_empty(),
        version: version.unwrap_or(none),
        bandwidth: speeds.fold(Reading::Known(0), |sum, speed| both(sum, speed, |sum, speed| sum + speed)),
    }
}

fn both<T>(one: Reading<T>, other: Reading<T>, join: impl FnOnce(T, T) -> T) -> Reading<T> {
    match (one, other) {
        (Reading::Known(one), Reading::Known(other)) => Reading::Known(join(one, other)),
        (Reading::Unknown(reason), _) | (_, Reading::Unknown(reason)) => Reading::Unknown(reason),
    }
}

/// The numbers of an address such as `00000000:19:00.0`, whose domain may also have four digits.
pub(super) fn address(text: &str) -> Option<Address> {
    let mut parts = text.split([':', '.']).map(|part| u32::from_str_radix(part, 16).ok());
    let address = (parts.next()??, parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(address)
}
