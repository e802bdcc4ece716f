//! What does each check.

pub(super) use super::bodies::Body;
use super::bodies::{concurrent, determinism, soak};
use super::{Bench, CheckId, Outcome, Skip, Stop};

/// What does this check.
pub(super) fn body(id: CheckId) -> Body {
    match id {
        CheckId::DetBits => determinism::bits,
        CheckId::DetRepeat => determinism::again,
        CheckId::DetShape => determinism::shape,
        CheckId::DetAtomics => determinism::atomics,
        CheckId::DetTensor => determinism::tensor,
        CheckId::CtxConcurrent => concurrent::contexts,
        CheckId::SdcSoak => soak::soak,
        _ => absent,
    }
}

fn absent(_: &Bench<'_>) -> Result<Outcome, Stop> {
    Err(Stop::skip(Skip::Unsupported, "nobody does it yet"))
}
