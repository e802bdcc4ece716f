//! What goes wrong: classes of faults, each of which can be switched off, and how often each thing happened.

use std::collections::BTreeMap;

macro_rules! faults {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// A class of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Fault { $($name),+ }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

faults! {
    ErrorBefore = "error-before",
    ErrorAfter = "error-after",
    TimeoutLate = "timeout-late",
    SlowCall = "slow-call",
    SlowPull = "slow-pull",
    PullFails = "pull-fails",
    ImageGone = "image-gone",
    SlowStop = "slow-stop",
    EventLost = "event-lost",
    EventTwice = "event-twice",
    EventLate = "event-late",
    WatchCloses = "watch-closes",
    DaemonKills = "daemon-kills",
    DaemonSpares = "daemon-spares",
    ListLags = "list-lags",
    GivesLess = "gives-less",
    StartFails = "start-fails",
    ProgramEnds = "program-ends",
    CrashLoop = "crash-loop",
    NeverReady = "never-ready",
    Unready = "unready",
    SlowToReady = "slow-to-ready",
    NameTaken = "name-taken",
    LabelsCopied = "labels-copied",
    HumanRemoves = "human-removes",
    HumanStops = "human-stops",
    GpuVanishes = "gpu-vanishes",
    GpuCondemned = "gpu-condemned",
    GpuViewFails = "gpu-view-fails",
    LeaseFails = "lease-fails",
    ProbeLies = "probe-fails-once",
    Crash = "controller-crash",
    CrashInCall = "crash-in-call",
    SecondProgram = "second-program",
}

impl Fault {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    pub(crate) const fn bit(self) -> u64 {
        1 << (self as u64)
    }
}

/// Which classes of faults may happen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask(pub(crate) u64);

impl Mask {
    pub(crate) const ALL: Self = Self(u64::MAX);
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn allows(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    #[must_use]
    pub(crate) const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !fault.bit())
    }

    /// All but those named, separated by commas.
    pub(crate) fn all_but(names: &str) -> Self {
        let named = names.split(',').filter(|name| !name.is_empty());
        named.fold(Self::ALL, |mask, name| {
            mask.without(Fault::parse(name).unwrap_or_else(|| panic!("no such class of faults: {name}")))
        })
    }
}

/// How often each fault, call and step of a user happened, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) BTreeMap<&'static str, u64>);

impl Counts {
    pub(crate) fn add(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }
}
