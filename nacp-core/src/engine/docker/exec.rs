//! Programs that are run in a container that runs.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as Api;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use super::logs::Tail;
use super::{CALL_LIMIT, Docker, failure, limited, raw};
use crate::engine::{ContainerId, ExecOutput};
use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "engine.exec";
/// How often to ask whether a program whose output has ended is over.
const PAUSE: Duration = Duration::from_millis(20);

/// A part of `/exec/ID/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Session {
    running: bool,
    exit_code: Option<i64>,
}

/// Both streams of a program.
#[derive(Default)]
struct Output {
    out: Tail,
    error: Tail,
}

impl Output {
    fn take(&mut self, piece: LogOutput) {
        let stream = match &piece {
            LogOutput::StdErr { .. } => &mut self.error,
            _ => &mut self.out,
        };
        *stream = std::mem::take(stream).with(&piece.into_bytes());
    }
}

impl Docker {
    /// Runs a program. When `limit` has passed, the wait ends; the program goes on.
    pub(super) async fn run(&self, id: &ContainerId, command: &[String], limit: Duration) -> Result<ExecOutput> {
        let program = command.first().map(String::as_str).unwrap_or_default();
        if program.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "no program is named")
                .with("container", id)
                .hint("name the program and its arguments"));
        }
        match timeout(limit, self.run_to_its_end(id, command)).await {
            Ok(Ok(output)) if failure::is_no_program(&output) => Err(failure::no_program(id, program)),
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(ErrorKind::Timeout, OPERATION, "the program has not ended in time")
                .with("container", id)
                .with("program", program)
                .with("limit", format_args!("{limit:?}"))
                .hint("give it more time; it may still be running")
                .retry_later()),
        }
    }

    async fn run_to_its_end(&self, id: &ContainerId, command: &[String]) -> Result<ExecOutput> {
        let program = command.first().map(String::as_str).unwrap_or_default();
        let failed = |error| failure::exec(id, program, error);
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..ExecConfig::default()
        };
        let session = limited(CALL_LIMIT, self.client.create_exec(&id.0, config)).await.map_err(failed)?.id;
        let options = StartExecOptions { detach: false, tty: false, output_capacity: None };
        let started = limited(CALL_LIMIT, self.client.start_exec(&session, Some(options))).await.map_err(failed)?;
        let mut output = Output::default();
        if let StartExecResults::Attached { output: mut pieces, .. } = started {
            while let Some(piece) = pieces.next().await {
                output.take(piece.map_err(failed)?);
            }
        }
        let code = self.code(&session).await.map_err(failed)?;
        Ok(ExecOutput { code, stdout: output.out.text(), stderr: output.error.text() })
    }

    /// The exit code, once the daemon knows it: the output may have ended a moment before.
    #[expect(clippy::disallowed_methods, reason = "only looking again tells when the daemon knows")]
    async fn code(&self, session: &str) -> Result<i64, Api> {
        let path = format!("/exec/{}/json", raw::encoded(session));
        loop {
            let Session { running, exit_code } = limited(CALL_LIMIT, raw::get(&self.address, &path)).await?;
            match exit_code {
                Some(code) if !running => return Ok(code),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
