//! The picture: a panel of bars for each option, a bar for each criterion.
//!
//! A filled bar was measured, an outlined one was rated. Colour tells nothing that the form does not tell too.

use std::fmt::Write;

use super::words::{narrow_mean, percent, reach, score, short};
use crate::cuda::check::page::escape;
use crate::host::RuntimeOption;
use crate::host::decision::{Cell, Criterion, Decision, Value};

const LABELS: u32 = 178;
const PANEL: u32 = 118;
const BARS: f64 = 74.0;
const TOP: u32 = 58;
const ROW: u32 = 30;
const BAR: u32 = 16;

/// The picture as inline SVG.
pub(super) fn svg(decision: &Decision) -> String {
    let options = RuntimeOption::ALL;
    let rows = u32::try_from(Criterion::ALL.len()).unwrap_or(0);
    let panels = u32::try_from(options.len()).unwrap_or(0);
    let (width, height) = (LABELS + panels * PANEL, TOP + rows * ROW + 40);
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"Scores of each option by each criterion\">\n"
    );
    // Writing to a text cannot fail.
    for (row, criterion) in (0..).zip(Criterion::ALL) {
        let y = TOP + row * ROW + BAR - 3;
        let _ = writeln!(out, "<text class=\"label\" x=\"{}\" y=\"{y}\">{}</text>", LABELS - 14, criterion.title());
    }
    let y = TOP + rows * ROW + 18;
    let _ = writeln!(out, "<text class=\"label strong\" x=\"{}\" y=\"{y}\">mean of what is known</text>", LABELS - 14);
    for (place, option) in (0..).zip(options) {
        panel(&mut out, decision, option, LABELS + place * PANEL, y);
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, decision: &Decision, option: RuntimeOption, x: u32, bottom: u32) {
    let Some(column) = decision.column(option) else { return };
    let best = decision.recommendation.as_ref().is_some_and(|it| it.option == option);
    let class = match (best, column.reach.is_candidate()) {
        (true, _) => "panel best",
        (false, true) => "panel",
        (false, false) => "panel far",
    };
    let _ =
        writeln!(out, "<g class=\"{class}\"><title>{}: {}</title>", option.title(), escape(&column.reach.to_string()));
    if best {
        let _ = writeln!(
            out,
            "<rect class=\"frame\" x=\"{}\" y=\"4\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            x.saturating_sub(8),
            PANEL - 2,
            bottom + 12
        );
    }
    let _ = writeln!(out, "<text class=\"head\" x=\"{x}\" y=\"24\">{}</text>", short(option));
    let state = if best { "recommended" } else { reach(&column.reach) };
    let _ = writeln!(out, "<text class=\"state\" x=\"{x}\" y=\"42\">{state}</text>");
    for (row, criterion) in (0..).zip(Criterion::ALL) {
        if let Some(cell) = decision.cell(option, criterion) {
            bar(out, cell, x, TOP + row * ROW);
        }
    }
    let _ = writeln!(out, "<text class=\"total\" x=\"{x}\" y=\"{bottom}\">{}</text>", narrow_mean(column));
    if column.known < 1.0 {
        let told = narrow_mean(column);
        let of = if told == "?" { score(column.score) + " of " } else { "of ".into() };
        let (x, known) = (x + if told == "?" { 14 } else { 36 }, percent(column.known));
        let _ = writeln!(out, "<text class=\"state\" x=\"{x}\" y=\"{bottom}\">{of}{known}</text>");
    }
    out.push_str("</g>\n");
}

fn bar(out: &mut String, cell: &Cell, x: u32, y: u32) {
    let _ = writeln!(out, "<rect class=\"track\" x=\"{x}\" y=\"{y}\" width=\"{BARS}\" height=\"{BAR}\" rx=\"3\"/>");
    let Some(score) = cell.score() else {
        let _ = writeln!(out, "<text class=\"value\" x=\"{}\" y=\"{}\">?</text>", x + 80, y + BAR - 3);
        return;
    };
    let class = match &cell.value {
        Value::Measured(measured) if measured.simulated => "simulated",
        Value::Measured(_) => "measured",
        _ => "rated",
    };
    // A bar of nothing is a line, so that it is seen.
    let length = (score * BARS).max(2.0);
    let _ = writeln!(
        out,
        "<rect class=\"bar {class}\" x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"3\"><title>{}, {}: {score:.2} \
         {class}</title></rect><text class=\"value\" x=\"{}\" y=\"{}\">{score:.2}</text>",
        cell.option.title(),
        cell.criterion.title(),
        x + 80,
        y + BAR - 3
    );
}
