//! CUDA on this machine from the command line: does it work, how fast, and does it repeat bit for bit.
//!
//! It ends with 0 when CUDA works, 1 when it does not, 2 when it was asked wrongly, 3 when nothing could be said.

mod options;

use std::fs;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use nacp_core::cuda::check::{Isolation, Verdict};
use nacp_core::cuda::{Check, Progress, Report};
use nacp_core::{Error, ErrorKind};
use options::{HELP, Options};

fn main() -> ExitCode {
    // This program is also the child that touches the driver.
    if nacp_core::answer() {
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print(HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("check: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(report) => ExitCode::from(match report.verdict {
            Verdict::Pass | Verdict::Warn => 0,
            Verdict::Fail => 1,
            Verdict::Unknown => 3,
        }),
        Err(error) => {
            eprintln!("check: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<Report, Error> {
    let mut check = Check::new(options.level).devices(options.devices.iter().cloned()).on_progress(show);
    if !options.only.is_empty() {
        check = check.only(options.only.iter().copied());
    }
    if let Some(version) = options.cuda {
        check = check.wants_cuda(version);
    }
    if let Some(limit) = options.limit {
        check = check.limit(limit);
    }
    if let Some(library) = &options.library {
        check = check.library(library);
    }
    if !options.thread {
        check = check.isolated(Isolation::this_program()?);
    }
    let report = check.run();
    print(&format!("{report}\n"));
    if let Some(path) = &options.json {
        write(path, &report.to_json())?;
    }
    if let Some(path) = &options.html {
        write(path, &report.html())?;
    }
    print(&format!("{}\n", sum(&report)));
    Ok(report)
}

/// The last line, for those who read no more.
fn sum(report: &Report) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for word in report.checks.iter().map(|check| check.status.word()) {
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let simulated = if report.simulated { ", SIMULATED" } else { "" };
    let verdict = format!("{:?}", report.verdict).to_lowercase();
    format!("{verdict}: {} in {:.2} s{simulated}", counts.join(", "), report.elapsed.as_secs_f64())
}

/// How far it is, for who sits before a terminal.
fn show(progress: &Progress) {
    let mut terminal = std::io::stderr();
    if !terminal.is_terminal() {
        return;
    }
    // Where nobody looks any more, nothing is lost.
    let _ = match progress {
        Progress::Started { id, done, total, .. } => write!(terminal, "\r{done:>3} of {total}  {id:<16}"),
        Progress::Finished { done, total, .. } if done == total => write!(terminal, "\r{:<40}\r", ""),
        _ => Ok(()),
    };
}

fn print(text: &str) {
    // A reader that has gone away wants no more.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "check.write", "cannot write")
            .with("file", path.display())
            .caused_by(error)
    })
}
