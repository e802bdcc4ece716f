//! What several runs of the suite found together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::run::SuiteRun;
use super::{Difference, KernelDigest, Profile, suite};
use crate::gpu::GpuId;

/// The most differences that are kept. A device that is wrong everywhere is as broken as one that is wrong here.
const KEPT: usize = 32;

/// How the runs that were compared differed from each other in everything that must not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Compared {
    /// How many runs of the whole suite there were.
    pub runs: u32,
    /// How many different answers they gave: 1 when they repeat.
    pub distinct: u32,
    /// On how many streams of one context they ran.
    pub streams: u32,
    /// The numbers of threads that a block had.
    pub blocks: BTreeSet<u32>,
    /// In how many contexts of one process they ran.
    pub contexts: u32,
    /// In how many processes.
    pub processes: u32,
    /// The devices that gave these bits, this one included.
    pub devices: BTreeSet<GpuId>,
}

/// What several runs of the suite on one device found together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Runs {
    pub(crate) profile: Profile,
    /// What the kernels computed in the first run.
    pub(crate) results: Vec<KernelDigest>,
    /// The suite digest of each answer that came.
    pub(crate) answers: BTreeSet<String>,
    pub(crate) compared: Compared,
    /// What differs from the reference, the first [`KEPT`].
    pub(crate) differences: Vec<Difference>,
    /// The multiprocessors that took part.
    pub(crate) multiprocessors: BTreeSet<u32>,
    /// The version of the device's firmware, where it is known.
    pub(crate) vbios: Option<String>,
    /// What the CPU computes, where it was computed for these runs: who makes a certificate of them elsewhere need not do
    /// it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reference: Vec<KernelDigest>,
}

impl Runs {
    /// Nothing yet, of this size.
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            results: Vec::new(),
            answers: BTreeSet::new(),
            compared: Compared { streams: 1, contexts: 1, processes: 1, ..Compared::default() },
            differences: Vec::new(),
            multiprocessors: BTreeSet::new(),
            vbios: None,
            reference: Vec::new(),
        }
    }

    /// One more run, with blocks of this many threads.
    pub(crate) fn add(&mut self, run: SuiteRun, block: u32) {
        self.add_digests(run.digests);
        self.compared.blocks.insert(block);
        self.keep(run.differences);
        self.multiprocessors.extend(run.multiprocessors);
    }

    /// A run that did not come to its end: what differs in it differs, and it is not counted.
    pub(crate) fn add_part(&mut self, run: SuiteRun) {
        self.keep(run.differences);
        self.multiprocessors.extend(run.multiprocessors);
    }

    /// One more run, of which only the digests are known.
    pub(crate) fn add_digests(&mut self, digests: Vec<KernelDigest>) {
        self.answers.insert(suite::digest_of(&digests));
        if self.results.is_empty() {
            self.results = digests;
        }
        self.compared.runs += 1;
        self.count();
    }

    /// What another check found on the same device with the same size; another size says nothing here.
    pub(crate) fn merge(&mut self, other: Self) {
        if other.profile != self.profile {
            return;
        }
        if self.results.is_empty() {
            self.results = other.results;
        }
        if self.reference.is_empty() {
            self.reference = other.reference;
        }
        self.answers.extend(other.answers);
        self.compared.runs += other.compared.runs;
        self.compared.streams = self.compared.streams.max(other.compared.streams);
        self.compared.blocks.extend(other.compared.blocks);
        self.compared.contexts = self.compared.contexts.max(other.compared.contexts);
        self.compared.processes = self.compared.processes.max(other.compared.processes);
        self.keep(other.differences);
        self.multiprocessors.extend(other.multiprocessors);
        self.vbios = self.vbios.take().or(other.vbios);
        self.count();
    }

    fn count(&mut self) {
        self.compared.distinct = u32::try_from(self.answers.len()).unwrap_or(u32::MAX);
    }

    fn keep(&mut self, differences: Vec<Difference>) {
        for difference in differences {
            if self.differences.len() < KEPT && !self.differences.contains(&difference) {
                self.differences.push(difference);
            }
        }
    }
}
