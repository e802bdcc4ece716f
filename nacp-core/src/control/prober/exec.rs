//! A program inside the container.

use std::time::Duration;

use super::{Target, no_answer, within};
use crate::error::ErrorKind;

/// The most characters of a program's output that are repeated.
const SHOWN: usize = 120;

pub(super) async fn run(target: Target<'_>, command: &[String], limit: Duration) -> Result<(), String> {
    let output = match within(limit, target.engine.exec(target.container, command, limit)).await? {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::Timeout => return Err(no_answer(limit)),
        Err(error) => return Err(format!("cannot run it: {}", error.message())),
    };
    if output.code == 0 {
        return Ok(());
    }
    let last = |text: &str| text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    match last(&output.stderr).or_else(|| last(&output.stdout)) {
        Some(line) => Err(format!("exit code {}: {line:.SHOWN$}", output.code)),
        None => Err(format!("exit code {}", output.code)),
    }
}
