//! What does each check.

use super::{
    Body, CheckId, allocate, bandwidth, concurrent, context, determinism, driver, enumerate, launch, library, memory,
    peer, program, soak, stream, throughput,
};

/// What does this check.
pub(crate) fn body(id: CheckId) -> Body {
    use CheckId::*;
    match id {
        LibOpen => library::open,
        LibSymbols => library::symbols,
        DrvInit => driver::init,
        DrvVersion => driver::version,
        DrvRuntimeFit => driver::runtime_fit,
        DevEnumerate => enumerate::enumerate,
        DevArchFit => enumerate::arch_fit,
        CtxCreate => context::create,
        CtxState => context::state,
        ModPtxJit => program::ptx_jit,
        MemAlloc => allocate::allocate,
        DetBits => determinism::bits,
        DetRepeat => determinism::again,
        DetShape => determinism::shape,
        DetAtomics => determinism::atomics,
        DetTensor => determinism::tensor,
        MemPattern => memory::patterns,
        BwH2d => bandwidth::host_to_device,
        BwD2h => bandwidth::device_to_host,
        BwD2d => bandwidth::on_device,
        LatLaunch => launch::launch,
        ThrFma => throughput::fma,
        ThrMma => throughput::mma,
        StrmPriority => stream::priority,
        GraphCapture => stream::capture,
        CtxConcurrent => concurrent::contexts,
        P2pAccess => peer::access,
        P2pBandwidth => peer::bandwidth,
        SdcSoak => soak::soak,
    }
}
