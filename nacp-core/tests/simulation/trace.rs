//! What happened in a run, line by line: its end for people, and its hash to tell whether two runs are the same.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How many lines are kept for a report.
const KEPT: usize = 48;

/// The lines of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    last: VecDeque<String>,
    /// Whether each line is printed as it is written.
    pub(crate) aloud: bool,
    /// Every line, where somebody wants them.
    pub(crate) all: Option<Vec<String>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: 0, last: VecDeque::with_capacity(KEPT), aloud: false, all: None }
    }
}

impl Trace {
    pub(crate) fn write(&mut self, at: Duration, line: fmt::Arguments<'_>) {
        let line = format!("{:>11.3} {line}", at.as_secs_f64());
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.lines += 1;
        if self.aloud {
            println!("{line}");
        }
        if let Some(all) = &mut self.all {
            all.push(line.clone());
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// What tells this run from another: its lines, all of them.
    pub(crate) fn hash(&self) -> (u64, u64) {
        (self.hash, self.lines)
    }

    pub(crate) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}
