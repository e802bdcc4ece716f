//! As a page that needs no other file.

use std::fmt::Write;

use super::{by_place, here};
use crate::cuda::check::page::{STYLE, escape};
use crate::host::doctor::{Diagnosis, Explanation, Finding, Remedy, Severity, Verdict};

/// What these pages have beside the common style: commands, and a wider column for ids.
const OWN_STYLE: &str = "summary, .plain { grid-template-columns: 4.5rem 3rem 1fr; }\n\
                         pre { margin: .25rem 0 .5rem; padding: .5rem .75rem; border: 1px solid var(--line); \
                         border-radius: .35rem; background: var(--back); white-space: pre-wrap; overflow-wrap: anywhere; \
                         font: .85rem ui-monospace, \"Cascadia Mono\", Menlo, Consolas, monospace; color: var(--text); }\n";

pub(super) fn diagnosis(diagnosis: &Diagnosis) -> String {
    let (word, class) = match (diagnosis.verdict(), diagnosis.worst()) {
        (Verdict::Broken, _) => ("broken", "fail"),
        (Verdict::Incomplete, _) => ("not known", "skip"),
        (Verdict::Works, Some(Severity::Risk)) => ("risk", "warn"),
        (Verdict::Works, Some(_)) => ("note", "skip"),
        (Verdict::Works, None) => ("well", "pass"),
    };
    let mut out = head("Diagnosis", word, class);
    // Writing to a text cannot fail.
    let _ = writeln!(out, "<p>{}</p>\n<p>{}</p>", escape(&diagnosis.host), escape(&diagnosis.summary()));
    if diagnosis.simulated {
        out.push_str("<p>GPUs or drivers are simulated: they do not exist.</p>\n");
    }
    if !diagnosis.findings.is_empty() {
        out.push_str("<h2>What is wrong</h2>\n<div class=\"checks\">\n");
        for finding in &diagnosis.findings {
            row(&mut out, finding);
        }
        out.push_str("</div>\n");
    }
    let open = diagnosis.open();
    if !open.is_empty() {
        out.push_str("<h2>What is not known</h2>\n<table><tr><th>entries</th><th>why</th></tr>\n");
        for (reason, entries) in open {
            let ids: Vec<_> = entries.iter().map(|examined| examined.id.to_string()).collect();
            let _ = writeln!(out, "<tr><td>{}</td><td>{}</td></tr>", ids.join(" "), escape(reason));
        }
        out.push_str("</table>\n");
    }
    tail(&mut out);
    out
}

fn row(out: &mut String, finding: &Finding) {
    let subject = finding.subject.as_ref().map(|subject| format!(" ({})", escape(subject))).unwrap_or_default();
    let _ = writeln!(
        out,
        "<details open><summary><span class=\"word {}\">{}</span><code>{}</code><span>{}{subject}</span></summary>\n\
         <div class=\"more\">",
        class(finding.severity),
        finding.severity,
        finding.id,
        escape(&finding.title)
    );
    let _ = writeln!(out, "<table><tr><th>read ({})</th><th>says</th></tr>", finding.confidence);
    for evidence in &finding.evidence {
        let (source, value) = (escape(&evidence.source), escape(&evidence.value));
        let _ = writeln!(out, "<tr><td>{source}</td><td><code>{value}</code></td></tr>");
    }
    let _ = writeln!(out, "</table>\n<p>Why: {}.</p>", escape(&finding.cause));
    remedy(out, &finding.remedy);
    links(out, &finding.links);
    out.push_str("</div></details>\n");
}

pub(super) fn explanation(explanation: &Explanation) -> String {
    let known = !explanation.matches.is_empty() || !explanation.numbers.is_empty();
    let mut out = head("Explanation", if known { "known" } else { "unknown" }, if known { "warn" } else { "skip" });
    out.push_str("<div class=\"checks\">\n");
    for one in &explanation.matches {
        let (seen, more) = here(one);
        // Red is for what is so here.
        let class = if one.here == "found" { class(one.severity) } else { "skip" };
        let _ = writeln!(
            out,
            "<details open><summary><span class=\"word {class}\">{}</span><code>{}</code><span>{seen}: {}</span></summary>\n\
             <div class=\"more\">\n<pre>{}</pre>",
            one.severity,
            one.id,
            escape(&one.title),
            escape(&one.quote)
        );
        if let Some(more) = more {
            let _ = writeln!(out, "<p>{}.</p>", escape(&more));
        }
        let _ = writeln!(out, "<p>Why: {}.</p>", escape(&one.cause));
        remedy(&mut out, &one.remedy);
        links(&mut out, &one.links);
        out.push_str("</div></details>\n");
    }
    out.push_str("</div>\n");
    for number in &explanation.numbers {
        let _ = writeln!(out, "<p>{}</p>", escape(&number.to_string()));
    }
    if !explanation.advice.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", escape(&explanation.advice));
    }
    tail(&mut out);
    out
}

fn remedy(out: &mut String, remedy: &Remedy) {
    way(out, "To mend it", remedy);
    for other in &remedy.alternatives {
        way(out, "Or", other);
    }
}

/// One way to mend it, after the words that lead to it.
fn way(out: &mut String, words: &str, remedy: &Remedy) {
    let _ = writeln!(out, "<p>{words}, {}.</p>", escape(&remedy.summary));
    for (place, lines) in by_place(remedy) {
        let _ = writeln!(out, "<p>Type {place}:</p>\n<pre>{}</pre>", escape(&lines.join("\n")));
    }
    if !remedy.note.is_empty() {
        let _ = writeln!(out, "<p>Note: {}</p>", escape(&remedy.note));
    }
}

fn links(out: &mut String, links: &[String]) {
    out.push_str("<p>");
    for link in links {
        let link = escape(link);
        let _ = write!(out, "<a href=\"{link}\">{link}</a><br>");
    }
    out.push_str("</p>\n");
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Broken => "fail",
        Severity::Risk => "warn",
        Severity::Note => "skip",
    }
}

fn head(title: &str, word: &str, class: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}: {word}</title>\n<style>\n{STYLE}{OWN_STYLE}\
         </style>\n</head>\n<body>\n<h1>{title} <span class=\"word {class}\">{word}</span></h1>\n"
    )
}

fn tail(out: &mut String) {
    let _ = writeln!(out, "<footer>NACP {}</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"));
}
