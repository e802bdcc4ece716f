//! In a terminal.

use std::fmt;

use super::{by_place, here};
use crate::host::Confidence;
use crate::host::doctor::{Diagnosis, Explanation, Finding, FindingId, Remedy};
use crate::host::prose::wrap;

/// The widest line of prose, unless it is told.
const WIDTH: usize = 100;
/// Narrower than this no prose can be read.
const NARROWEST: usize = 40;
/// Before what belongs to a finding.
const INDENT: usize = 5;

/// Text of a certain width.
pub(super) struct Text(usize);

impl Text {
    /// As wide as the format says.
    pub(super) fn of(f: &fmt::Formatter<'_>) -> Self {
        Self(f.width().unwrap_or(WIDTH).max(NARROWEST))
    }

    pub(super) fn diagnosis(&self, diagnosis: &Diagnosis) -> String {
        let mut out = String::new();
        self.prose(&mut out, &diagnosis.host, 0);
        self.prose(&mut out, &diagnosis.summary(), 0);
        for one in &diagnosis.findings {
            out.push('\n');
            out.push_str(&self.finding(one));
        }
        let open = diagnosis.open();
        if !open.is_empty() {
            out.push_str("\nnot known:\n");
        }
        for (reason, entries) in open {
            let ids: Vec<_> = entries.iter().map(|examined| examined.id.to_string()).collect();
            self.prose(&mut out, &format!("{}: {reason}", ids.join(" ")), 2);
        }
        out.truncate(out.trim_end().len());
        out
    }

    pub(super) fn finding(&self, finding: &Finding) -> String {
        let subject = finding.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
        let sure = match finding.confidence {
            Confidence::Certain => String::new(),
            less => format!(", {less}"),
        };
        let mut out = String::new();
        self.head(&mut out, finding.id, &format!("{}{sure}: {}{subject}", finding.severity, finding.title));
        for evidence in &finding.evidence {
            self.prose(&mut out, &format!("{}: {}", evidence.source, evidence.value), INDENT + 2);
        }
        self.prose(&mut out, &format!("why: {}", finding.cause), INDENT);
        out.push_str(&self.remedy(&finding.remedy, INDENT));
        links(&mut out, &finding.links);
        out
    }

    pub(super) fn explanation(&self, explanation: &Explanation) -> String {
        let mut out = String::new();
        for (place, one) in explanation.matches.iter().enumerate() {
            if place > 0 {
                out.push('\n');
            }
            let (seen, more) = here(one);
            self.head(&mut out, one.id, &format!("{seen} ({}): {}", one.severity, one.title));
            let quote = one.quote.split_whitespace().collect::<Vec<_>>().join(" ");
            self.prose(&mut out, &format!("\"{quote}\""), INDENT + 2);
            if let Some(more) = more {
                self.prose(&mut out, &more, INDENT);
            }
            self.prose(&mut out, &format!("why: {}", one.cause), INDENT);
            out.push_str(&self.remedy(&one.remedy, INDENT));
            links(&mut out, &one.links);
        }
        if !explanation.matches.is_empty() && !explanation.numbers.is_empty() {
            out.push('\n');
        }
        for number in &explanation.numbers {
            self.prose(&mut out, &number.to_string(), 0);
        }
        if !explanation.advice.is_empty() {
            self.prose(&mut out, &explanation.advice, 0);
        }
        out.truncate(out.trim_end().len());
        out
    }

    pub(super) fn remedy(&self, remedy: &Remedy, indent: usize) -> String {
        let others = remedy.alternatives.iter().map(|other| self.way("or", other, indent));
        std::iter::once(self.way("mend", remedy, indent)).chain(others).collect()
    }

    /// One way to mend it, after the word that leads to it.
    fn way(&self, word: &str, remedy: &Remedy, indent: usize) -> String {
        let mut out = String::new();
        self.prose(&mut out, &format!("{word}: {}", remedy.summary), indent);
        for (place, lines) in by_place(remedy) {
            if place != "here" {
                self.prose(&mut out, &format!("{place}:"), indent);
            }
            for line in lines {
                // Commands are copied: a line of them is never broken.
                out.push_str(&format!("{:indent$}    {line}\n", ""));
            }
        }
        if !remedy.note.is_empty() {
            self.prose(&mut out, &format!("note: {}", remedy.note), indent);
        }
        out
    }

    /// The first line of an entry.
    fn head(&self, out: &mut String, id: FindingId, text: &str) {
        out.push_str(&format!("{id}  "));
        wrap(out, text, self.0, INDENT, INDENT);
    }

    /// Prose after so many blanks; the lines after the first two blanks further in.
    fn prose(&self, out: &mut String, text: &str, indent: usize) {
        out.push_str(&" ".repeat(indent));
        wrap(out, text, self.0, indent, indent + 2);
    }
}

fn links(out: &mut String, links: &[String]) {
    for link in links {
        out.push_str(&format!("{:INDENT$}{link}\n", ""));
    }
}
