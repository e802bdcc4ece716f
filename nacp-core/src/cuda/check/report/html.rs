//! The report as a page.

use std::fmt::Write;

use super::text::heading;
use super::units::{human, named};
use super::{CheckReport, Report, Unit, Verdict};
use crate::cuda::check::page::{STYLE, escape};

/// A page that needs no other file and runs no script. Whatever is read from a driver is escaped.
pub(super) fn page(report: &Report) -> String {
    let verdict = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Unknown => "skip",
        Verdict::Fail => "fail",
    };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>CUDA check {0}: {1}</title>\n<style>\n{2}</style>\n\
         </head>\n<body>\n<h1>CUDA check {0} <span class=\"word {verdict}\">{1}</span></h1>\n",
        report.level, report.verdict, STYLE,
    );
    let took = human(report.elapsed.as_secs_f64(), Unit::Seconds);
    // Writing to a text cannot fail.
    let _ = writeln!(out, "<p>{}, in {took}</p>", report.started);
    if report.simulated {
        out.push_str("<p>The driver is simulated: its devices do not exist, and no time or rate means anything.</p>\n");
    }
    if let Some(probe) = &report.probe {
        let library = escape(&probe.library.to_string());
        let _ = writeln!(out, "<p>CUDA {} from <code>{library}</code></p>", probe.driver_version);
    }
    for (device, reports) in report.groups() {
        let _ = writeln!(out, "<h2>{}</h2>\n<div class=\"checks\">", escape(&heading(report, device)));
        for check in reports {
            row(&mut out, check);
        }
        out.push_str("</div>\n");
    }
    let _ = writeln!(out, "<footer>NACP {}</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"));
    out
}

fn row(out: &mut String, check: &CheckReport) {
    let word = check.status.word();
    let took = human(check.elapsed.as_secs_f64(), Unit::Seconds);
    let mut head = format!(
        "<span class=\"word {word}\">{word}</span><span class=\"what\" title=\"{}\"><code>{}</code></span>\
         <span class=\"time\">{took}</span><span>",
        escape(check.id.title()),
        check.id
    );
    if let Some(reason) = check.status.reason() {
        let _ = write!(head, "<span class=\"reason\">{}</span>", escape(&reason));
    }
    if !check.metrics.is_empty() {
        let metrics: Vec<String> =
            check.metrics.iter().map(|metric| format!("<span>{}</span>", escape(&named(metric)))).collect();
        let _ = write!(head, "<span class=\"metrics\">{}</span>", metrics.join(""));
    }
    head.push_str("</span>");
    if check.metrics.is_empty() && check.evidence.is_empty() {
        let _ = writeln!(out, "<div class=\"plain\">{head}</div>");
        return;
    }
    let _ = writeln!(out, "<details><summary>{head}</summary><div class=\"more\">");
    let _ = writeln!(out, "<p>{}</p>", escape(check.id.title()));
    if !check.metrics.is_empty() {
        out.push_str("<table><tr><th>measured</th><th>value</th><th>times</th><th>how</th></tr>\n");
        for metric in &check.metrics {
            let how = metric.formula.as_deref().unwrap_or_default();
            let value = human(metric.value, metric.unit);
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td>{value}</td><td>{}</td><td>{}</td></tr>",
                escape(&metric.name),
                metric.n,
                escape(how)
            );
        }
        out.push_str("</table>\n");
    }
    if !check.evidence.is_empty() {
        out.push_str("<table><tr><th>read</th><th>value</th><th>where</th></tr>\n");
        for evidence in &check.evidence {
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                escape(&evidence.what),
                escape(&evidence.value),
                escape(&evidence.source)
            );
        }
        out.push_str("</table>\n");
    }
    out.push_str("</div></details>\n");
}
