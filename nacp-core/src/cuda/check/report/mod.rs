//! What was found.

mod compare;
mod html;
mod markdown;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod verdict;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use compare::{Change, ReportComparison};
#[cfg(feature = "doctor")]
pub(crate) use units::human;
pub(super) use verdict::verdict;

use super::{CheckId, Level};
use crate::cuda::{Certificate, Device, Fault, Probe};
use crate::error::{Error, ErrorKind};
use crate::gpu::GpuId;

/// What one check found on one device, or on the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Which check.
    pub id: CheckId,
    /// On which device; none where it is about the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<GpuId>,
    /// How it ended.
    #[serde(flatten)]
    pub status: Status,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// What was read, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// How long it took, in seconds.
    #[serde(with = "seconds")]
    pub elapsed: Duration,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// As it should be.
    Pass,
    /// It works, and something is worth knowing.
    Warn {
        /// What, and what can be done.
        reason: String,
    },
    /// It does not work, or gives wrong answers.
    Fail {
        /// What is wrong, the evidence, and what can be done.
        reason: String,
    },
    /// It was not done.
    Skipped {
        /// Why.
        why: Skip,
        /// In which circumstances.
        reason: String,
    },
    /// The driver refused a call that should have succeeded.
    Error {
        /// The call.
        call: String,
        /// Its number and meaning.
        #[serde(flatten)]
        fault: Fault,
        /// What can be done.
        reason: String,
    },
}

/// Why a check was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Skip {
    /// Its time was over.
    Deadline,
    /// What it builds on does not work: an earlier check says why.
    Blocked,
    /// This device or driver does not have it.
    Unsupported,
    /// The device is held by somebody else: it is busy and not broken.
    Busy,
    /// An earlier check made the device unusable for this process.
    Poisoned,
    /// The caller gave up.
    Cancelled,
    /// The caller did not say what it needs to know.
    NotAsked,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What, such as `pinned` or `ratio_to_peak`.
    pub name: String,
    /// The value: the median where it was measured more than once.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// How often it was measured.
    pub n: u32,
    /// The median, where it was measured more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// What 99 of 100 stay below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// How a value that is computed comes about: the formula and what was put into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
}

impl Metric {
    /// A value that was measured once.
    pub fn once(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { name: name.into(), value, unit, n: 1, p50: None, p99: None, formula: None }
    }

    /// The median and the 99th percentile of several values; nothing of none.
    pub fn of(name: impl Into<String>, mut values: Vec<f64>, unit: Unit) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |hundredths: usize| values.get((values.len().saturating_sub(1) * hundredths).div_ceil(100)).copied();
        let (p50, p99) = (at(50)?, at(99)?);
        let n = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let name = name.into();
        Some(Self { name, value: p50, unit, n, p50: Some(p50), p99: Some(p99), formula: None })
    }

    /// The same with the way it was computed.
    #[must_use]
    pub fn by(mut self, formula: impl Into<String>) -> Self {
        self.formula = Some(formula.into());
        self
    }
}

/// The unit of a [`Metric`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Floating-point operations a second.
    FlopPerSecond,
    /// Events a second.
    PerSecond,
    /// Megahertz.
    Megahertz,
    /// Degrees Celsius.
    Celsius,
    /// Watts.
    Watts,
    /// A part of a whole: 1 is all.
    Ratio,
    /// A number of things.
    Count,
}

impl Unit {
    /// All.
    pub const ALL: [Self; 10] = [
        Self::Seconds,
        Self::Bytes,
        Self::BytesPerSecond,
        Self::FlopPerSecond,
        Self::PerSecond,
        Self::Megahertz,
        Self::Celsius,
        Self::Watts,
        Self::Ratio,
        Self::Count,
    ];

    /// Its name in JSON, such as `bytes_per_second`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes_per_second",
            Self::FlopPerSecond => "flop_per_second",
            Self::PerSecond => "per_second",
            Self::Megahertz => "megahertz",
            Self::Celsius => "celsius",
            Self::Watts => "watts",
            Self::Ratio => "ratio",
            Self::Count => "count",
        }
    }
}

/// Something that was read, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is, such as `library` or `digest.fma`.
    pub what: String,
    /// What was read.
    pub value: String,
    /// Where: a call, a file, a variable.
    pub source: String,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How much was checked.
    pub level: Level,
    /// All reports in one word.
    pub verdict: Verdict,
    /// Whether the driver is a simulated one: its devices do not exist, and no time means anything.
    pub simulated: bool,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, in seconds.
    #[serde(with = "seconds")]
    pub elapsed: Duration,
    /// The driver and its devices, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// What was found, in order.
    pub checks: Vec<CheckReport>,
    /// What proves that each device repeats; one a device whose bits were checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
}

impl Report {
    /// What this check found on this device, or on the machine.
    pub fn find(&self, id: CheckId, device: Option<&GpuId>) -> Option<&CheckReport> {
        self.checks.iter().find(|report| report.id == id && report.device.as_ref() == device)
    }

    /// What failed, or was refused by the driver.
    pub fn failures(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|report| report.status.fails())
    }

    /// The report as JSON, indented. Fields keep their names and meanings; new ones may come.
    pub fn to_json(&self) -> String {
        // Its keys are text and its numbers are finite or null: there is nothing that JSON cannot say.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The report as a page of HTML that needs no other file.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// The report as Markdown, for an issue or a chat.
    pub fn markdown(&self) -> String {
        markdown::text(self)
    }

    /// What became better or worse since an earlier report of the same machine.
    pub fn compare(&self, earlier: &Self) -> ReportComparison {
        compare::compare(earlier, self)
    }

    /// The devices of which it is not known whether they work: `det.bits` did not come to its end there, for want of time or
    /// because somebody else holds them.
    pub fn unknown(&self) -> Vec<&GpuId> {
        verdict::unknown(&self.checks).into_iter().flatten().collect()
    }

    /// The report as an error, where it is [`Fail`](Verdict::Fail) or [`Unknown`](Verdict::Unknown), so that a caller
    /// can end with it.
    ///
    /// | verdict | kind |
    /// |---|---|
    /// | fail, the driver refused a call | that of the driver's number |
    /// | fail on a device | [`DeviceLost`](ErrorKind::DeviceLost) |
    /// | fail on the machine, or no device | [`DriverUnavailable`](ErrorKind::DriverUnavailable) |
    /// | unknown, somebody else holds the device | [`Conflict`](ErrorKind::Conflict), may succeed later |
    /// | unknown, the caller gave up | [`Cancelled`](ErrorKind::Cancelled) |
    /// | unknown, the time was over | [`Timeout`](ErrorKind::Timeout) |
    /// | unknown for another reason | [`Unsupported`](ErrorKind::Unsupported) |
    pub fn error(&self) -> Option<Error> {
        let first = match self.verdict {
            Verdict::Pass | Verdict::Warn => return None,
            Verdict::Fail => self.failures().next(),
            Verdict::Unknown => {
                let unknown = self.unknown();
                let untried = |report: &&CheckReport| {
                    let here = report.device.as_ref().is_none_or(|device| unknown.contains(&device));
                    here && matches!(&report.status, Status::Skipped { why, .. } if !why.is_no_lack())
                };
                self.checks.iter().find(untried)
            }
        };
        let Some(first) = first else {
            return Some(Error::new(ErrorKind::DriverUnavailable, "cuda.check", "there is no device to check"));
        };
        let kind = match &first.status {
            Status::Error { fault, .. } => fault.error("cuda.check", "").kind(),
            Status::Fail { .. } if first.device.is_some() => ErrorKind::DeviceLost,
            Status::Skipped { why: Skip::Busy, .. } => ErrorKind::Conflict,
            Status::Skipped { why: Skip::Cancelled, .. } => ErrorKind::Cancelled,
            Status::Skipped { why: Skip::Deadline, .. } => ErrorKind::Timeout,
            Status::Skipped { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::DriverUnavailable,
        };
        let message = match self.verdict {
            Verdict::Fail => "CUDA does not work as it should",
            _ => "it is not known whether CUDA works",
        };
        let mut error = Error::new(kind, "cuda.check", message).with("check", first.id);
        let unknown: Vec<&str> = self.unknown().into_iter().map(GpuId::as_str).collect();
        if self.verdict == Verdict::Unknown && unknown.len() > 1 {
            error = error.with("unknown", unknown.join(","));
        }
        if let Some(device) = &first.device {
            error = error.with("device", device);
        }
        let more = self.failures().count().saturating_sub(1);
        if more > 0 {
            error = error.with("more", more);
        }
        if let Some(reason) = first.status.reason() {
            error = error.with("reason", reason);
        }
        Some(if kind == ErrorKind::Conflict { error.retry_later() } else { error })
    }

    /// The reports in their order, in groups of one device or of the machine.
    fn groups(&self) -> Vec<(Option<&GpuId>, Vec<&CheckReport>)> {
        let mut groups: Vec<(Option<&GpuId>, Vec<&CheckReport>)> = vec![(None, Vec::new())];
        for report in &self.checks {
            let device = report.device.as_ref();
            match groups.iter_mut().find(|(of, _)| *of == device) {
                Some((_, reports)) => reports.push(report),
                None => groups.push((device, vec![report])),
            }
        }
        groups.retain(|(_, reports)| !reports.is_empty());
        groups
    }

    /// What the driver said of a device.
    fn device(&self, id: &GpuId) -> Option<&Device> {
        self.probe.as_ref()?.devices.iter().find(|device| device.id == *id)
    }
}

impl Status {
    /// In one word: `pass`, `warn`, `fail`, `skip` or `error`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn { .. } => "warn",
            Self::Fail { .. } => "fail",
            Self::Skipped { .. } => "skip",
            Self::Error { .. } => "error",
        }
    }

    /// Whether something does not work.
    pub fn fails(&self) -> bool {
        matches!(self, Self::Fail { .. } | Self::Error { .. })
    }

    /// What is to be said about it, if anything is.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Pass => None,
            Self::Warn { reason } | Self::Fail { reason } => Some(reason.clone()),
            Self::Skipped { why, reason } => Some(format!("{why}: {reason}")),
            Self::Error { call, fault, reason } => Some(format!("{call}: {fault}; {reason}")),
        }
    }
}

impl Skip {
    /// Whether nothing is missed by it: there was nothing to look at.
    pub(super) fn is_no_lack(self) -> bool {
        matches!(self, Self::Unsupported | Self::NotAsked)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Deadline => "deadline",
            Self::Blocked => "blocked",
            Self::Unsupported => "unsupported",
            Self::Busy => "busy",
            Self::Poisoned => "poisoned",
            Self::Cancelled => "cancelled",
            Self::NotAsked => "not asked",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Warn => "pass with warnings",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        })
    }
}

impl fmt::Display for Report {
    /// A table for a terminal of 100 columns, or of as many as the width says: `{report:120}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::table(self, f.width().unwrap_or(100)))
    }
}

/// All reports in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was done passed.
    Pass,
    /// It works, with warnings, or a part could not be looked at.
    Warn,
    /// Nothing could be said of a device at least: it is busy, or the time was over before a bit was checked there.
    Unknown,
    /// There is no driver, no device, or something fails.
    Fail,
}

/// What a caller is told while it goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// A check begins.
    Started {
        /// Which.
        id: CheckId,
        /// On which device.
        device: Option<GpuId>,
        /// How many reports there are already.
        done: u32,
        /// How many there will be. It grows once, when the devices are known.
        total: u32,
    },
    /// It has ended.
    Finished {
        /// How.
        report: CheckReport,
        /// How many reports there are with it.
        done: u32,
        /// How many there will be.
        total: u32,
    },
}

/// A duration as a number of seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
