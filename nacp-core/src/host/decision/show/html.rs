//! A decision as a page.

use std::fmt::Write;

use super::chart::svg;
use super::words::{SIMULATED, headline, mean, parts, percent, reach, score, shares, short, word};
use crate::cuda::check::human;
use crate::cuda::check::page::{STYLE, escape};
use crate::host::RuntimeOption;
use crate::host::decision::{Cell, Column, Criterion, Decision, Measured, Value};

/// A page that needs no other file and runs no script. Whatever was read is escaped.
pub(in crate::host::decision) fn page(decision: &Decision) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Runtime options on {0}</title>\n<style>\n{STYLE}{1}</style>\n\
         </head>\n<body>\n<h1>Runtime options</h1>\n<p>{0}, {2}</p>\n",
        escape(&decision.machine),
        include_str!("decision.css"),
        decision.at
    );
    // Writing to a text cannot fail.
    let _ = writeln!(out, "<p class=\"lead\">{}</p>", escape(&headline(decision)));
    if decision.simulated {
        let _ = writeln!(out, "<p class=\"warning\">{SIMULATED}</p>");
    }
    let _ = write!(out, "<div class=\"picture\">{}</div>\n{}", svg(decision), key(decision));
    for (heading, lines) in parts(decision) {
        let _ = writeln!(out, "<h2>{heading}</h2>\n<ul>");
        for line in lines {
            let _ = writeln!(out, "<li>{}</li>", escape(&line));
        }
        out.push_str("</ul>\n");
    }
    table(&mut out, decision);
    out.push_str("<h2>Cells</h2>\n<div class=\"cells\">\n");
    for criterion in Criterion::ALL {
        for cell in decision.cells.iter().filter(|cell| cell.criterion == criterion) {
            details(&mut out, cell);
        }
    }
    let _ = writeln!(out, "</div>\n<footer>NACP {}</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"));
    out
}

fn key(decision: &Decision) -> String {
    let simulated =
        if decision.simulated { "<span><i class=\"simulated\"></i>measured on a simulated device</span>" } else { "" };
    format!(
        "<p class=\"key\"><span><i></i>measured here</span>{simulated}<span><i class=\"rated\"></i>rated by the founding \
         document, not measured</span><span>? unknown</span><span>1 is best</span></p>\n"
    )
}

fn table(out: &mut String, decision: &Decision) {
    let best = |option| decision.recommendation.as_ref().is_some_and(|it| it.option == option);
    let class = |option| if best(option) { " class=\"best\"" } else { "" };
    out.push_str("<h2>The table</h2>\n<div class=\"grid\"><table>\n<tr><th></th>");
    for option in RuntimeOption::ALL {
        let _ = write!(out, "<th title=\"{}\">{}</th>", option.title(), short(option));
    }
    out.push_str("<th>weight</th></tr>\n");
    for criterion in Criterion::ALL {
        let _ = write!(out, "<tr><th title=\"{}\">{}</th>", escape(criterion.rule()), criterion.title());
        for option in RuntimeOption::ALL {
            let Some(cell) = decision.cell(option, criterion) else { continue };
            let rated = if matches!(cell.value, Value::Rated(_)) { " rated" } else { "" };
            let best = if best(option) { "best" } else { "" };
            let _ = write!(out, "<td class=\"{best}{rated}\">{}</td>", escape(&word(cell)));
        }
        let _ = writeln!(out, "<td>{}</td></tr>", decision.weights.of(criterion));
    }
    let mut row = |name: &str, of: &dyn Fn(&Column) -> String| {
        let _ = write!(out, "<tr><th>{name}</th>");
        for column in &decision.options {
            let _ = write!(out, "<td{}>{}</td>", class(column.option), of(column));
        }
        out.push_str("<td></td></tr>\n");
    };
    row("mean of what is known", &mean);
    row("compared", &|column| score(column.compared));
    row("weight known", &|column| percent(column.known));
    row("weight measured", &|column| percent(column.measured));
    row("here", &|column| reach(&column.reach).into());
    out.push_str("</table></div>\n");
    if let Some(shares) = shares(decision) {
        let _ = writeln!(out, "<p class=\"key\">{}</p>", escape(&shares));
    }
}

fn details(out: &mut String, cell: &Cell) {
    let _ = writeln!(
        out,
        "<details><summary><span class=\"what\">{}</span><span>{}</span><span class=\"time\">{}</span></summary><div \
         class=\"more\">",
        cell.criterion.title(),
        cell.option.title(),
        escape(&word(cell))
    );
    match &cell.value {
        Value::Measured(measured) => figures(out, measured),
        Value::Rated(_) => {}
        Value::Unknown { reason } => paragraph(out, "Unknown", reason),
    }
    if let Some(rated) = &cell.rated {
        paragraph(out, &format!("The document, rated and not measured: {}", rated.rating), &rated.reason);
    }
    if let (Some(why), false) = (&cell.unmeasured, matches!(cell.value, Value::Unknown { .. })) {
        paragraph(out, "Not measured", why);
    }
    for published in &cell.published {
        let _ = writeln!(out, "<p>{}</p>", escape(&published.to_string()));
    }
    out.push_str("</div></details>\n");
}

fn figures(out: &mut String, measured: &Measured) {
    if let Some(from) = measured.from {
        paragraph(out, "Measured on", &format!("{from}, which is on the same way to the GPU"));
    }
    out.push_str("<table><tr><th>figure</th><th>value</th><th>score</th><th>how</th></tr>\n");
    for figure in &measured.figures {
        let score = figure.score.map_or_else(|| "–".into(), |score| format!("{score:.2}"));
        let (name, how) = (escape(&figure.name), escape(&figure.rule));
        let value = human(figure.value, figure.unit);
        let _ = writeln!(out, "<tr><td>{name}</td><td>{value}</td><td>{score}</td><td>{how}</td></tr>");
    }
    out.push_str("</table>\n");
    for (word, lines) in
        [("Lacks", &measured.lacks), ("Has besides", &measured.extra), ("Not measured", &measured.missing)]
    {
        if !lines.is_empty() {
            paragraph(out, word, &lines.join("; "));
        }
    }
    paragraph(out, "Part of the criterion that was measured", &percent(measured.share));
    paragraph(out, "Rule", &measured.rule);
}

fn paragraph(out: &mut String, word: &str, text: &str) {
    let _ = writeln!(out, "<p>{}: {}</p>", escape(word), escape(text));
}
