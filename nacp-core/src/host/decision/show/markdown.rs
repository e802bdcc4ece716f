//! A decision as Markdown.

use std::fmt::Write;

use super::words::{LEGEND, SIMULATED, headline, mean, parts, percent, reach, score, shares, word};
use crate::cuda::check::human;
use crate::cuda::check::page::cell as escape;
use crate::host::RuntimeOption;
use crate::host::decision::{Criterion, Decision};

pub(in crate::host::decision) fn text(decision: &Decision) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(out, "**{}**\n\n{}, {}\n", escape(&headline(decision)), escape(&decision.machine), decision.at);
    if decision.simulated {
        let _ = writeln!(out, "**{SIMULATED}**\n");
    }
    let row = |first: &str, of: &dyn Fn(RuntimeOption) -> String| {
        let cells = RuntimeOption::ALL.map(of);
        format!("| {first} | {} |\n", cells.join(" | "))
    };
    out.push_str(&row("", &|option| option.title().into()));
    out.push_str("|---|---|---|---|---|---|---|---|\n");
    let column = |option, of: &dyn Fn(&crate::host::decision::Column) -> String| {
        decision.column(option).map(of).unwrap_or_default()
    };
    out.push_str(&row("", &|option| column(option, &|it| reach(&it.reach).into())));
    for criterion in Criterion::ALL {
        out.push_str(&row(criterion.title(), &|option| decision.cell(option, criterion).map(word).unwrap_or_default()));
    }
    out.push_str(&row("**mean of what is known**", &|option| column(option, &mean)));
    out.push_str(&row("compared", &|option| column(option, &|it| score(it.compared))));
    out.push_str(&row("weight known", &|option| column(option, &|it| percent(it.known))));
    out.push_str(&row("weight measured", &|option| column(option, &|it| percent(it.measured))));
    let _ = writeln!(out, "\n{LEGEND}");
    if let Some(shares) = shares(decision) {
        let _ = writeln!(out, "\n{}", escape(&shares));
    }
    for (heading, lines) in parts(decision) {
        let _ = writeln!(out, "\n### {heading}\n");
        for line in lines {
            let _ = writeln!(out, "- {}", escape(&line));
        }
    }
    out.push_str("\n### Measured\n");
    for cell in &decision.cells {
        let Some(measured) = cell.measured() else { continue };
        let simulated = if measured.simulated { ", simulated" } else { "" };
        let from = measured.from.map(|from| format!(", measured on {from}: the same way")).unwrap_or_default();
        let head = format!(
            "{}, {}: {:.2}{simulated}, {} of it measured{from}",
            cell.option,
            cell.criterion,
            measured.score,
            percent(measured.share)
        );
        let _ = writeln!(out, "\n**{}**\n\n| figure | value | score | how |\n|---|---|---|---|", escape(&head));
        for figure in &measured.figures {
            let value = human(figure.value, figure.unit);
            let (name, how) = (escape(&figure.name), escape(&figure.rule));
            let _ = writeln!(
                out,
                "| {name} | {value} | {} | {how} |",
                figure.score.map_or_else(|| "–".into(), |it| format!("{it:.2}"))
            );
        }
        for (word, lines) in
            [("lacks", &measured.lacks), ("has besides", &measured.extra), ("not measured", &measured.missing)]
        {
            if !lines.is_empty() {
                let _ = writeln!(out, "\n{word}: {}", escape(&lines.join("; ")));
            }
        }
    }
    out
}
