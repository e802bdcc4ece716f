//! How to tell that a replica is ready, or still alive.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// How to tell that a replica is ready, or still alive: what is asked, how often, and when it counts.
///
/// In `nacp.yaml` one of `http`, `tcp`, `exec` and `log` stands beside the times:
/// `ready: { http: /healthz, within: 10m }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
#[non_exhaustive]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// How long it may take after the start until it first succeeds, written `90s` or `10m`; 1 second to 7 days, 1
    /// minute if it is not set. Failures within this time do not count.
    pub within: Duration,
    /// How long after one question the next one is asked; 5 seconds if it is not set. Until the first success NACP asks
    /// more often.
    pub every: Duration,
    /// How long one answer may take; 2 seconds if it is not set.
    pub timeout: Duration,
    /// How many answers in a row must be good until it counts as ready; 1 if it is not set.
    pub successes: u32,
    /// How many in a row must be bad until a replica that was ready no longer is; 3 if it is not set.
    pub failures: u32,
}

/// What a [`Probe`] asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// `GET` on this path, beginning with a slash, with a query if need be, as it stands in a request: a blank is `%20`.
    /// 200 to 399 is good.
    Http(String),
    /// The service's port takes a connection.
    Tcp,
    /// This program, run inside the container, ends with 0.
    Exec(Vec<String>),
    /// A line with this text has been written since the start.
    Log(String),
}

impl Probe {
    /// A probe that asks this, with the usual times.
    pub fn new(check: Check) -> Self {
        Self { check, within: WITHIN, every: EVERY, timeout: TIMEOUT, successes: 1, failures: 3 }
    }

    /// A probe of this path, within one minute.
    pub fn http(path: impl Into<String>) -> Self {
        Self::new(Check::Http(path.into()))
    }

    /// A probe of the service's port.
    pub fn tcp() -> Self {
        Self::new(Check::Tcp)
    }

    /// A probe that runs this program in the container.
    pub fn exec<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Self {
        Self::new(Check::Exec(command.into_iter().map(Into::into).collect()))
    }

    /// A probe that looks for this text in what the container writes.
    pub fn log(text: impl Into<String>) -> Self {
        Self::new(Check::Log(text.into()))
    }

    /// Sets how long it may take until it first succeeds.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// Sets the time between two questions.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// Sets how long one answer may take.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets how many good answers in a row count as ready, and how many bad ones as no longer ready.
    #[must_use]
    pub fn thresholds(mut self, successes: u32, failures: u32) -> Self {
        (self.successes, self.failures) = (successes, failures);
        self
    }
}

const WITHIN: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);

/// A probe as it stands in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tcp: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exec: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[serde(default = "within", with = "duration")]
    within: Duration,
    #[serde(default = "every", with = "duration", skip_serializing_if = "is_every")]
    every: Duration,
    #[serde(default = "timeout", with = "duration", skip_serializing_if = "is_timeout")]
    timeout: Duration,
    #[serde(default = "successes", skip_serializing_if = "is_successes")]
    successes: u32,
    #[serde(default = "failures", skip_serializing_if = "is_failures")]
    failures: u32,
}

fn within() -> Duration {
    WITHIN
}

fn every() -> Duration {
    EVERY
}

fn is_every(pause: &Duration) -> bool {
    *pause == EVERY
}

fn timeout() -> Duration {
    TIMEOUT
}

fn is_timeout(limit: &Duration) -> bool {
    *limit == TIMEOUT
}

fn successes() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_successes(count: &u32) -> bool {
    *count == successes()
}

fn failures() -> u32 {
    3
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_failures(count: &u32) -> bool {
    *count == failures()
}

impl TryFrom<Written> for Probe {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { http, tcp, exec, log, within, every, timeout, successes, failures } = written;
        let exec = (!exec.is_empty()).then_some(exec).map(Check::Exec);
        let mut checks =
            [http.map(Check::Http), tcp.then_some(Check::Tcp), exec, log.map(Check::Log)].into_iter().flatten();
        match (checks.next(), checks.next()) {
            (Some(check), None) => Ok(Self { check, within, every, timeout, successes, failures }),
            (None, _) => Err("a probe asks one thing; add `http`, `tcp`, `exec` or `log`"),
            (Some(_), Some(_)) => Err("a probe asks one thing; keep one of `http`, `tcp`, `exec` and `log`"),
        }
    }
}

impl From<Probe> for Written {
    fn from(probe: Probe) -> Self {
        let Probe { check, within, every, timeout, successes, failures } = probe;
        let none =
            Self { http: None, tcp: false, exec: Vec::new(), log: None, within, every, timeout, successes, failures };
        match check {
            Check::Http(path) => Self { http: Some(path), ..none },
            Check::Tcp => Self { tcp: true, ..none },
            Check::Exec(command) => Self { exec: command, ..none },
            Check::Log(text) => Self { log: Some(text), ..none },
        }
    }
}
