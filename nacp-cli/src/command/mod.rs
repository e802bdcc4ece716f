//! The commands, one file each.

mod app;
mod check;
mod completions;
mod decide;
mod doctor;
mod down;
mod explain;
mod export;
mod gpus;
mod import;
mod lock;
mod logs;
mod metrics;
mod run;
mod serve;
mod status;
mod up;
mod verify;

use crate::Exit;
use crate::args::Command;
use crate::context::Context;
use crate::failure::Outcome;

/// Does what a command asks for.
pub(crate) fn run(command: Command, context: &mut Context<'_>) -> Outcome<Exit> {
    match command {
        Command::Gpus(args) => gpus::run(&args, context),
        Command::Check(args) => check::run(args, context),
        Command::Decide(args) => decide::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Import(args) => import::run(&args, context),
        Command::Export(args) => export::run(&args, context),
        Command::Lock(args) => lock::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::App(args) => app::run(&args, context),
        Command::Up(args) => up::run(&args, context),
        Command::Status(args) => status::run(&args, context),
        Command::Logs(args) => logs::run(&args, context),
        Command::Down(args) => down::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
        Command::Metrics(args) => metrics::run(&args, context),
        Command::Completions { shell } => completions::run(shell, context),
    }
}
