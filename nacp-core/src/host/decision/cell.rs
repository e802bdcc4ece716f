//! One cell of the comparison: an option by a criterion.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Criterion;
use crate::cuda::check::Unit;
use crate::host::{Evidence, RuntimeOption};

/// What is known of one option by one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cell {
    /// Which option.
    pub option: RuntimeOption,
    /// By which criterion.
    pub criterion: Criterion,
    /// What is known.
    pub value: Value,
    /// The founding document's own word on it, also where it was measured; none where the document says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rated: Option<Rated>,
    /// Why it was not measured on this machine; none where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmeasured: Option<String>,
    /// What others have published about it. It is shown, and never counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
}

/// How much is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Value {
    /// It was measured, or read, on this machine.
    Measured(Measured),
    /// The founding document rates it; nobody measured it here.
    Rated(Rated),
    /// Neither: why.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// A measured cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measured {
    /// The score: 0 is the worst, 1 the best.
    pub score: f64,
    /// Which part of the criterion was measured: the weight of what was, by the weight of all that belongs to it, from 0 to
    /// 1. What could not be looked at is no part of the score, and this says how much that was.
    #[serde(default = "whole")]
    pub share: f64,
    /// Whether something of it comes from simulated devices, so that it says nothing of any real one.
    #[serde(default)]
    pub simulated: bool,
    /// The option on which it was measured, where that is another one on the same way to the GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RuntimeOption>,
    /// What was measured, and what each figure counts.
    pub figures: Vec<Figure>,
    /// What the reference has and this machine has not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// What this machine has and the reference has not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<String>,
    /// What belongs to the criterion and was not measured, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What was read, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// How the score was computed.
    pub rule: String,
}

/// One measured number and what it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// What, such as `thr.fma fma_flops`, or a question such as `grave Xids`.
    pub name: String,
    /// The value, in its unit.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// Its score from 0 to 1; none where it is told and not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// How much it counts among the others of its cell.
    pub weight: f64,
    /// How its score was computed, or why it is not judged.
    pub rule: String,
}

/// The founding document's word, as a step of five. It was rated, not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rated {
    /// The step.
    pub rating: Rating,
    /// Why, by what the document says.
    pub reason: String,
    /// Options that are the same thing by this criterion, because they share one way to the GPU: what is measured on one
    /// of them holds here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<RuntimeOption>,
}

/// A step of five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// 0.
    Poor,
    /// 0.25.
    Weak,
    /// 0.5.
    Fair,
    /// 0.75.
    Good,
    /// 1.
    Strong,
}

/// What somebody has published about a cell: no measurement of NACP's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Published {
    /// What it says.
    pub claim: String,
    /// Who says so.
    pub source: String,
    /// The year, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Whether it is one person's experience, without a method that could be repeated.
    pub anecdote: bool,
}

/// Where nothing is said, all of it was measured.
const fn whole() -> f64 {
    1.0
}

/// Twelve digits that count: what is read back from text is then the same number.
pub(super) fn significant(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

/// Six digits: more than any measurement has, and as many as text keeps.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

impl Rating {
    /// The step as a score from 0 to 1.
    pub const fn score(self) -> f64 {
        match self {
            Self::Poor => 0.0,
            Self::Weak => 0.25,
            Self::Fair => 0.5,
            Self::Good => 0.75,
            Self::Strong => 1.0,
        }
    }

    /// The step in a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Poor => "poor",
            Self::Weak => "weak",
            Self::Fair => "fair",
            Self::Good => "good",
            Self::Strong => "strong",
        }
    }
}

impl Figure {
    /// A number that is judged; the score is held within 0 and 1.
    pub(super) fn judged(name: impl Into<String>, value: f64, unit: Unit, score: f64, rule: impl Into<String>) -> Self {
        let score = score.is_finite().then(|| rounded(score.clamp(0.0, 1.0)));
        Self { name: name.into(), value: significant(value), unit, score, weight: 1.0, rule: rule.into() }
    }

    /// A number that is told and not judged.
    pub(super) fn told(name: impl Into<String>, value: f64, unit: Unit, why: impl Into<String>) -> Self {
        Self { name: name.into(), value: significant(value), unit, score: None, weight: 0.0, rule: why.into() }
    }

    /// A question that was answered with yes or no, and yes is better.
    pub(super) fn answer(name: impl Into<String>, yes: bool, weight: f64, rule: impl Into<String>) -> Self {
        let value = f64::from(u8::from(yes));
        Self { weight, ..Self::judged(name, value, Unit::Count, value, rule) }
    }
}

impl Measured {
    /// The mean of the judged figures by their weights; nothing where none is judged.
    pub(super) fn of(rule: &str, figures: Vec<Figure>) -> Option<Self> {
        let judged = || figures.iter().filter_map(|figure| Some((figure.score?, figure.weight)));
        let weight: f64 = judged().map(|(_, weight)| weight).sum();
        if weight <= 0.0 || !weight.is_finite() {
            return None;
        }
        let score = judged().map(|(score, weight)| score * weight).sum::<f64>() / weight;
        Some(Self {
            score: rounded(score.clamp(0.0, 1.0)),
            share: 1.0,
            simulated: false,
            from: None,
            figures,
            lacks: Vec::new(),
            extra: Vec::new(),
            missing: Vec::new(),
            evidence: Vec::new(),
            rule: rule.into(),
        })
    }

    /// The same as a part of a criterion of which so much weight could not be measured.
    #[must_use]
    pub(super) fn without(mut self, unmeasured: f64) -> Self {
        let judged = self.figures.iter().filter(|figure| figure.score.is_some());
        let weight: f64 = judged.map(|figure| figure.weight).sum();
        self.share = rounded((weight / (weight + unmeasured.max(0.0))).clamp(0.0, 1.0));
        self
    }

    /// The same with something else that was read.
    #[must_use]
    pub(super) fn and(mut self, source: impl Into<String>, value: impl Into<String>) -> Self {
        self.evidence.push(Evidence { source: source.into(), value: value.into() });
        self
    }
}

impl Cell {
    /// The score that this cell shows: measured, or the document's step; none where it is unknown.
    pub fn score(&self) -> Option<f64> {
        match &self.value {
            Value::Measured(measured) => Some(measured.score),
            Value::Rated(rated) => Some(rated.rating.score()),
            Value::Unknown { .. } => None,
        }
    }

    /// What was measured, where something was.
    pub fn measured(&self) -> Option<&Measured> {
        if let Value::Measured(measured) = &self.value { Some(measured) } else { None }
    }

    /// Whether something in it comes from simulated devices.
    pub fn is_simulated(&self) -> bool {
        self.measured().is_some_and(|measured| measured.simulated)
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.anecdote { ", an anecdote" } else { "" };
        match self.year {
            Some(year) => write!(f, "{} (published: {}, {year}{kind})", self.claim, self.source),
            None => write!(f, "{} (published: {}{kind})", self.claim, self.source),
        }
    }
}
