//! In a terminal.

use super::{by_place, here};
use crate::host::Confidence;
use crate::host::doctor::{Diagnosis, Explanation, Finding, Remedy};

/// The widest line of prose.
const WIDTH: usize = 100;
/// Before what belongs to a finding.
const INDENT: usize = 5;

pub(super) fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut out = format!("{}\n{}\n", diagnosis.host, diagnosis.summary());
    for one in &diagnosis.findings {
        out.push('\n');
        out.push_str(&finding(one));
    }
    let open = diagnosis.open();
    if !open.is_empty() {
        out.push_str("\nnot known:\n");
    }
    for (reason, entries) in open {
        let ids: Vec<_> = entries.iter().map(|examined| examined.id.to_string()).collect();
        prose(&mut out, &format!("{}: {reason}", ids.join(" ")), 2);
    }
    out.truncate(out.trim_end().len());
    out
}

pub(super) fn finding(finding: &Finding) -> String {
    let subject = finding.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
    let sure = match finding.confidence {
        Confidence::Certain => String::new(),
        less => format!(", {less}"),
    };
    let mut out = format!("{}  {}{sure}: {}{subject}\n", finding.id, finding.severity, finding.title);
    for evidence in &finding.evidence {
        prose(&mut out, &format!("{}: {}", evidence.source, evidence.value), INDENT + 2);
    }
    prose(&mut out, &format!("why: {}", finding.cause), INDENT);
    out.push_str(&remedy(&finding.remedy, INDENT));
    links(&mut out, &finding.links);
    out
}

pub(super) fn explanation(explanation: &Explanation) -> String {
    let mut out = String::new();
    for (place, one) in explanation.matches.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        out.push_str(&format!("{}  {}: {}\n", one.id, one.severity, one.title));
        prose(&mut out, &format!("\"{}\"", one.quote.split_whitespace().collect::<Vec<_>>().join(" ")), INDENT + 2);
        prose(&mut out, &here(&one.here, &one.why), INDENT);
        prose(&mut out, &format!("why: {}", one.cause), INDENT);
        out.push_str(&remedy(&one.remedy, INDENT));
        links(&mut out, &one.links);
    }
    if !explanation.matches.is_empty() && !explanation.numbers.is_empty() {
        out.push('\n');
    }
    for number in &explanation.numbers {
        prose(&mut out, &number.to_string(), 0);
    }
    if !explanation.advice.is_empty() {
        prose(&mut out, &explanation.advice, 0);
    }
    out.truncate(out.trim_end().len());
    out
}

pub(super) fn remedy(remedy: &Remedy, indent: usize) -> String {
    let others = remedy.alternatives.iter().map(|other| way("or", other, indent));
    std::iter::once(way("mend", remedy, indent)).chain(others).collect()
}

/// One way to mend it, after the word that leads to it.
fn way(word: &str, remedy: &Remedy, indent: usize) -> String {
    let mut out = String::new();
    prose(&mut out, &format!("{word}: {}", remedy.summary), indent);
    for (place, lines) in by_place(remedy) {
        if place != "here" {
            prose(&mut out, &format!("{place}:"), indent);
        }
        for line in lines {
            // Commands are copied: a line of them is never broken.
            out.push_str(&format!("{:indent$}    {line}\n", ""));
        }
    }
    if !remedy.note.is_empty() {
        prose(&mut out, &format!("note: {}", remedy.note), indent);
    }
    out
}

fn links(out: &mut String, links: &[String]) {
    for link in links {
        out.push_str(&format!("{:INDENT$}{link}\n", ""));
    }
}

/// Writes prose in lines of at most [`WIDTH`], each after so many blanks; those after the first two blanks further in.
fn prose(out: &mut String, text: &str, indent: usize) {
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used == 0 {
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if used + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent + 2));
            used = indent + 2;
        } else {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}
