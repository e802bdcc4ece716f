//! How much each criterion counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Criterion;
use crate::error::{Error, ErrorKind, Result};

/// How much each criterion counts. Only their proportions matter.
///
/// By default each counts 1: the founding document names no weights.
///
/// ```
/// use nacp_core::host::decision::{Criterion, Weights};
///
/// let weights = Weights::default().with("throughput", 3.0)?.with("parity", 0.0)?;
/// assert_eq!(weights.of(Criterion::Throughput), 3.0);
/// assert!(weights.with("troughput", 1.0).unwrap_err().to_string().contains("throughput"));
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Criterion, f64>", into = "BTreeMap<Criterion, f64>")]
pub struct Weights(BTreeMap<Criterion, f64>);

impl Weights {
    /// These weights by the criteria's names; a criterion that is not named counts nothing.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) where a name is no criterion's, a weight is not a finite number of 0
    /// or more, or all are 0.
    pub fn new<N: AsRef<str>>(weights: impl IntoIterator<Item = (N, f64)>) -> Result<Self> {
        let mut by_criterion = BTreeMap::new();
        for (name, weight) in weights {
            by_criterion.insert(name.as_ref().parse::<Criterion>()?, weight);
        }
        by_criterion.try_into()
    }

    /// The same with another weight for one criterion.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with(mut self, name: &str, weight: f64) -> Result<Self> {
        self.0.insert(name.parse()?, weight);
        self.0.try_into()
    }

    /// The weight of a criterion.
    pub fn of(&self, criterion: Criterion) -> f64 {
        self.0.get(&criterion).copied().unwrap_or(0.0)
    }

    /// The sum of all.
    pub(super) fn total(&self) -> f64 {
        self.0.values().sum()
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self(Criterion::ALL.into_iter().map(|criterion| (criterion, 1.0)).collect())
    }
}

impl TryFrom<BTreeMap<Criterion, f64>> for Weights {
    type Error = Error;

    fn try_from(mut weights: BTreeMap<Criterion, f64>) -> Result<Self> {
        let refuse = |message: &str| Error::new(ErrorKind::InvalidArgument, "host.evaluate", message);
        for (criterion, weight) in &weights {
            if !weight.is_finite() || *weight < 0.0 {
                return Err(refuse("a weight is not a number of 0 or more")
                    .with("criterion", criterion.name())
                    .with("weight", weight)
                    .hint("write 0 for a criterion that does not count"));
            }
        }
        for criterion in Criterion::ALL {
            weights.entry(criterion).or_insert(0.0);
        }
        let total: f64 = weights.values().sum();
        if total <= 0.0 {
            return Err(refuse("every weight is 0").hint("give at least one criterion a weight above 0"));
        }
        if !total.is_finite() {
            return Err(refuse("the weights are too large to be added up").hint("only their proportions matter"));
        }
        Ok(Self(weights))
    }
}

impl From<Weights> for BTreeMap<Criterion, f64> {
    fn from(weights: Weights) -> Self {
        weights.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_mean_nothing_are_refused() {
        for (weights, word) in [
            (vec![("throughput", f64::NAN)], "not a number of 0 or more"),
            (vec![("throughput", f64::INFINITY)], "not a number of 0 or more"),
            (vec![("throughput", -1.0)], "not a number of 0 or more"),
            (vec![("throughput", 0.0)], "every weight is 0"),
            (vec![], "every weight is 0"),
            (vec![("throughput", f64::MAX), ("parity", f64::MAX)], "too large"),
            (vec![("paritty", 1.0)], "did you mean parity?"),
        ] {
            let error = Weights::new(weights.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(word), "{weights:?}: {error}");
        }
        assert!(serde_json::from_str::<Weights>(r#"{"parity": -2}"#).is_err());
    }

    #[test]
    fn a_criterion_that_is_not_named_counts_nothing() {
        let weights = Weights::new([("parity", 2.0)]).unwrap();
        assert_eq!((weights.of(Criterion::Parity), weights.of(Criterion::Devops), weights.total()), (2.0, 0.0, 2.0));
        let json = serde_json::to_string(&weights).unwrap();
        assert_eq!(serde_json::from_str::<Weights>(&json).unwrap(), weights);
    }
}
