//! From the text of an error to what it means.

mod numbers;

use serde::{Deserialize, Serialize};

pub use numbers::{ErrorFamily, ErrorNumber};

use super::symptom::Folded;
use super::{CATALOGUE, Entry, FindingId, Outcome, Remedy, Severity};
use crate::host::Survey;

/// As much of a text as is read: of a longer one, its end.
const MOST: usize = 256 * 1024;

/// What a text means, as far as the catalogue and the tables of numbers know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The entries whose words or numbers stand in the text, the likeliest first; empty where none does.
    pub matches: Vec<Match>,
    /// Numbers of errors in the text of which no entry speaks, in their order there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<ErrorNumber>,
    /// What can be done where nothing in the text is known; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
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
    /// Why that is not known here, or cannot be so here; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// How it is mended here.
    pub remedy: Remedy,
    /// Where it was reported and explained.
    pub links: Vec<String>,
}

/// Explains a text: an error of a daemon, of a toolkit's program, of CUDA, or a whole log with several of them. Pure.
///
/// Numbers count as well as words: CUDA's (`CUDA error 803`, `cudaErrorSystemNotReady`), NVML's, and Xids. What was read
/// on this machine decides which of two failures with one text comes first: one that is found here, then the one with the
/// longer quote, then the order of the catalogue. Of a text longer than 256 KiB the end is read.
///
/// ```
/// use nacp_core::host::{self, Survey, doctor};
///
/// let survey = Survey::of_host(host::detect());
/// let explained = doctor::explain("cuInit failed: CUDA error 803", &survey);
/// assert_eq!(explained.matches[0].id.to_string(), "D18");
/// ```
pub fn explain(text: &str, survey: &Survey) -> Explanation {
    let text = &text[text.ceil_char_boundary(text.len().saturating_sub(MOST))..];
    let folded = Folded::of(text);
    let found = numbers::all(text);
    let mut ranked = Vec::new();
    for entry in CATALOGUE {
        let by_words = entry.symptoms.iter().filter_map(|symptom| symptom.find_in(&folded)).max_by_key(|it| it.len());
        let by_number =
            || found.iter().find(|number| number.entry() == Some(entry.id)).map(|number| number.quote.as_str());
        let Some(quote) = by_words.or_else(by_number) else { continue };
        let (rank, one) = matched(entry, quote, survey);
        ranked.push(((rank > 0, usize::MAX - quote.len(), rank), one));
    }
    // Stable: entries of one rank stay in the order of the catalogue.
    ranked.sort_by_key(|(rank, _)| *rank);
    let matches: Vec<Match> = ranked.into_iter().map(|(_, one)| one).collect();
    let spoken = |number: &ErrorNumber| number.entry().is_some_and(|id| matches.iter().any(|one| one.id == id));
    let numbers: Vec<_> = found.into_iter().filter(|number| !spoken(number)).collect();
    let advice = if matches.is_empty() && numbers.is_empty() { advice(text) } else { String::new() };
    Explanation { matches, numbers, advice }
}

/// Explains one entry of the catalogue on this machine, as though its words stood in a text. Pure.
pub(super) fn explain_entry(id: FindingId, survey: &Survey) -> Explanation {
    let quoted = |entry: &Entry| entry.symptoms.first().map(|symptom| symptom.all.join(" … ")).unwrap_or_default();
    let matches = id.entry().map(|entry| matched(entry, &quoted(entry), survey).1).into_iter().collect();
    Explanation { matches, ..Explanation::default() }
}

fn matched(entry: &Entry, quote: &str, survey: &Survey) -> (u8, Match) {
    let (rank, here, why) = match (entry.examine)(survey) {
        Outcome::Found(_) => (0, "found", String::new()),
        Outcome::Unknown(why) => (1, "unknown", why),
        Outcome::Clear => (2, "clear", String::new()),
        Outcome::NotHere(why) => (3, "not_here", why.into()),
    };
    let one = Match {
        id: entry.id,
        severity: entry.severity,
        title: entry.title.into(),
        quote: quote.into(),
        cause: entry.cause.into(),
        here: here.into(),
        why,
        remedy: if here == "not_here" { elsewhere((entry.remedy)(survey), survey) } else { (entry.remedy)(survey) },
        links: entry.links.iter().map(|link| (*link).into()).collect(),
    };
    (rank, one)
}

/// What mends on another machine what cannot be on this one: on Windows without the commands of Linux, which nobody can type
/// here.
fn elsewhere(mut remedy: Remedy, survey: &Survey) -> Remedy {
    if survey.host.os.as_deref() == Some("windows") {
        remedy.commands.retain(|command| command.place != "here");
        remedy.alternatives.iter_mut().for_each(|other| other.commands.retain(|command| command.place != "here"));
    }
    remedy
}

/// What can be done about a text in which nothing is known.
fn advice(text: &str) -> String {
    if text.trim().is_empty() {
        return "there is no text to explain: give the error as it was written, with the lines before it".into();
    }
    "none of the known failures has these words. Give the whole error with the lines before it, since the first error of a \
     log is mostly the one that matters; let the doctor examine the machine without a text; and see whether `nvidia-smi` \
     works on the machine and in the container"
        .into()
}
