//! What the library exports, and which checks can be done with it.

use std::fmt;

use serde::Serialize;

use super::functions::known;
use crate::cuda::{CheckId, Execute, Version};

/// What a function of the driver is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Need {
    /// To start the driver and ask for its version and devices.
    Probe,
    /// The driver's own names and sentences for its numbers; nothing depends on them.
    Text,
    /// To have a context.
    Context,
    /// To have memory and to copy it.
    Memory,
    /// To load and start programs.
    Module,
    /// To put work in order, and to wait for it.
    Stream,
    /// To time it.
    Event,
    /// To record work and start it as one.
    Graph,
    /// To reach the memory of another device.
    Peer,
}

impl Need {
    /// All, in the order in which a program comes to need them.
    pub const ALL: [Self; 9] = [
        Self::Probe,
        Self::Text,
        Self::Context,
        Self::Memory,
        Self::Module,
        Self::Stream,
        Self::Event,
        Self::Graph,
        Self::Peer,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Text => "text",
            Self::Context => "context",
            Self::Memory => "memory",
            Self::Module => "module",
            Self::Stream => "stream",
            Self::Event => "event",
            Self::Graph => "graph",
            Self::Peer => "peer",
        }
    }

    /// What a check needs.
    pub fn of(check: CheckId) -> &'static [Self] {
        use Need::{Context, Event, Graph, Memory, Module, Peer, Probe, Stream};
        match check {
            CheckId::LibOpen | CheckId::LibSymbols => &[],
            CheckId::DrvInit
            | CheckId::DrvVersion
            | CheckId::DrvRuntimeFit
            | CheckId::DevEnumerate
            | CheckId::DevArchFit => &[Probe],
            CheckId::CtxCreate | CheckId::CtxState => &[Probe, Context],
            CheckId::ModPtxJit => &[Probe, Context, Module],
            CheckId::MemAlloc => &[Probe, Context, Memory],
            CheckId::BwH2d | CheckId::BwD2h | CheckId::BwD2d => &[Probe, Context, Memory, Stream, Event],
            CheckId::DetBits
            | CheckId::DetRepeat
            | CheckId::DetShape
            | CheckId::DetAtomics
            | CheckId::DetTensor
            | CheckId::MemPattern
            | CheckId::CtxConcurrent
            | CheckId::SdcSoak => &[Probe, Context, Memory, Module, Stream],
            CheckId::LatLaunch | CheckId::ThrFma | CheckId::ThrMma | CheckId::StrmPriority => {
                &[Probe, Context, Memory, Module, Stream, Event]
            }
            CheckId::GraphCapture => &[Probe, Context, Memory, Module, Stream, Event, Graph],
            CheckId::P2pAccess => &[Probe, Context, Peer],
            CheckId::P2pBandwidth => &[Probe, Context, Memory, Stream, Event, Peer],
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A function of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Symbol {
    /// Its exported name. Where newer and older names do the same, it is the one that is there, else the oldest.
    pub name: &'static str,
    /// The CUDA version that brought this name (from the names of the types in CUDA's `cudaTypedefs.h`).
    pub since: Version,
    /// What it is needed for.
    pub need: Need,
    /// Whether the library exports it.
    pub present: bool,
}

/// Which functions a driver's library has, and which checks lack one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Manifest {
    symbols: Vec<Symbol>,
}

impl Manifest {
    pub(super) fn new(symbols: Vec<Symbol>) -> Self {
        Self { symbols }
    }

    /// Every function that NACP knows, by need.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// What this driver says of itself: the functions that it lacks are those that it names.
    pub fn of(driver: &dyn Execute) -> Self {
        let absent = |name| driver.missing().contains(&name) || driver.lacks().contains(&name);
        Self { symbols: known().into_iter().map(|symbol| Symbol { present: !absent(symbol.name), ..symbol }).collect() }
    }

    /// Every function that the library does not have.
    pub fn absent(&self) -> impl Iterator<Item = &'static str> {
        self.symbols.iter().filter(|symbol| !symbol.present).map(|symbol| symbol.name)
    }

    /// The functions of this need that the library does not have.
    pub fn missing(&self, need: Need) -> impl Iterator<Item = &'static str> {
        self.symbols.iter().filter(move |symbol| symbol.need == need && !symbol.present).map(|symbol| symbol.name)
    }

    /// The functions that this check needs and that the library does not have: with any of them missing, the check
    /// cannot be done.
    pub fn missing_for(&self, check: CheckId) -> Vec<&'static str> {
        Need::of(check).iter().flat_map(|need| self.missing(*need)).collect()
    }

    /// The checks that cannot be done, each with the functions that it lacks.
    pub fn lacking(&self) -> Vec<(CheckId, Vec<&'static str>)> {
        let checks = CheckId::ALL.iter().map(|check| (*check, self.missing_for(*check)));
        checks.filter(|(_, missing)| !missing.is_empty()).collect()
    }

    /// The least CUDA version whose driver has all functions of these needs.
    pub fn since(&self, needs: &[Need]) -> Option<Version> {
        self.symbols.iter().filter(|symbol| needs.contains(&symbol.need)).map(|symbol| symbol.since).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Manifest {
        Manifest::new(known().into_iter().map(|symbol| Symbol { present: true, ..symbol }).collect())
    }

    #[test]
    fn every_need_has_functions_and_none_stands_twice() {
        let manifest = all();
        for need in Need::ALL {
            assert!(manifest.symbols().iter().any(|symbol| symbol.need == need), "{need}");
        }
        let mut names: Vec<_> = manifest.symbols().iter().map(|symbol| symbol.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), manifest.symbols().len());
        assert_eq!((manifest.absent().count(), manifest.lacking()), (0, vec![]));
    }

    #[test]
    fn the_floor_of_cuda_12_has_every_function() {
        let least = all().since(&Need::ALL).unwrap();
        assert_eq!(least, Version { major: 11, minor: 4 });
        assert!(least <= crate::cuda::preflight::FLOOR);
        assert_eq!(all().since(&[]), None);
    }

    #[test]
    fn a_check_lacks_what_its_needs_lack() {
        let gone = ["cuMemcpyPeerAsync", "cuGetErrorName"];
        let without = |symbol: Symbol| Symbol { present: !gone.contains(&symbol.name), ..symbol };
        let manifest = Manifest::new(known().into_iter().map(without).collect());
        assert_eq!(manifest.missing_for(CheckId::P2pBandwidth), ["cuMemcpyPeerAsync"]);
        assert_eq!(manifest.missing_for(CheckId::BwD2d), [""; 0]);
        let checks: Vec<_> = manifest.lacking().into_iter().map(|(check, _)| check).collect();
        assert_eq!(checks, [CheckId::P2pAccess, CheckId::P2pBandwidth]);
        assert_eq!(manifest.absent().collect::<Vec<_>>().len(), 2, "texts are no check's need");
    }
}
