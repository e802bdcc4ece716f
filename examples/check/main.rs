//! Does CUDA work here, how fast is it, and does it repeat: `cargo run --release --example check -- standard`.
//!
//! Ends with 0 where it works, 1 where it does not, 2 where it was not understood, 3 where it is not known.

mod arguments;
mod progress;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, USAGE, Wish};
use nacp_core::cuda::check::{Isolation, Program, Report, Verdict};
use nacp_core::cuda::{Check, CheckId, Level};
use nacp_core::{Error, ErrorKind};
use progress::Line;

fn main() -> ExitCode {
    // With --isolated this program is its own child.
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
    if arguments.isolated {
        check = check.isolated(Isolation::Child(Program::this()?));
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
    if arguments.json {
        show(report.to_json());
    } else {
        show(&report);
    }
    Ok(report)
}

fn list() {
    for id in CheckId::ALL {
        let level: Level = id.level();
        show(format_args!("{id:<16} {level:<9} {}", id.title()));
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "check.html", "the page cannot be written")
            .with("path", path.display())
            .with("reason", &error)
            .caused_by(error)
    })
}

/// Prints; a reader that has gone away is no failure.
fn show(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
