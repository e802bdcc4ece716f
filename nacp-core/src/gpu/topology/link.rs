//! What lies between two GPUs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::nvlink::{self, Addresses};
use crate::gpu::{Ancestor, Fabric, FabricState, Gpu, GpuId, Pair, PeerAccess, PeerStatus, Reading, Unknown};

/// What lies between two GPUs. It prints as in `nvidia-smi topo -m`: `NV12` for twelve NVLinks, otherwise what of the
/// machine they have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// One of them: the one that the driver lists first.
    pub a: GpuId,
    /// The other.
    pub b: GpuId,
    /// What of the machine lies between them.
    pub ancestor: Reading<Ancestor>,
    /// How many NVLinks between them are up. Over a switch: how many links the GPU with fewer has to it.
    pub nvlinks: Reading<u32>,
    /// Whether those NVLinks lead over a switch.
    pub switched: bool,
    /// The oldest NVLink version among them, as the driver numbers it. Without an NVLink there is none.
    pub version: Reading<u32>,
    /// What those NVLinks carry together in each direction, in megabytes (10^6) a second.
    pub bandwidth: Reading<u64>,
    /// Whether each can use the other's memory.
    pub peer: PeerAccess,
    /// Whether they are near the same memory of the machine.
    pub same_numa: Reading<bool>,
    /// Whether both belong to one clique of an NVLink fabric. A GPU that knows no fabric belongs to none.
    pub same_clique: Reading<bool>,
}

impl Link {
    /// Computes what lies between `a` and `b`, of which `pair` tells.
    pub(super) fn between(a: &Gpu, b: &Gpu, pair: Pair, addresses: &Addresses) -> Self {
        let same_clique = same_clique(a, b);
        let bundle = nvlink::between(a, b, &same_clique, addresses);
        let numbers = |of: fn(&nvlink::Bundle) -> Reading<u64>| match &bundle {
            Reading::Known(bundle) => of(bundle),
            Reading::Unknown(reason) => Reading::Unknown(*reason),
        };
        Self {
            a: a.id.clone(),
            b: b.id.clone(),
            version: match &bundle {
                Reading::Known(bundle) => bundle.version.clone(),
                Reading::Unknown(reason) => Reading::Unknown(*reason),
            },
            bandwidth: numbers(|bundle| bundle.bandwidth.clone()),
            switched: bundle.known().is_some_and(|bundle| bundle.switched),
            nvlinks: bundle.map(|bundle| bundle.count),
            same_numa: same_numa(a, b, &pair.ancestor),
            ancestor: pair.ancestor,
            peer: pair.peer,
            same_clique,
        }
    }

    /// Whether they reach each other over NVLink: by the links that are up, or, where nothing is known of them, because
    /// the driver says that one can use the other's memory that way.
    pub fn is_nvlink(&self) -> bool {
        match self.nvlinks {
            Reading::Known(count) => count > 0,
            Reading::Unknown(_) => self.peer.nvlink == Reading::Known(PeerStatus::Ok),
        }
    }

    /// The other one of the two.
    pub fn other(&self, gpu: &GpuId) -> &GpuId {
        if self.a == *gpu { &self.b } else { &self.a }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pcie = || self.ancestor.known().map_or("?", |ancestor| ancestor.short());
        match &self.nvlinks {
            Reading::Known(0) => f.pad(pcie()),
            Reading::Known(count) => f.pad(&format!("NV{count}")),
            Reading::Unknown(_) if self.is_nvlink() => f.pad("NV?"),
            Reading::Unknown(Unknown::NotSupported | Unknown::NotRead) => f.pad(pcie()),
            Reading::Unknown(_) => f.pad("?"),
        }
    }
}

/// By the memory that is nearest to each; where the system does not tell, by what lies between them.
fn same_numa(a: &Gpu, b: &Gpu, ancestor: &Reading<Ancestor>) -> Reading<bool> {
    match (&a.affinity.memory_nodes, &b.affinity.memory_nodes) {
        (Reading::Known(one), Reading::Known(other)) if !one.is_empty() && !other.is_empty() => {
            Reading::Known(one.iter().any(|node| other.contains(node)))
        }
        _ => ancestor.clone().map(|ancestor| ancestor < Ancestor::System),
    }
}

fn same_clique(a: &Gpu, b: &Gpu) -> Reading<bool> {
    let (one, other) = match (&a.fabric, &b.fabric) {
        (Reading::Known(one), Reading::Known(other)) => (one, other),
        (Reading::Unknown(reason), _) | (_, Reading::Unknown(reason)) => return Reading::Unknown(*reason),
    };
    let registered = |fabric: &Fabric| fabric.state == FabricState::Completed && fabric.status == 0;
    let outside = |fabric: &Fabric| fabric.state == FabricState::NotSupported;
    if registered(one) && registered(other) {
        Reading::Known((&one.cluster, one.clique) == (&other.cluster, other.clique))
    } else if outside(one) || outside(other) {
        Reading::Known(false)
    } else {
        Reading::Unknown(Unknown::NotAvailable)
    }
}
