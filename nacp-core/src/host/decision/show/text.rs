//! A decision in a terminal.

use std::fmt;

use super::words::{LEGEND, SIMULATED, headline, narrow_mean, parts, percent, reach, score, shares, short, word};
use crate::host::RuntimeOption;
use crate::host::decision::{Column, Criterion, Decision};
use crate::host::prose::wrap;

/// The widest line, unless it is told.
const WIDTH: usize = 100;
/// Narrower than this nothing can be read.
const NARROWEST: usize = 40;
const FIRST: usize = 23;
const CELL: usize = 11;

/// `{decision:80}` writes it in lines of 80 columns; without a width it is 100. Where not all options stand beside each
/// other, the table goes on below itself.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(WIDTH).max(NARROWEST);
        let simulated = if self.simulated { " (simulated)" } else { "" };
        let mut out = String::new();
        wrap(&mut out, &format!("Runtime options on {}{simulated}", self.machine), width, 0, 2);
        wrap(&mut out, &headline(self), width, 0, 2);
        for options in RuntimeOption::ALL.chunks(((width - FIRST) / CELL).max(1)) {
            out.push('\n');
            table(self, options, &mut out);
        }
        out.push('\n');
        wrap(&mut out, LEGEND, width, 0, 0);
        if let Some(shares) = shares(self) {
            wrap(&mut out, &shares, width, 0, 0);
        }
        if self.simulated {
            wrap(&mut out, SIMULATED, width, 0, 0);
        }
        for (heading, lines) in parts(self) {
            out.push_str(&format!("\n{heading}\n"));
            for line in lines {
                out.push_str("  - ");
                wrap(&mut out, &line, width, 4, 4);
            }
        }
        f.write_str(&out)
    }
}

/// Some of the options, one in each column.
fn table(decision: &Decision, options: &[RuntimeOption], out: &mut String) {
    let mut line = |first: &str, cell: &dyn Fn(RuntimeOption) -> String| {
        let mut text = format!("{first:<FIRST$}");
        for option in options {
            text.push_str(&format!("{:<CELL$}", cell(*option)));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let column = |option, of: &dyn Fn(&Column) -> String| decision.column(option).map(of).unwrap_or_default();
    line("", &|option| short(option).into());
    line("", &|option| column(option, &|it| reach(&it.reach).into()));
    for criterion in Criterion::ALL {
        line(criterion.title(), &|option| decision.cell(option, criterion).map(word).unwrap_or_default());
    }
    line("mean of what is known", &|option| column(option, &narrow_mean));
    line("compared", &|option| column(option, &|it| score(it.compared)));
    line("weight known", &|option| column(option, &|it| percent(it.known)));
    line("weight measured", &|option| column(option, &|it| percent(it.measured)));
}
