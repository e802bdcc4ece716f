//! What each check builds on.

use std::collections::BTreeSet;

use super::{CheckId, Scope};

/// The checks without which this one means nothing. Those of a device are meant on the same device, and for a check of
/// all devices on each of them.
pub(super) fn needs(id: CheckId) -> &'static [CheckId] {
    use CheckId::*;
    match id {
        LibOpen => &[],
        LibSymbols | DrvInit | DrvVersion | DrvRuntimeFit => &[LibOpen],
        DevEnumerate => &[DrvInit],
        DevArchFit | CtxCreate | CtxState | P2pAccess => &[DevEnumerate],
        ModPtxJit | MemAlloc => &[CtxCreate],
        P2pBandwidth => &[P2pAccess, CtxCreate],
        StrmPriority | BwH2d | BwD2h | BwD2d => &[CtxCreate],
        DetBits | DetRepeat | DetShape | DetAtomics | DetTensor | MemPattern | LatLaunch | ThrFma | ThrMma
        | GraphCapture | CtxConcurrent | SdcSoak => &[ModPtxJit],
    }
}

/// These checks and all that they build on, in the order in which they run.
pub(super) fn with_needs(wanted: impl IntoIterator<Item = CheckId>) -> Vec<CheckId> {
    let mut all = BTreeSet::new();
    let mut open: Vec<CheckId> = wanted.into_iter().collect();
    while let Some(id) = open.pop() {
        if all.insert(id) {
            open.extend(needs(id));
        }
    }
    CheckId::ALL.iter().copied().filter(|id| all.contains(id)).collect()
}

/// Whether the check looks at a device.
pub(super) fn of_devices(id: CheckId) -> bool {
    id.scope() != Scope::Machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_builds_on_what_comes_after_it() {
        for (at, id) in CheckId::ALL.iter().enumerate() {
            for need in needs(*id) {
                let before = CheckId::ALL.iter().position(|other| other == need).unwrap();
                assert!(before < at, "{id} needs {need}");
                assert!(need.level() <= id.level(), "{id} needs {need} of a higher level");
            }
        }
    }

    #[test]
    fn one_check_brings_what_it_builds_on() {
        use CheckId::*;
        assert_eq!(with_needs([DrvVersion]), [LibOpen, DrvVersion]);
        assert_eq!(with_needs([ThrMma]), [LibOpen, DrvInit, DevEnumerate, CtxCreate, ModPtxJit, ThrMma]);
        assert_eq!(with_needs([]), []);
    }
}
