//! The seven criteria of the founding document, each with what is measured and how that becomes a score.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, nearest};

/// One criterion of the founding document.
///
/// | criterion | measured | unit | score | rule's source |
/// |---|---|---|---|---|
/// | `throughput` | `thr.fma`, `thr.mma`, `bw.d2d` | FLOP/s, B/s | with a reference: ratio to native Linux, 1 from 0.95 on. Without: ratio to the computed peak, 1 from 0.75 on (0.7 for memory) | criterion 1 of NACP's comparison; pass marks of the checks |
/// | `overhead` | `lat.launch`, `ctx.create`, `bw.h2d`, `bw.d2h`, share of memory that CUDA can use | s, B/s, part | with a reference: native time / time here, rate here / native rate. Without: mark / time, marks 20 µs for a launch and 1.5 s for a context; 1 from 0.75 of the link on | warning marks of the checks |
/// | `parity` | what a native Linux machine has and this one has too | part | weight of what is common / weight of the reference | set difference |
/// | `portability` | ways of its engines to give an image a GPU, and whether one digest runs on each | number | offered / possible; ran / tried | count |
/// | `devops` | what runs without a person at a screen | number | passed / known | count |
/// | `stability` | days of support of the driver's branch, updates of Windows, Xids, findings, what recovers by itself | days, number | days / 365; 1 or 0 for each other question, 0.5 for what can wait | thresholds |
/// | `reproducibility` | images named by digest, completeness of the lock, scope of the certificate | part | part itself; certificate 1 verified by a CPU, 0.75 between devices, 0.5 from run to run | fraction |
///
/// The score of a cell is the mean of its judged figures by their weights. What was not measured is left out and named, and
/// [`Measured::share`](super::Measured::share) says how much was.
/// Parity is measured only where there is a GPU, and where no lock is given, its completeness is that of the lock that could
/// be made now; a process alone has no digest and is not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// How fast the GPU computes and copies, against native Linux or what its data sheet allows.
    Throughput,
    /// What the way to the GPU costs: starting kernels and contexts, copies, memory that is kept back.
    Overhead,
    /// How much of a native Linux machine, where services run in production, is here too.
    Parity,
    /// On how many engines one image, by its digest, runs with a GPU.
    Portability,
    /// What can be installed, started, watched and repaired without a person at a screen.
    Devops,
    /// How long it stays as it is, and what breaks it.
    Stability,
    /// How much of a run is pinned, and whether its bits are the same again.
    Reproducibility,
}

impl Criterion {
    /// All, in the document's order.
    pub const ALL: [Self; 7] = [
        Self::Throughput,
        Self::Overhead,
        Self::Parity,
        Self::Portability,
        Self::Devops,
        Self::Stability,
        Self::Reproducibility,
    ];

    /// Its name for programs, such as `throughput`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Overhead => "overhead",
            Self::Parity => "parity",
            Self::Portability => "portability",
            Self::Devops => "devops",
            Self::Stability => "stability",
            Self::Reproducibility => "reproducibility",
        }
    }

    /// Its name in the document.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Throughput => "raw GPU throughput",
            Self::Overhead => "CUDA overhead",
            Self::Parity => "production parity",
            Self::Portability => "container portability",
            Self::Devops => "DevOps alignment",
            Self::Stability => "long-term stability",
            Self::Reproducibility => "reproducibility",
        }
    }

    /// What is measured, and in which units.
    pub const fn measures(self) -> &'static str {
        match self {
            Self::Throughput => "floating-point operations and bytes copied on the GPU, a second",
            Self::Overhead => {
                "seconds to start a kernel and a context, bytes a second to and from the GPU, share of memory"
            }
            Self::Parity => "share of what a native Linux machine has",
            Self::Portability => "ways to give an image a GPU, and runs of one digest",
            Self::Devops => "things that work without a screen",
            Self::Stability => "days of driver support, grave Xids, findings of the doctor, what recovers by itself",
            Self::Reproducibility => "share that is pinned, scope of the certificate",
        }
    }

    /// How that becomes a score.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Throughput => {
                "ratio to native Linux on the same GPU, 1 from 0.95 on; without a reference, ratio to the computed peak, 1 \
                 from 0.75 on (memory: 0.7); mean"
            }
            Self::Overhead => {
                "ratio to native Linux on the same GPU; without a reference, 20 µs / launch, 1.5 s / context, link share / \
                 0.75; share of memory as it is; 1 at most; mean"
            }
            Self::Parity => "weight of what is here / weight of what native Linux has, over what could be read",
            Self::Portability => {
                "ways offered / ways that the engines here could offer; runs that succeeded / runs tried; mean"
            }
            Self::Devops => "passed / known",
            Self::Stability => {
                "days of support left / 365; without Windows 1; without grave Xids 1; findings: none 1, risks 0.5, broken 0, by \
                 the share of entries that could be looked at; recovery: passed / known; mean"
            }
            Self::Reproducibility => {
                "images pinned by digest / images; lock completeness; certificate: verified by a CPU 1, between devices \
                 0.75, run to run 0.5, none 0; mean"
            }
        }
    }

    /// Where the rule comes from.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Throughput => "the document's pass mark of 0.95; the pass marks of thr.fma, thr.mma and bw.d2d",
            Self::Overhead => "the warning marks of lat.launch and ctx.create; the pass mark of bw.h2d and bw.d2h",
            Self::Parity => "set difference; weights are NACP's",
            Self::Portability | Self::Devops => "count",
            Self::Stability => {
                "NVIDIA's list of driver branches, NVIDIA's catalogue of Xids, NACP's catalogue of failures"
            }
            Self::Reproducibility => "fraction; the scopes of determinism certificates",
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.title())
    }
}

impl FromStr for Criterion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|criterion| criterion.name() == text).ok_or_else(|| {
            let error = Error::new(ErrorKind::InvalidArgument, "host.evaluate", "no such criterion")
                .with("criterion", format_args!("{text:?}"));
            match nearest(text, Self::ALL.iter().map(|criterion| criterion.name())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("one of {}", Self::ALL.map(Self::name).join(", "))),
            }
        })
    }
}
