//! Does CUDA work here, how fast is it, and does it repeat: `cargo run --release --example check -- standard`.
//!
//! Ends with 0 where it works, 1 where it does not, 2 where it was not understood, 3 where it is not known.

mod arguments;
mod progress;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, Json, USAGE, Wish};
use nacp_core::cuda::check::{Isolation, Report, Verdict};
use nacp_core::cuda::{Check, CheckId, Level};
use nacp_core::{Error, ErrorKind};
use progress::Line;

fn main() -> ExitCode {
    // This program is also the child that touches the driver.
    if nacp_core::answer() {
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Wish::Run(arguments)) => arguments,
        Ok(Wish::Help) => {
            show(USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Wish::List) => {
            list();
            return ExitCode::SUCCESS;
        }
        Err(error) => return refused(&error),
    };
    match run(&arguments) {
        Ok(report) => ExitCode::from(match report.verdict {
            Verdict::Pass | Verdict::Warn => 0,
            Verdict::Fail => 1,
            _ => 3,
        }),
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> ExitCode {
    eprintln!("check: {error}");
    ExitCode::from(2)
}

fn run(arguments: &Arguments) -> Result<Report, Error> {
    let mut check = Check::new(arguments.level).devices(arguments.devices.iter().cloned());
    if !arguments.only.is_empty() {
        check = check.only(arguments.only.iter().copied());
    }
    if !arguments.thread {
        check = check.isolated(Isolation::this_program()?);
    }
    if let Some(limit) = arguments.limit {
        check = check.limit(limit);
    }
    if let Some(library) = &arguments.library {
        check = check.library(library);
    }
    if let Some(version) = arguments.cuda {
        check = check.wants_cuda(version);
    }
    let line = Line::new(std::io::stderr().is_terminal());
    let report = check.even_if_busy(arguments.even_if_busy).on_progress(move |progress| line.show(progress)).run();
    if let Some(path) = &arguments.html {
        write(path, &report.html())?;
    }
    match &arguments.json {
        Json::Printed => show(report.to_json()),
        Json::No => show(&report),
        Json::File(path) => {
            write(path, &report.to_json())?;
            show(&report);
        }
    }
    if arguments.json != Json::Printed {
        show(format_args!("\n{}", sum(&report)));
    }
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
    format!("{}: {} in {:.2} s{simulated}", report.verdict, counts.join(", "), report.elapsed.as_secs_f64())
}

fn list() {
    for id in CheckId::ALL {
        let level: Level = id.level();
        show(format_args!("{id:<16} {level:<9} {}", id.title()));
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "check.write", "the report cannot be written")
            .with("path", path.display())
            .with("reason", &error)
            .caused_by(error)
    })
}

/// Prints; a reader that has gone away is no failure.
fn show(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
