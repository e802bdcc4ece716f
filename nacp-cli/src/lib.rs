//! The program `nacp` as a library: one command line over [`nacp_core`].
//!
//! [`run`] does what the program does, with streams, children and interrupts of the caller's: the program itself, the
//! Python package's `nacp` and the tests all call it. It holds no global state.
//!
//! ```
//! use nacp_cli::{Exit, Interrupt, Streams, Terminal};
//! use nacp_core::Program;
//!
//! let terminal = Terminal { width: 80, err: false, input: false };
//! let mut streams = Streams::new(std::io::sink(), std::io::sink(), std::io::empty(), terminal);
//! let arguments = ["gpus", "--node", "h100x8"].map(Into::into);
//! let exit = nacp_cli::run(arguments, &mut streams, &Program::new("nacp"), &Interrupt::default());
//! assert_eq!(exit, Exit::Fine);
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod args;
mod command;
mod context;
mod exit;
mod exporter;
mod failure;
mod happening;
mod interrupt;
mod signals;
mod streams;
mod table;
mod usage;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};
use nacp_core::Program;

use args::Cli;
use context::{Context, pretty};
use failure::Failure;

pub use exit::Exit;
pub use interrupt::Interrupt;
pub use streams::{Streams, Terminal};

/// Does what the arguments ask for (without the program's own name), and tells how it ended.
///
/// A driver is touched by `children` first: a program that calls [`nacp_core::answer`] at its start, such as this one.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    streams: &mut Streams,
    children: &Program,
    interrupt: &Interrupt,
) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let named = std::iter::once("nacp".into()).chain(arguments);
    let done = match definition(streams).try_get_matches_from(named).and_then(|it| Cli::from_arg_matches(&it)) {
        Ok(Cli { global, command }) => {
            let (children, interrupt) = (children.clone(), interrupt.clone());
            command::run(command, &mut Context { global, streams, children, interrupt })
        }
        Err(help) if usage::is_help(&help) => streams.print(help.render()).map(|()| Exit::Fine),
        Err(nothing) if usage::is_nothing(&nothing) && !json => {
            streams.note(nothing.render());
            Ok(Exit::NotUnderstood)
        }
        Err(error) => Err(usage::failure(&error)),
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => refuse(&failure, json, streams),
    }
}

/// Listens to the signals of a program that is nothing but `nacp`, and runs it on its standard streams.
pub fn run_program(arguments: impl IntoIterator<Item = OsString>, children: &Program) -> Exit {
    let interrupt = Interrupt::default();
    signals::listen(interrupt.clone());
    run(arguments, &mut Streams::system(), children, &interrupt)
}

fn definition(streams: &Streams) -> clap::Command {
    Cli::command().after_help(Exit::table()).term_width(usize::from(streams.terminal().width.min(100)))
}

/// Says why a command came to nothing.
fn refuse(failure: &Failure, json: bool, streams: &mut Streams) -> Exit {
    streams.progress("");
    let told = match json.then(|| pretty(&failure.to_json())) {
        Some(Ok(text)) => streams.print(text).is_ok(),
        _ => false,
    };
    if !told {
        streams.note(format_args!("nacp: {}", failure.error));
    }
    failure.exit
}
