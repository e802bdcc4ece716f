//! From the text of an error to what it means.

use serde::{Deserialize, Serialize};

use super::{CATALOGUE, FindingId, Outcome, Remedy, Severity};
use crate::host::Survey;

/// What a text means, as far as the catalogue knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The entries whose words stand in the text, the likeliest first; empty where none does.
    pub matches: Vec<Match>,
}

/// One entry of the catalogue that a text fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Match {
    /// Which entry.
    pub id: FindingId,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// The part of the text that says so.
    pub quote: String,
    /// Why it happens.
    pub cause: String,
    /// Whether this machine shows it too: `found`, `clear`, `not_here` or `unknown`.
    pub here: String,
    /// How it is mended here.
    pub remedy: Remedy,
    /// Where it was reported and explained.
    pub links: Vec<String>,
}

/// Explains the text of an error: an error of a daemon, of a toolkit's program, of CUDA in a log. Pure.
///
/// Where two failures share one text, what was read on this machine decides which comes first.
pub fn explain(text: &str, survey: &Survey) -> Explanation {
    let mut matches = Vec::new();
    for entry in CATALOGUE {
        let Some(quote) = entry.symptoms.iter().find_map(|symptom| symptom.find(text)) else { continue };
        let outcome = (entry.examine)(survey);
        let (rank, here) = match outcome {
            Outcome::Found(_) => (0, "found"),
            Outcome::Unknown(_) => (1, "unknown"),
            Outcome::Clear => (2, "clear"),
            Outcome::NotHere(_) => (3, "not_here"),
        };
        let one = Match {
            id: entry.id,
            severity: entry.severity,
            title: entry.title.into(),
            quote: quote.into(),
            cause: entry.cause.into(),
            here: here.into(),
            remedy: (entry.remedy)(survey),
            links: entry.links.iter().map(|link| (*link).into()).collect(),
        };
        matches.push((rank, one));
    }
    // Stable: entries of one rank stay in the order of the catalogue.
    matches.sort_by_key(|(rank, _)| *rank);
    Explanation { matches: matches.into_iter().map(|(_, one)| one).collect() }
}
