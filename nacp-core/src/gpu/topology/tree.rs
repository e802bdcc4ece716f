//! The GPUs as leaves of the machine's PCIe tree, as far as the driver tells of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::nvlink::address;
use super::{Place, Topology};
use crate::gpu::{Ancestor, GpuId, Reading};

/// The levels at which the tree branches, from the machine down.
const LEVELS: [Ancestor; 5] =
    [Ancestor::Node, Ancestor::HostBridge, Ancestor::Switches, Ancestor::Switch, Ancestor::Internal];

/// A part of the machine and the GPUs below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Branch {
    /// What joins what is below: a NUMA node, a host bridge, a switch; [`Ancestor::System`] for the machine itself.
    pub level: Ancestor,
    /// The parts below, ordered by the lowest PCI address in each.
    pub branches: Vec<Branch>,
    /// The GPUs that hang on it directly, ordered by PCI address.
    pub gpus: Vec<Leaf>,
}

/// A GPU on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// Which GPU.
    pub gpu: GpuId,
    /// Its position in the driver's list.
    pub index: u32,
    /// Its PCI address.
    pub pci: Reading<String>,
}

impl Topology {
    /// The PCIe tree: from the machine over NUMA nodes, host bridges and switches to the GPUs. NVML tells what two GPUs
    /// have in common and no more, so a part of the machine shows only where it joins two of them, and a GPU of which
    /// nothing is known hangs on the machine itself.
    pub fn tree(&self) -> Branch {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by_key(|at| {
            let address = self.places[*at].pci.known().and_then(|pci| address(pci));
            (address.is_none(), address, *at)
        });
        self.branch(Ancestor::System, &order)
    }

    fn branch(&self, level: Ancestor, gpus: &[usize]) -> Branch {
        let mut branch = Branch { level, branches: Vec::new(), gpus: Vec::new() };
        for part in self.parts(level, gpus) {
            match part[..] {
                [alone] => branch.gpus.push(leaf(&self.places[alone])),
                _ => branch.branches.push(self.branch(self.nearest_level(level, &part), &part)),
            }
        }
        branch
    }

    /// Those that have something in common below `level`, together.
    fn parts(&self, level: Ancestor, gpus: &[usize]) -> Vec<Vec<usize>> {
        let below = |a: usize, b: usize| self.ancestor(a, b).is_some_and(|ancestor| ancestor < level);
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for &gpu in gpus {
            let (mut joined, apart): (Vec<_>, Vec<_>) =
                parts.into_iter().partition(|part| part.iter().any(|member| below(*member, gpu)));
            parts = apart;
            match joined.first_mut() {
                None => parts.push(vec![gpu]),
                Some(_) => parts.push(joined.concat().into_iter().chain([gpu]).collect()),
            }
        }
        parts.sort_by_key(|part| gpus.iter().position(|gpu| part.first() == Some(gpu)));
        parts
    }

    /// The level at which this part branches: the furthest at which two of it meet.
    fn nearest_level(&self, above: Ancestor, part: &[usize]) -> Ancestor {
        let levels = LEVELS.into_iter().filter(|level| *level < above);
        let meets = |level: &Ancestor| {
            let pairs = part.iter().flat_map(|a| part.iter().map(move |b| (*a, *b)));
            pairs.into_iter().any(|(a, b)| self.ancestor(a, b) == Some(*level))
        };
        levels.into_iter().find(meets).unwrap_or(Ancestor::Internal)
    }

    fn ancestor(&self, a: usize, b: usize) -> Option<Ancestor> {
        self.at(a, b)?.ancestor.known().copied()
    }
}

fn leaf(place: &Place) -> Leaf {
    Leaf { gpu: place.gpu.clone(), index: place.index, pci: place.pci.clone() }
}

impl fmt::Display for Branch {
    /// One line for each part and each GPU, indented by its depth.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Branch {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let name = match self.level {
            Ancestor::System => "machine",
            Ancestor::Node => "NUMA node",
            Ancestor::HostBridge => "host bridge",
            Ancestor::Switches => "switches",
            Ancestor::Switch => "switch",
            Ancestor::Internal => "board",
        };
        writeln!(f, "{:depth$}{name}", "")?;
        for branch in &self.branches {
            branch.write(f, depth + 2)?;
        }
        for Leaf { index, pci, .. } in &self.gpus {
            writeln!(f, "{:1$}GPU{index} {pci}", "", depth + 2)?;
        }
        Ok(())
    }
}
