//! Which GPUs a replica of several gets when they must be connected.

use crate::gpu::topology::Topology;
use crate::gpu::{GpuId, Reading};
use crate::service::Topology as Wanted;

/// Why two GPUs are not connected as wanted; nothing when they are.
pub(super) fn apart(topology: &Topology, wanted: Wanted, a: &GpuId, b: &GpuId) -> Option<String> {
    let between = || topology.link(a, b);
    match wanted {
        Wanted::Any => None,
        Wanted::Nvlink => match between() {
            Some(link) if link.is_nvlink() => None,
            Some(link) => Some(match &link.nvlinks {
                Reading::Unknown(reason) => format!("NVLink unknown ({reason})"),
                Reading::Known(_) => "no NVLink".to_owned(),
            }),
            None => Some("nothing is known between them".to_owned()),
        },
        Wanted::Numa => match between().map(|link| &link.same_numa) {
            Some(Reading::Known(true)) => None,
            Some(Reading::Known(false)) => Some("other CPU socket".to_owned()),
            Some(Reading::Unknown(reason)) => Some(format!("CPU socket unknown ({reason})")),
            None => Some("nothing is known between them".to_owned()),
        },
    }
}

/// The first `count` of `candidates` of which each goes with each, as positions in that list; "first" in the order of the
/// list, so that the most preferred that can be in a set is in it.
pub(super) fn choose(candidates: usize, count: usize, joined: impl Fn(usize, usize) -> bool) -> Option<Vec<usize>> {
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    let mut next = 0;
    loop {
        if chosen.len() == count {
            return Some(chosen);
        }
        let missing = count - chosen.len();
        let found = (next..candidates)
            .take_while(|at| candidates - at >= missing)
            .find(|at| chosen.iter().all(|member| joined(*member, *at)));
        match found {
            Some(at) => {
                chosen.push(at);
                next = at + 1;
            }
            None => next = chosen.pop()? + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_set_in_order_of_preference_is_taken_and_a_dead_end_is_left() {
        // 0 goes with 1 only; 1, 2 and 4 go with each other.
        let joined = |a: usize, b: usize| matches!((a.min(b), a.max(b)), (0, 1) | (1, 2) | (1, 4) | (2, 4));
        assert_eq!(choose(5, 2, joined), Some(vec![0, 1]));
        assert_eq!(choose(5, 3, joined), Some(vec![1, 2, 4]));
        assert_eq!(choose(5, 4, joined), None);
        assert_eq!(choose(0, 1, joined), None);
        assert_eq!(choose(3, 3, |_, _| true), Some(vec![0, 1, 2]));
    }
}
