//! Which GPUs work best together.

use std::cmp::Reverse;

use super::{Link, Topology};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Ancestor, GpuId, Reading};

/// Up to this many GPUs every choice is tried; beyond, a choice grows one GPU at a time.
const EXACT: usize = 16;

/// How good a connection is: first what its NVLinks carry, then how near the GPUs are on the machine. The larger the
/// better; the sum over the links of a group is the group's.
type Score = (u64, u64);

impl Topology {
    /// The other GPUs, the best connected first: by NVLink bandwidth, then by what of the machine lies between, then in
    /// the driver's order. Where a link does not tell its speed, NVLinks are counted instead.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), with the GPUs that there are.
    pub fn nearest(&self, gpu: &GpuId) -> Result<Vec<(GpuId, Link)>> {
        let from = self.expect(gpu)?;
        let scores = Scores::of(self);
        let mut others: Vec<usize> = (0..self.places.len()).filter(|to| *to != from).collect();
        others.sort_by_key(|to| Reverse(scores.between(from, *to)));
        let found = others.into_iter().filter_map(|to| Some((self.places[to].gpu.clone(), self.at(from, to)?.clone())));
        Ok(found.collect())
    }

    /// Sets of GPUs of which each reaches each other over NVLink: the largest set first, then the largest of the rest.
    /// Every GPU is in one; one that no NVLink reaches is alone. Exact for up to 16 GPUs; beyond, a set may miss a GPU.
    pub fn groups(&self) -> Vec<Vec<GpuId>> {
        let count = self.places.len();
        let joined = |a: usize, b: usize| self.at(a, b).is_some_and(Link::is_nvlink);
        let mut left: Vec<usize> = (0..count).collect();
        let mut groups = Vec::new();
        while !left.is_empty() {
            let group = largest_group(&left, joined);
            left.retain(|gpu| !group.contains(gpu));
            groups.push(self.ids(&group));
        }
        groups
    }

    /// The `count` GPUs whose links to each other are the best in sum, in the driver's order. Of equally good choices the
    /// one that the driver lists first. Exact for up to 16 GPUs; beyond, it is grown from the best beginnings.
    ///
    /// # Errors
    /// [`ResourceExhausted`](ErrorKind::ResourceExhausted) when there are not so many.
    pub fn best_group(&self, count: usize) -> Result<Vec<GpuId>> {
        let here = self.places.len();
        if count > here {
            return Err(Error::new(ErrorKind::ResourceExhausted, "gpu.topology", "not so many GPUs")
                .with("wanted", count)
                .with("gpus", here));
        }
        let scores = Scores::of(self);
        let groups = if here <= EXACT { choices(here, count) } else { grown(&scores, here, count) };
        // The first of equals: `max_by_key` would take the last.
        let best = groups.into_iter().map(|group| (Reverse(scores.sum(&group)), group)).min();
        Ok(self.ids(&best.map(|(_, group)| group).unwrap_or_default()))
    }

    fn ids(&self, positions: &[usize]) -> Vec<GpuId> {
        positions.iter().map(|at| self.places[*at].gpu.clone()).collect()
    }
}

/// The score of each two GPUs.
struct Scores {
    count: usize,
    scores: Vec<Score>,
}

impl Scores {
    fn of(topology: &Topology) -> Self {
        let by_speed = topology.links.iter().all(|link| !link.is_nvlink() || link.bandwidth.known().is_some());
        let count = topology.places.len();
        let mut scores = vec![(0, 0); count * count];
        for ((a, b), link) in topology.positions().zip(&topology.links) {
            let score = (if by_speed { speed(link) } else { links(link) }, nearness(&link.ancestor));
            scores[a * count + b] = score;
            scores[b * count + a] = score;
        }
        Self { count, scores }
    }

    fn between(&self, a: usize, b: usize) -> Score {
        self.scores[a * self.count + b]
    }

    /// What one more GPU adds to a group.
    fn gain(&self, group: &[usize], gpu: usize) -> Score {
        group.iter().map(|member| self.between(*member, gpu)).fold((0, 0), add)
    }

    fn sum(&self, group: &[usize]) -> Score {
        group.iter().enumerate().map(|(at, gpu)| self.gain(&group[..at], *gpu)).fold((0, 0), add)
    }
}

fn add(one: Score, other: Score) -> Score {
    (one.0 + other.0, one.1 + other.1)
}

fn speed(link: &Link) -> u64 {
    link.bandwidth.known().copied().unwrap_or(0)
}

/// One where the driver says no more than that there is an NVLink.
fn links(link: &Link) -> u64 {
    link.nvlinks.known().map_or(u64::from(link.is_nvlink()), |count| u64::from(*count))
}

/// 0 where it is not known, so that what is known to be far counts more than what may be anywhere.
fn nearness(ancestor: &Reading<Ancestor>) -> u64 {
    ancestor.known().map_or(0, |ancestor| match ancestor {
        Ancestor::System => 1,
        Ancestor::Node => 2,
        Ancestor::HostBridge => 3,
        Ancestor::Switches => 4,
        Ancestor::Switch => 5,
        Ancestor::Internal => 6,
    })
}

/// Every way to take `count` of `of`, in the order of the lists.
fn choices(of: usize, count: usize) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new()];
    for taken in 0..count {
        let longer = |group: Vec<usize>| {
            let next = group.last().map_or(0, |last| last + 1);
            // So many must follow it as are still to be taken.
            (next..=of + taken - count).map(move |gpu| [group.as_slice(), &[gpu]].concat())
        };
        found = found.into_iter().flat_map(longer).collect();
    }
    found
}

/// From each GPU one group, which takes at each step the GPU that adds the most.
fn grown(scores: &Scores, of: usize, count: usize) -> Vec<Vec<usize>> {
    let from = |first: usize| {
        let mut group = vec![first];
        while group.len() < count {
            let others = (0..of).filter(|gpu| !group.contains(gpu));
            let Some(best) = others.min_by_key(|gpu| (Reverse(scores.gain(&group, *gpu)), *gpu)) else { break };
            group.push(best);
        }
        group.sort_unstable();
        group
    };
    if count == 0 { vec![Vec::new()] } else { (0..of).map(from).collect() }
}

/// The largest set among these GPUs in which each is joined to each; of equally large ones the first.
fn largest_group(among: &[usize], joined: impl Fn(usize, usize) -> bool + Copy) -> Vec<usize> {
    let extend = |mut group: Vec<usize>, from: &[usize]| {
        for gpu in from {
            if !group.contains(gpu) && group.iter().all(|member| joined(*member, *gpu)) {
                group.push(*gpu);
            }
        }
        group
    };
    if among.len() > EXACT {
        let groups = among.iter().map(|first| extend(vec![*first], among));
        let mut best = groups.reduce(|best, group| if group.len() > best.len() { group } else { best });
        best.iter_mut().for_each(|group| group.sort_unstable());
        return best.unwrap_or_default();
    }
    (1..=among.len())
        .rev()
        .flat_map(|size| choices(among.len(), size))
        .map(|group| group.into_iter().map(|at| among[at]).collect::<Vec<_>>())
        .find(|group| extend(Vec::new(), group).len() == group.len())
        .unwrap_or_default()
}
