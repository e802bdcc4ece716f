//! The report in a terminal.

use std::fmt::Write;

use super::units::{human, named};
use super::{CheckReport, Report, Status, Unit};
use crate::gpu::GpuId;

/// The narrowest table that can be read.
const NARROWEST: usize = 60;
/// Where a reason begins.
const INDENT: usize = 8;
/// The columns before the metrics: two blanks, the word, the check, the time.
const BEFORE: usize = 2 + 6 + 17 + 9;

/// A table of at most this width, words that are longer apart.
pub(super) fn table(report: &Report, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    let simulated = if report.simulated { ", simulated driver" } else { "" };
    line(
        &mut out,
        &format!(
            "CUDA check {}: {} in {}{simulated}",
            report.level,
            report.verdict,
            human(report.elapsed.as_secs_f64(), Unit::Seconds)
        ),
    );
    if let Some(probe) = &report.probe {
        wrap(&mut out, &format!("CUDA {} from {}", probe.driver_version, probe.library), 0, width);
    }
    let unknown: Vec<&str> = report.unknown().into_iter().map(GpuId::as_str).collect();
    if !unknown.is_empty() {
        wrap(&mut out, &format!("not known whether it works: {}", unknown.join(", ")), 0, width);
    }
    for (device, reports) in report.groups() {
        line(&mut out, "");
        wrap(&mut out, &heading(report, device), 0, width);
        rows(&mut out, &reports, width);
    }
    out.truncate(out.trim_end().len());
    out
}

/// What a group is about.
pub(super) fn heading(report: &Report, device: Option<&GpuId>) -> String {
    let Some(id) = device else { return "machine".to_owned() };
    match report.device(id) {
        Some(device) => {
            format!("{id} {}, compute capability {}, {}", device.name, device.compute, device.memory)
        }
        None => id.to_string(),
    }
}

fn rows(out: &mut String, reports: &[&CheckReport], width: usize) {
    let mut left = reports;
    while let Some((first, rest)) = left.split_first() {
        // What was skipped for one reason is told once.
        let same = rest.iter().take_while(|next| skipped_alike(first, next)).count();
        let (alike, after) = rest.split_at_checked(same).unwrap_or((rest, &[]));
        left = after;
        if alike.is_empty() {
            row(out, first, width);
        } else {
            let names: Vec<&str> = [*first].into_iter().chain(alike.iter().copied()).map(|it| it.id.name()).collect();
            wrap_after(out, &format!("  {:<6}", first.status.word()), &names.join(", "), INDENT, width);
        }
        if let Some(reason) = first.status.reason() {
            wrap(out, &reason, INDENT, width);
        }
    }
}

fn skipped_alike(one: &CheckReport, other: &CheckReport) -> bool {
    matches!(one.status, Status::Skipped { .. })
        && one.status == other.status
        && [one, other].iter().all(|report| report.metrics.is_empty())
}

fn row(out: &mut String, report: &CheckReport, width: usize) {
    let took = human(report.elapsed.as_secs_f64(), Unit::Seconds);
    let mut text = format!("  {:<6}{:<17}{took:<9}", report.status.word(), report.id);
    let mut used = BEFORE;
    for (at, metric) in report.metrics.iter().enumerate() {
        let metric = named(metric);
        let separator = if at == 0 { "" } else { ", " };
        let more = report.metrics.len() - at;
        // Room for the number of those that do not fit.
        let room = if more > 1 { 4 } else { 0 };
        let length = separator.len() + metric.chars().count();
        if used + length + room > width {
            let _ = write!(text, "{}+{more}", if at == 0 { "" } else { " " });
            break;
        }
        used += length;
        text.push_str(separator);
        text.push_str(&metric);
    }
    line(out, &text);
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// Writes the text in lines of this width, each after so many blanks.
fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    wrap_after(out, &" ".repeat(indent), text, indent, width);
}

fn wrap_after(out: &mut String, head: &str, text: &str, indent: usize, width: usize) {
    let mut current = head.to_owned();
    let mut used = head.chars().count();
    let mut empty = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !empty && used + 1 + length > width {
            line(out, &current);
            current = " ".repeat(indent);
            used = indent;
            empty = true;
        }
        if !empty {
            current.push(' ');
            used += 1;
        }
        current.push_str(word);
        used += length;
        empty = false;
    }
    line(out, &current);
}
