//! `nacp completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::Exit;
use crate::args::Cli;
use crate::context::Context;
use crate::failure::Outcome;

pub(crate) fn run(shell: Shell, context: &mut Context<'_>) -> Outcome<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nacp", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    context.show(&json!({ "shell": shell.to_string(), "script": &script }), |_| script.clone())?;
    Ok(Exit::Fine)
}
