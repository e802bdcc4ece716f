//! As Markdown, for an issue.

use std::fmt::Write;

use super::{by_place, here};
use crate::cuda::check::page::cell;
use crate::host::Evidence;
use crate::host::doctor::{Diagnosis, Explanation, Remedy};

pub(super) fn diagnosis(diagnosis: &Diagnosis) -> String {
    // Writing to a text cannot fail.
    let mut out = format!("**Diagnosis: {}**\n\n{}\n", cell(&diagnosis.summary()), cell(&diagnosis.host));
    for finding in &diagnosis.findings {
        let subject = finding.subject.as_ref().map(|subject| format!(" ({})", cell(subject))).unwrap_or_default();
        let title = cell(&finding.title);
        let _ = writeln!(out, "\n### {} {}: {title}{subject}\n", finding.id, finding.severity);
        evidence(&mut out, &finding.evidence, &finding.confidence.to_string());
        let _ = writeln!(out, "\nWhy: {}.\n", cell(&finding.cause));
        remedy(&mut out, &finding.remedy);
        links(&mut out, &finding.links);
    }
    let open = diagnosis.open();
    if !open.is_empty() {
        out.push_str("\n<details><summary>not known</summary>\n\n| entries | why |\n|---|---|\n");
        for (reason, entries) in open {
            let ids: Vec<_> = entries.iter().map(|examined| examined.id.to_string()).collect();
            let _ = writeln!(out, "| {} | {} |", ids.join(" "), cell(reason));
        }
        out.push_str("\n</details>\n");
    }
    let _ = writeln!(out, "\nNACP {}", env!("CARGO_PKG_VERSION"));
    out
}

pub(super) fn explanation(explanation: &Explanation) -> String {
    let mut out = String::new();
    for one in &explanation.matches {
        let (seen, more) = here(one);
        let _ = writeln!(out, "### {} {seen} ({}): {}\n", one.id, one.severity, cell(&one.title));
        let _ = writeln!(out, "> {}\n", cell(&one.quote));
        if let Some(more) = more {
            let _ = writeln!(out, "{}.\n", sentence(&cell(&more)));
        }
        let _ = writeln!(out, "Why: {}.\n", cell(&one.cause));
        remedy(&mut out, &one.remedy);
        links(&mut out, &one.links);
        out.push('\n');
    }
    for number in &explanation.numbers {
        let _ = writeln!(out, "- {}", cell(&number.to_string()));
    }
    if !explanation.advice.is_empty() {
        let _ = writeln!(out, "{}.", sentence(&explanation.advice));
    }
    out
}

fn evidence(out: &mut String, evidence: &[Evidence], confidence: &str) {
    let _ = writeln!(out, "| read ({confidence}) | says |\n|---|---|");
    for one in evidence {
        let _ = writeln!(out, "| {} | {} |", cell(&one.source), cell(&one.value));
    }
}

fn remedy(out: &mut String, remedy: &Remedy) {
    way(out, "To mend it", remedy);
    for other in &remedy.alternatives {
        out.push('\n');
        way(out, "Or", other);
    }
}

/// One way to mend it, after the words that lead to it.
fn way(out: &mut String, words: &str, remedy: &Remedy) {
    let _ = writeln!(out, "{words}, {}.", cell(&remedy.summary));
    for (place, lines) in by_place(remedy) {
        let language = if place.contains("Windows") { "powershell" } else { "sh" };
        let _ = writeln!(out, "\nType {place}:\n\n```{language}\n{}\n```", lines.join("\n"));
    }
    if !remedy.note.is_empty() {
        let _ = writeln!(out, "\n{}.", sentence(&cell(&remedy.note)));
    }
}

fn links(out: &mut String, links: &[String]) {
    out.push('\n');
    for link in links {
        let _ = writeln!(out, "- <{link}>");
    }
}

/// With a capital letter, and without the full stop that follows.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}
