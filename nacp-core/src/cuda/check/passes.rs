//! What each check asks for, as people are told it.

use super::CheckId;

impl CheckId {
    /// When it passes; what is less is a warning where it says so, and a failure elsewhere.
    pub fn passes(self) -> &'static str {
        match self {
            Self::LibOpen => "a driver's library loads",
            Self::LibSymbols => "it has what every check needs; what single checks lack is listed",
            Self::DrvInit => "`cuInit` answers 0; warns above 1 s",
            Self::DrvVersion => "CUDA 12.0 or newer, and the kernel's driver is the library's",
            Self::DrvRuntimeFit => "the wanted CUDA version runs; not asked for: skipped",
            Self::DevEnumerate => "there is a device, each answers, and NVML tells the same",
            Self::DevArchFit => "a wanted program runs on the device; none named: skipped",
            Self::CtxCreate => "a context is made and ended; warns above 1.5 s",
            Self::CtxState => "nothing limits the device; a limit warns, and is told apart from a fault",
            Self::ModPtxJit => "the driver compiles NACP's PTX",
            Self::MemAlloc => "memory is given, taken back, and none is lost",
            Self::DetBits => "every word is what the CPU computes",
            Self::DetRepeat => "one answer over runs, streams, blocks, contexts and processes",
            Self::DetShape => "a row has one sum in every batch",
            Self::DetAtomics => "always: it shows how many sums there are",
            Self::DetTensor => "every product is exact on every multiprocessor",
            Self::MemPattern => "no word differs from its pattern",
            Self::BwH2d | Self::BwD2h => "the bytes arrive; warns below 75 % of the link",
            Self::BwD2d => "the bytes arrive; warns below 70 % of the memory's peak",
            Self::LatLaunch => "always; warns above 20 µs a launch (50 µs under Windows and WSL2)",
            Self::ThrFma | Self::ThrMma => {
                "the answers are right; warns below 75 % of the expected at the observed clock"
            }
            Self::StrmPriority => "streams get the priority that they ask for",
            Self::GraphCapture => "recorded work gives the same bits",
            Self::CtxConcurrent => "two contexts at once give the same bits",
            Self::P2pAccess => "the driver and the links tell the same",
            Self::P2pBandwidth => "the bytes arrive",
            Self::SdcSoak => "no word differs in any round",
        }
    }
}
