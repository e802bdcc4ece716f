//! What the doctor says.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{CATALOGUE, Entry, Remedy};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::host::survey::Gap;
use crate::host::{Confidence, Evidence, Seen, Survey};

/// The stable name of an entry of the catalogue: `D01` to `D49`. In JSON it is this text.
///
/// ```
/// use nacp_core::host::doctor::FindingId;
///
/// let id: FindingId = "d18".parse()?;
/// assert_eq!(id.to_string(), "D18");
/// assert!("D99".parse::<FindingId>().is_err());
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingId(pub(super) u8);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Something does not work.
    Broken,
    /// It works and will not for long, or is not safe.
    Risk,
    /// It works; it is worth knowing.
    Note,
}

/// What a rule of the catalogue made of a survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is so, here is what was read.
    Found(Trace),
    /// It is not so.
    Clear,
    /// It cannot be so on these layers: why.
    NotHere(&'static str),
    /// It cannot be told: why.
    Unknown(String),
}

/// What a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What was read, and where; never empty.
    pub evidence: Vec<Evidence>,
    /// How much it proves.
    pub confidence: Confidence,
    /// What it is about, where it is not the machine: a container, a GPU.
    pub subject: Option<String>,
    /// What is so in this case and how bad it is, where that is less than the entry says: everything is there for the
    /// failure, and it has not happened.
    pub milder: Option<(Severity, &'static str)>,
    /// Whether it is of before: what was read happened, and the machine no longer shows it.
    pub past: bool,
}

impl Trace {
    /// What is so where a container failed once and nothing shows that it would again.
    const PAST: &'static str = "a container failed so before: it happened then, and here it no longer shows";

    /// What was read in one place, and proves it.
    pub fn of(source: impl Into<String>, value: impl Into<String>) -> Self {
        let evidence = vec![Evidence { source: source.into(), value: value.into() }];
        Self { evidence, confidence: Confidence::Certain, subject: None, milder: None, past: false }
    }

    /// The same with something else that was read.
    #[must_use]
    pub fn and(mut self, source: impl Into<String>, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence { source: source.into(), value: value.into() });
        self
    }

    /// The same, about this container or GPU.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The same, proving less.
    #[must_use]
    pub fn only(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// The same, of before: it is a note, and nothing has to be mended.
    #[must_use]
    pub fn past(self) -> Self {
        Self { past: true, ..self.milder(Severity::Note, Self::PAST) }
    }

    /// The same, where it is not as bad as the entry says: how bad, and what is so, in one line.
    #[must_use]
    pub fn milder(mut self, severity: Severity, title: &'static str) -> Self {
        self.milder = Some((severity, title));
        self
    }
}

/// Something that is wrong on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which entry of the catalogue.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// The error as users see it.
    pub symptom: String,
    /// What it is about, where it is not the machine: a container, a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was read, and where.
    pub evidence: Vec<Evidence>,
    /// How much that proves.
    pub confidence: Confidence,
    /// Why it happens.
    pub cause: String,
    /// How it is mended here.
    pub remedy: Remedy,
    /// Where it was reported and explained.
    pub links: Vec<String>,
}

/// How one entry of the catalogue was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Examined {
    /// Which entry.
    pub id: FindingId,
    /// `found`, `clear`, `not_here` or `unknown`.
    pub outcome: String,
    /// Why, where it is `not_here` or `unknown`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Everything that the doctor found, and what it looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Where the machine stands, in one line.
    pub host: String,
    /// Whether GPUs or drivers in it are simulated.
    pub simulated: bool,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Every entry of the catalogue and how it was answered, in order.
    pub examined: Vec<Examined>,
    /// What was not read whole: a daemon that did not answer, a reader that failed, containers that the caller did not want
    /// asked for. Entries that are unknown may be so for want of it.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// What a diagnosis comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Something does not work.
    Broken,
    /// Nothing broken was found, and not all could be looked at, for a daemon or a reader failed.
    Incomplete,
    /// Nothing is broken, as far as the catalogue knows. Entries for which nobody asks stay open, and there may be risks.
    Works,
}

impl Diagnosis {
    /// The finding of this entry, if the machine has it.
    pub fn by_id(&self, id: FindingId) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// The worst of the findings; none on a machine that has none.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).min()
    }

    /// The entries that could not be answered, with the reason.
    pub fn unknown(&self) -> impl Iterator<Item = &Examined> {
        self.examined.iter().filter(|examined| examined.outcome == "unknown")
    }

    /// How many entries were answered by looking: those that are found or clear.
    pub fn looked_at(&self) -> usize {
        self.examined.iter().filter(|examined| matches!(examined.outcome.as_str(), "found" | "clear")).count()
    }

    /// What it comes to. It is [`Incomplete`](Verdict::Incomplete) only where something failed that should have answered
    /// ([`gaps`](Self::gaps)), not where an entry is open because nobody had reason to ask.
    pub fn verdict(&self) -> Verdict {
        if self.worst() == Some(Severity::Broken) {
            Verdict::Broken
        } else if !self.gaps.is_empty() && self.unknown().next().is_some() {
            Verdict::Incomplete
        } else {
            Verdict::Works
        }
    }

    /// The first thing that does not work as an error; none where nothing is [`Broken`](Severity::Broken).
    pub fn error(&self) -> Option<Error> {
        let broken = |finding: &&Finding| finding.severity == Severity::Broken;
        let first = self.findings.iter().find(broken)?;
        let more = self.findings.iter().filter(broken).count() - 1;
        let mut error = Error::new(ErrorKind::DriverUnavailable, "host.doctor", &first.title).with("finding", first.id);
        if let Some(subject) = &first.subject {
            error = error.with("subject", subject);
        }
        if more > 0 {
            error = error.with("more", more);
        }
        Some(error.hint(&first.remedy.summary))
    }

    pub(super) fn of(survey: &Survey) -> Self {
        let simulated = survey.nvml.simulated || survey.cuda.simulated;
        let host = survey.host.summary();
        Self { host, simulated, findings: Vec::new(), examined: Vec::new(), gaps: gaps(survey) }
    }

    pub(super) fn add(&mut self, entry: &Entry, outcome: Outcome, survey: &Survey) {
        let (outcome, reason) = match outcome {
            Outcome::Found(trace) => {
                let (severity, title) = trace.milder.unwrap_or((entry.severity, entry.title));
                self.findings.push(Finding {
                    id: entry.id,
                    severity,
                    title: title.into(),
                    symptom: entry.symptoms.first().map(|symptom| symptom.all.join(" … ")).unwrap_or_default(),
                    subject: trace.subject,
                    evidence: trace.evidence,
                    confidence: trace.confidence,
                    cause: entry.cause.into(),
                    remedy: if trace.past { Remedy::again() } else { (entry.remedy)(survey) },
                    links: entry.links.iter().map(|link| (*link).into()).collect(),
                });
                ("found", String::new())
            }
            Outcome::Clear => ("clear", String::new()),
            Outcome::NotHere(reason) => ("not_here", reason.into()),
            Outcome::Unknown(reason) => ("unknown", reason),
        };
        self.examined.push(Examined { id: entry.id, outcome: outcome.into(), reason });
    }

    pub(super) fn finish(&mut self) {
        self.findings.sort_by_key(|finding| (finding.severity, Reverse(finding.confidence), finding.id));
    }
}

/// What failed to answer. Of daemons it is the one that `docker` would use, or any where none answered: another one that
/// is silent hides nothing of it.
fn gaps(survey: &Survey) -> Vec<Gap> {
    let none_answered = survey.daemon().is_none();
    let silent = survey.host.daemons.iter().filter(|daemon| daemon.chosen || none_answered);
    let daemons = silent.filter_map(|daemon| match &daemon.answer {
        Seen::Unreadable(why) => Some(Gap::of(format!("daemon {}", daemon.endpoint), why)),
        _ => None,
    });
    daemons.chain(survey.gaps.iter().cloned()).collect()
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("D{:02}", self.0))
    }
}

impl FindingId {
    /// Its entry in the catalogue; every id that was parsed has one.
    pub fn entry(self) -> Option<&'static Entry> {
        CATALOGUE.iter().find(|entry| entry.id == self)
    }
}

impl FromStr for FindingId {
    type Err = Error;

    /// Reads `D07`, in either case and with or without the zero.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim().strip_prefix(['D', 'd']).and_then(|digits| digits.parse().ok());
        if let Some(entry) = number.and_then(|number| Self(number).entry()) {
            return Ok(entry.id);
        }
        let error = Error::new(ErrorKind::NotFound, "host.doctor", "no such entry in the catalogue of failures")
            .with("id", format_args!("{text:?}"));
        let names: Vec<String> = CATALOGUE.iter().map(|entry| entry.id.to_string()).collect();
        Err(match nearest(text, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint("an id is a D and a number, such as D08"),
        })
    }
}

impl Severity {
    /// Its word: `broken`, `risk` or `note`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Risk => "risk",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for FindingId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FindingId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Any number: what a newer NACP has written can be read.
        let text = String::deserialize(deserializer)?;
        let number = text.strip_prefix('D').and_then(|digits| digits.parse().ok());
        number.map(Self).ok_or_else(|| serde::de::Error::custom(format!("no entry of the catalogue: {text}")))
    }
}
