//! What the doctor says, as people read it: in a terminal, in an issue, as a page.

mod html;
mod markdown;
mod text;

use std::fmt;

use serde::Serialize;
use text::Text;

use super::{Diagnosis, Doctor, Examined, Explanation, Finding, Match, Remedy, Severity, Verdict};

impl Diagnosis {
    /// As JSON, with its [`verdict`](Self::verdict): its fields are stable, new ones may come.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.with_verdict()).unwrap_or_default()
    }

    /// What [`to_json`](Self::to_json) writes, for another form of JSON.
    pub fn with_verdict(&self) -> impl Serialize + '_ {
        Document { verdict: self.verdict(), diagnosis: self }
    }

    /// As Markdown, for an issue: what is wrong, each finding with its evidence folded, and what could not be told.
    pub fn markdown(&self) -> String {
        markdown::diagnosis(self)
    }

    /// As a page that needs no other file and runs no script.
    pub fn html(&self) -> String {
        html::diagnosis(self)
    }

    /// How many entries were answered in this way: `found`, `clear`, `not_here`, `unknown`.
    fn count(&self, outcome: &str) -> usize {
        self.examined.iter().filter(|examined| examined.outcome == outcome).count()
    }

    /// The whole in one line: what is wrong, or among how many of the known failures nothing was found; and how many could
    /// not be looked at, with what failed to answer.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for severity in [Severity::Broken, Severity::Risk, Severity::Note] {
            let count = self.findings.iter().filter(|finding| finding.severity == severity).count();
            match count {
                0 => {}
                1 => parts.push(format!("1 {severity}")),
                _ if severity == Severity::Broken => parts.push(format!("{count} broken")),
                _ => parts.push(format!("{count} {severity}s")),
            }
        }
        let simulated = if self.simulated { " (simulated GPUs)" } else { "" };
        let open = self.unknown().count();
        let told = if parts.is_empty() {
            let known = self.examined.len();
            let elsewhere = match self.count("not_here") {
                0 => String::new(),
                count => format!("; {count} cannot be so here"),
            };
            format!("nothing found among {} of {known} known failures{simulated}{elsewhere}", self.looked_at())
        } else {
            format!("{}{simulated}", parts.join(", "))
        };
        let gaps: Vec<_> = self.gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect();
        match (open, gaps.is_empty()) {
            (0, _) => told,
            (_, true) => format!("{told}; {open} could not be looked at"),
            (_, false) => format!("{told}; {open} could not be looked at ({})", gaps.join("; ")),
        }
    }

    /// Reasons why entries could not be answered, each once, with the entries.
    fn open(&self) -> Vec<(&str, Vec<&Examined>)> {
        let mut groups: Vec<(&str, Vec<&Examined>)> = Vec::new();
        for examined in self.unknown() {
            match groups.iter_mut().find(|(reason, _)| *reason == examined.reason) {
                Some((_, entries)) => entries.push(examined),
                None => groups.push((&examined.reason, vec![examined])),
            }
        }
        groups
    }
}

/// A diagnosis as programs read it: with what it comes to.
#[derive(Serialize)]
struct Document<'a> {
    verdict: Verdict,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
}

impl Explanation {
    /// As JSON: its fields are stable, new ones may come.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// As Markdown, for an issue.
    pub fn markdown(&self) -> String {
        markdown::explanation(self)
    }

    /// As a page that needs no other file and runs no script.
    pub fn html(&self) -> String {
        html::explanation(self)
    }
}

impl Doctor {
    /// As JSON: the diagnosis, and below `survey` all that it rests on.
    pub fn to_json(&self) -> String {
        let whole = serde_json::json!({ "diagnosis": self.diagnosis.with_verdict(), "survey": self.survey });
        serde_json::to_string_pretty(&whole).unwrap_or_default()
    }
}

impl fmt::Display for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnosis.fmt(f)
    }
}

impl fmt::Display for Diagnosis {
    /// What is wrong first, with what says so and how it is mended; then what could not be told. `{diagnosis:80}` writes
    /// prose in lines of 80 columns; without a width it is 100.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Text::of(f).diagnosis(self))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(f).finding(self).trim_end())
    }
}

impl fmt::Display for Explanation {
    /// What it means, likeliest first; or what can be done where nothing is known. `{explanation:80}` writes prose in
    /// lines of 80 columns; without a width it is 100.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Text::of(f).explanation(self))
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(f).remedy(self, 0).trim_end())
    }
}

/// Where commands are typed, as a heading for them.
fn place(place: &str) -> &'static str {
    match place {
        "windows" => "on Windows, in PowerShell",
        "host" => "on the machine outside of this container",
        "container" => "in the container",
        _ => "here",
    }
}

/// The commands of a remedy in their order, those of one place together.
fn by_place(remedy: &Remedy) -> Vec<(&'static str, Vec<&str>)> {
    let mut groups: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for command in &remedy.commands {
        let place = place(&command.place);
        match groups.last_mut() {
            Some((last, lines)) if *last == place => lines.push(&command.line),
            _ => groups.push((place, vec![&command.line])),
        }
    }
    groups
}

/// What an explanation says of this machine, in two words and, where there is more to say, in a sentence.
fn here(one: &Match) -> (&'static str, Option<String>) {
    match one.here.as_str() {
        "found" => ("found here", None),
        "clear" => ("not seen here", None),
        "not_here" => ("not here", Some(format!("it cannot be so on this machine: {}", one.why))),
        _ => ("not known here", Some(format!("whether this machine has it is not known: {}", one.why))),
    }
}

#[cfg(test)]
mod tests;
