//! The list of checks: their names, where they belong, and how long each may take.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Level;
use crate::error::{Error, ErrorKind, Result, nearest};

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The machine and its driver: it runs once.
    Machine,
    /// A device: it runs for each.
    Device,
    /// All devices together: it runs once, after the others.
    Devices,
}

macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $level:ident, $scope:ident, $seconds:literal;)+) => {
        /// One check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        #[non_exhaustive]
        pub enum CheckId {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl CheckId {
            /// All, in the order in which they run.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name, such as `drv.init`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it is about, as a sentence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The least level that it belongs to.
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)+ }
            }

            /// What it is about.
            pub fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)+ }
            }

            /// The most time that it may take on its least level, for one device. A higher level gives more; see
            /// [`limit`](Self::limit).
            fn seconds(self) -> f64 {
                match self { $(Self::$variant => $seconds,)+ }
            }
        }
    };
}

checks! {
    /// The driver's library is found and opens; which file it is.
    LibOpen = "lib.open", Quick, Machine, 1.0;
    /// It has the functions that the checks need.
    LibSymbols = "lib.symbols", Quick, Machine, 0.5;
    /// The driver starts.
    DrvInit = "drv.init", Quick, Machine, 10.0;
    /// Its version, in the library and in the kernel.
    DrvVersion = "drv.version", Quick, Machine, 0.5;
    /// Whether it serves the CUDA version that the caller wants.
    DrvRuntimeFit = "drv.runtime_fit", Quick, Machine, 0.1;
    /// The devices, and whether NVML tells the same.
    DevEnumerate = "dev.enumerate", Quick, Machine, 1.0;
    /// Whether the device runs the programs that the caller has.
    DevArchFit = "dev.arch_fit", Quick, Device, 0.1;
    /// A context can be had, and how long it takes.
    CtxCreate = "ctx.create", Quick, Device, 1.8;
    /// Compute mode, MPS, MIG, ECC: what shares or limits the device.
    CtxState = "ctx.state", Quick, Device, 0.2;
    /// The driver compiles and loads PTX, and how long it takes.
    ModPtxJit = "mod.ptx_jit", Quick, Device, 1.5;
    /// Memory can be had and given back, and none is lost.
    MemAlloc = "mem.alloc", Quick, Device, 0.5;
    /// The bits are those that IEEE 754 asks for.
    DetBits = "det.bits", Quick, Device, 1.5;
    /// They are the same again: other streams, other shapes, a fresh context, another process.
    DetRepeat = "det.repeat", Standard, Device, 10.0;
    /// The same row has the same bits in every batch.
    DetShape = "det.shape", Standard, Device, 5.0;
    /// How many different sums atomics give.
    DetAtomics = "det.atomics", Standard, Device, 5.0;
    /// Tensor units are exact where every sum is.
    DetTensor = "det.tensor", Standard, Device, 5.0;
    /// Memory holds what is written to it.
    MemPattern = "mem.pattern", Standard, Device, 10.0;
    /// Copies from the host to the device, pinned and pageable.
    BwH2d = "bw.h2d", Standard, Device, 5.0;
    /// Copies from the device to the host, pinned and pageable.
    BwD2h = "bw.d2h", Standard, Device, 5.0;
    /// Copies on the device.
    BwD2d = "bw.d2d", Standard, Device, 5.0;
    /// What starting a kernel costs.
    LatLaunch = "lat.launch", Standard, Device, 5.0;
    /// How fast the device multiplies and adds, answers checked.
    ThrFma = "thr.fma", Standard, Device, 5.0;
    /// How fast its tensor units do, answers checked.
    ThrMma = "thr.mma", Standard, Device, 5.0;
    /// Streams have priorities, and keep them.
    StrmPriority = "strm.priority", Standard, Device, 2.0;
    /// Recorded work gives the same answers.
    GraphCapture = "graph.capture", Standard, Device, 2.0;
    /// Two contexts at once give the same bits.
    CtxConcurrent = "ctx.concurrent", Standard, Device, 5.0;
    /// Which devices reach each other's memory, and whether the links say so.
    P2pAccess = "p2p.access", Standard, Devices, 2.0;
    /// Copies between devices, data checked.
    P2pBandwidth = "p2p.bandwidth", Standard, Devices, 5.0;
    /// Every multiprocessor, again and again, hot.
    SdcSoak = "sdc.soak", Full, Device, 300.0;
}

impl CheckId {
    /// The most time that it may take on a level, for one device.
    ///
    /// That of [`DrvInit`](Self::DrvInit) is the same on each, and no part of [`Level::limit`]: without persistence mode
    /// the driver starts all GPUs of the machine first, which takes seconds.
    pub fn limit(self, level: Level) -> Duration {
        if self == Self::DrvInit {
            return Duration::from_secs_f64(self.seconds());
        }
        let factor = match level {
            Level::Quick => 1.0,
            Level::Standard => 2.0,
            Level::Full => 20.0,
        };
        let factor = if self.level() == Level::Full { 1.0 } else { factor };
        Duration::from_secs_f64(self.seconds() * factor).min(level.limit())
    }

    /// Those of a level, in the order in which they run.
    pub fn of(level: Level) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |id| id.level() <= level)
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<CheckId> for &'static str {
    fn from(id: CheckId) -> Self {
        id.name()
    }
}

impl FromStr for CheckId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == text).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "cuda.check", "no such check")
                .with("check", format_args!("{text:?}"));
            match nearest(text, Self::ALL.iter().map(|id| id.name())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            }
        })
    }
}

impl TryFrom<String> for CheckId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}
