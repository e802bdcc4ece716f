//! A decision in a terminal.

use std::fmt;

use super::words::{LEGEND, SIMULATED, headline, narrow_mean, parts, percent, reach, score, shares, short, word};
use crate::host::RuntimeOption;
use crate::host::decision::{Criterion, Decision};

/// The narrowest table that can be read.
const NARROWEST: usize = 100;
const FIRST: usize = 23;
const CELL: usize = 11;

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(NARROWEST).max(NARROWEST);
        let simulated = if self.simulated { " (simulated)" } else { "" };
        writeln!(f, "Runtime options on {}{simulated}", self.machine)?;
        wrap(f, &headline(self), 0, width)?;
        writeln!(f)?;
        let line = |f: &mut fmt::Formatter<'_>, first: &str, cells: [String; 7]| {
            let mut text = format!("{first:<FIRST$}");
            for cell in cells {
                text.push_str(&format!("{cell:<CELL$}"));
            }
            writeln!(f, "{}", text.trim_end())
        };
        let columns = |of: &dyn Fn(RuntimeOption) -> String| RuntimeOption::ALL.map(of);
        line(f, "", columns(&|option| short(option).into()))?;
        let column =
            |option, of: &dyn Fn(&super::super::Column) -> String| self.column(option).map(of).unwrap_or_default();
        line(f, "", columns(&|option| column(option, &|it| reach(&it.reach).into())))?;
        for criterion in Criterion::ALL {
            let cells = columns(&|option| self.cell(option, criterion).map(word).unwrap_or_default());
            line(f, criterion.title(), cells)?;
        }
        line(f, "mean of what is known", columns(&|option| column(option, &narrow_mean)))?;
        line(f, "compared", columns(&|option| column(option, &|it| score(it.compared))))?;
        line(f, "weight known", columns(&|option| column(option, &|it| percent(it.known))))?;
        line(f, "weight measured", columns(&|option| column(option, &|it| percent(it.measured))))?;
        writeln!(f)?;
        wrap(f, LEGEND, 0, width)?;
        if let Some(shares) = shares(self) {
            wrap(f, &shares, 0, width)?;
        }
        if self.simulated {
            wrap(f, SIMULATED, 0, width)?;
        }
        for (heading, lines) in parts(self) {
            writeln!(f, "\n{heading}")?;
            for line in lines {
                wrap(f, &line, 2, width)?;
            }
        }
        Ok(())
    }
}

/// A paragraph, its first line marked where it is indented.
fn wrap(f: &mut fmt::Formatter<'_>, text: &str, indent: usize, width: usize) -> fmt::Result {
    let mark = if indent > 0 { "- " } else { "" };
    let mut line = format!("{:indent$}{mark}", "");
    let start = line.chars().count();
    let mut length = start;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if length > start && length + 1 + size > width {
            writeln!(f, "{line}")?;
            line = " ".repeat(start);
            length = start;
        }
        if length > start {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += size;
    }
    writeln!(f, "{line}")
}
