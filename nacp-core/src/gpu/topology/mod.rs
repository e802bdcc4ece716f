//! How the GPUs of a node reach each other.
//!
//! A [`Topology`] is computed from what is known already: the [`Gpu`]s with their NVLinks and fabric, and the [`Pair`]s
//! with their PCIe ancestors. It prints as `nvidia-smi topo -m` does, and answers what a planner asks: who is
//! [nearest](Topology::nearest), who is [connected by NVLink](Topology::groups), and which GPUs
//! [work best together](Topology::best_group).
//!
//! ```
//! use nacp_core::gpu::{Ancestor, Gpu, Pair, Reading, topology::Topology};
//!
//! let gpu = |index| Gpu::new(format!("GPU-00000000-0000-4000-8000-00000000000{index}").parse().unwrap(), index, "T4");
//! let gpus = [gpu(0), gpu(1)];
//! let mut pair = Pair::new(gpus[0].id.clone(), gpus[1].id.clone());
//! pair.ancestor = Reading::Known(Ancestor::HostBridge);
//!
//! let topology = Topology::new(&gpus, &[pair]);
//! assert_eq!(topology.matrix()[0].cells, ["X", "PHB"]);
//! assert_eq!(topology.best_group(2)?, [gpus[0].id.clone(), gpus[1].id.clone()]);
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod choice;
mod link;
mod matrix;
mod nvlink;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::link::Link;
pub use self::matrix::Row;
pub use self::tree::{Branch, Leaf};

use self::nvlink::Addresses;
use super::{Affinity, Gpu, GpuId, Pair, Reading};
use crate::error::{Error, ErrorKind, Result};

/// What each GPU of a node is to each other one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Topology {
    places: Vec<Place>,
    /// One for each two GPUs: those of the first with all that follow, then those of the second …
    links: Vec<Link>,
}

/// Where one GPU sits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// Which GPU.
    pub gpu: GpuId,
    /// Its position in the driver's list.
    pub index: u32,
    /// Its PCI address, as in [`Gpu::pci`].
    pub pci: Reading<String>,
    /// Which processors and which memory of the machine are near it.
    pub affinity: Affinity,
}

impl Topology {
    /// The topology of these GPUs. What no pair tells of two of them is unknown; a pair of others is left out.
    pub fn new(gpus: &[Gpu], pairs: &[Pair]) -> Self {
        let addresses = Addresses::new(gpus);
        let pair_of = |a: &GpuId, b: &GpuId| {
            let same = |pair: &&Pair| (&pair.a, &pair.b) == (a, b) || (&pair.a, &pair.b) == (b, a);
            pairs.iter().find(same).cloned().unwrap_or_else(|| Pair::new(a.clone(), b.clone()))
        };
        let links = gpus.iter().enumerate().flat_map(|(at, a)| gpus.iter().skip(at + 1).map(move |b| (a, b)));
        let links = links.map(|(a, b)| Link::between(a, b, pair_of(&a.id, &b.id), &addresses)).collect();
        let places = gpus.iter().map(|gpu| Place {
            gpu: gpu.id.clone(),
            index: gpu.index,
            pci: gpu.pci.clone(),
            affinity: gpu.affinity.clone(),
        });
        Self { places: places.collect(), links }
    }

    /// The GPUs, in the driver's order.
    pub fn gpus(&self) -> &[Place] {
        &self.places
    }

    /// What lies between each two GPUs, each two once.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// What lies between these two; nothing where they are one, or where one is not on this node.
    pub fn link(&self, a: &GpuId, b: &GpuId) -> Option<&Link> {
        self.at(self.position(a)?, self.position(b)?)
    }

    /// The same for these GPUs alone, in the driver's order: for a choice among those that are free.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the GPUs that there are.
    pub fn only(&self, gpus: &[GpuId]) -> Result<Self> {
        let wanted = gpus.iter().map(|gpu| self.expect(gpu).map(|_| gpu)).collect::<Result<BTreeSet<_>>>()?;
        Ok(Self {
            places: self.places.iter().filter(|place| wanted.contains(&place.gpu)).cloned().collect(),
            links: self.links.iter().filter(|it| wanted.contains(&it.a) && wanted.contains(&it.b)).cloned().collect(),
        })
    }

    /// The GPUs and links as a graph: one node for each GPU, one edge for each two.
    #[cfg(feature = "topology-graph")]
    pub fn graph(&self) -> petgraph::graph::UnGraph<GpuId, Link> {
        let mut graph = petgraph::graph::UnGraph::with_capacity(self.places.len(), self.links.len());
        let nodes: Vec<_> = self.places.iter().map(|place| graph.add_node(place.gpu.clone())).collect();
        for (a, b) in self.positions() {
            if let Some(link) = self.at(a, b) {
                graph.add_edge(nodes[a], nodes[b], link.clone());
            }
        }
        graph
    }

    fn position(&self, gpu: &GpuId) -> Option<usize> {
        self.places.iter().position(|place| place.gpu == *gpu)
    }

    fn expect(&self, gpu: &GpuId) -> Result<usize> {
        self.position(gpu).ok_or_else(|| {
            let known: Vec<_> = self.places.iter().map(|place| place.gpu.as_str()).collect();
            Error::new(ErrorKind::NotFound, "gpu.topology", "no such GPU in this topology")
                .with("id", gpu)
                .with("known", known.join(","))
        })
    }

    /// The link between two positions.
    fn at(&self, a: usize, b: usize) -> Option<&Link> {
        let (low, high) = (a.min(b), a.max(b));
        // Those of the GPUs before `low` come first: n-1, n-2, … of them.
        let before = low * self.places.len() - low * (low + 1) / 2;
        (low < high && high < self.places.len()).then(|| self.links.get(before + high - low - 1)).flatten()
    }

    /// Each two positions, in the order of the links.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.places.len();
        (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
    }
}

/// A topology as it is written.
#[derive(Serialize, Deserialize)]
struct Parts {
    gpus: Vec<Place>,
    links: Vec<Link>,
}

impl From<Topology> for Parts {
    fn from(topology: Topology) -> Self {
        Self { gpus: topology.places, links: topology.links }
    }
}

impl TryFrom<Parts> for Topology {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self> {
        let topology = Self { places: parts.gpus, links: parts.links };
        let wrong = |message: &str| Error::new(ErrorKind::InvalidArgument, "gpu.topology", message);
        let distinct: BTreeSet<_> = topology.places.iter().map(|place| &place.gpu).collect();
        if distinct.len() != topology.places.len() {
            return Err(wrong("a GPU is in the topology twice").with("gpus", topology.places.len()));
        }
        let wanted: Vec<_> = topology.positions().collect();
        if wanted.len() != topology.links.len() {
            let error = wrong("a topology has one link for each two GPUs");
            return Err(error.with("links", topology.links.len()).with("wanted", wanted.len()));
        }
        for (link, (a, b)) in topology.links.iter().zip(wanted) {
            let (a, b) = (&topology.places[a].gpu, &topology.places[b].gpu);
            if (&link.a, &link.b) != (a, b) {
                let found = format!("{} {}", link.a, link.b);
                return Err(wrong("a link is not where it belongs")
                    .with("link", found)
                    .with("wanted", format!("{a} {b}")));
            }
        }
        Ok(topology)
    }
}
