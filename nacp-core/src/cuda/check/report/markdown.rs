//! The report as Markdown.

use std::fmt::Write;

use super::text::heading;
use super::units::{human, named};
use super::{Report, Unit};
use crate::cuda::check::page::cell;

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    let simulated = if report.simulated { " (simulated driver)" } else { "" };
    let took = human(report.elapsed.as_secs_f64(), Unit::Seconds);
    // Writing to a text cannot fail.
    let _ =
        writeln!(out, "**CUDA check {}: {}** in {took}{simulated}, {}", report.level, report.verdict, report.started);
    if let Some(probe) = &report.probe {
        let _ = writeln!(out, "\nCUDA {} from `{}`", probe.driver_version, probe.library.path.display());
    }
    for (device, reports) in report.groups() {
        let _ = writeln!(out, "\n{}\n\n| | check | time | found |\n|---|---|---|---|", cell(&heading(report, device)));
        for check in reports {
            let metrics: Vec<String> = check.metrics.iter().map(named).collect();
            let found: Vec<String> = check.status.reason().into_iter().chain(metrics).map(|text| cell(&text)).collect();
            let took = human(check.elapsed.as_secs_f64(), Unit::Seconds);
            let _ = writeln!(out, "| {} | `{}` | {took} | {} |", check.status.word(), check.id, found.join("; "));
        }
    }
    out
}
