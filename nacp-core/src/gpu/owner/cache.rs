//! Owners that are read again and again.

use std::collections::HashMap;

use super::files::Stat;
use super::{Owner, ProcessState, Processes};
use crate::gpu::Reading;

/// Owners for a poller: of a process that it knows it reads anew only what can change.
///
/// A process is known by its id and its start, so that a later process of the same id is never taken for it. Each time
/// its name, its state and its command line are read; when one of the first and the last differs, it has begun another
/// program or has given itself a title, and everything is read anew.
///
/// ```
/// use nacp_core::gpu::owner::{OwnerCache, Processes};
///
/// let mut cache = OwnerCache::new(Processes::system());
/// for owner in cache.owners([std::process::id()]) {
///     println!("{} {}", owner.pid, owner.command);
/// }
/// ```
#[derive(Debug)]
pub struct OwnerCache {
    processes: Processes,
    known: HashMap<u32, Owner>,
}

impl OwnerCache {
    /// A cache that knows nobody yet.
    pub fn new(processes: Processes) -> Self {
        Self { processes, known: HashMap::new() }
    }

    /// Who is behind these process ids, in their order. Whoever is not among them, or is gone, is forgotten.
    pub fn owners(&mut self, pids: impl IntoIterator<Item = u32>) -> Vec<Owner> {
        let mut before = std::mem::take(&mut self.known);
        let mut owners = Vec::new();
        for pid in pids {
            let owner = match self.processes.stat(pid) {
                Reading::Unknown(reason) => Owner::unknown(pid, reason),
                Reading::Known(stat) => {
                    let known = self.known.get(&pid).cloned().or_else(|| before.remove(&pid));
                    let owner = self.refreshed(pid, &stat, known);
                    self.known.insert(pid, owner.clone());
                    owner
                }
            };
            owners.push(owner);
        }
        owners
    }

    /// How many processes the cache knows.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn refreshed(&self, pid: u32, stat: &Stat, before: Option<Owner>) -> Owner {
        let same = |owner: &Owner| {
            owner.started.known().is_some_and(|started| started.ticks == stat.ticks)
                && owner.command.known() == Some(&stat.command)
        };
        let Some(mut owner) = before.filter(same) else { return self.processes.known(pid, stat) };
        owner.state = Reading::Known(stat.state);
        // Of a process that has ended or waits in the driver, what was read before stays true.
        let readable = !matches!(stat.state, ProcessState::DiskSleep | ProcessState::Zombie | ProcessState::Dead);
        match readable && self.processes.command_line(pid, stat.state) != owner.command_line {
            true => self.processes.known(pid, stat),
            false => owner,
        }
    }
}

#[cfg(test)]
mod tests;
