//! How a replica is asked whether it is ready, or alive.

use std::time::Duration;

use http::uri::PathAndQuery;

use super::{At, DAY, HOUR, SECOND, invalid, quoted, within};
use crate::error::Result;
use crate::service::{Check, Probe, Service};

/// So many answers in a row may be asked for.
const THRESHOLD: u32 = 100;

pub(super) fn check(at: &At, service: &Service) -> Result<()> {
    for (field, probe) in [("ready", &service.ready), ("live", &service.live)] {
        if let Some(probe) = probe {
            check_probe(&at.inner(field), probe, service.port.is_some())?;
        }
    }
    match service.live.as_ref().map(|probe| &probe.check) {
        Some(Check::Log(text)) => Err(at
            .wrong("live.log", "a line that was written once does not tell whether a program is alive", quoted(text))
            .hint("use `http`, `tcp` or `exec` for `live`")),
        _ => Ok(()),
    }
}

fn check_probe(at: &At, probe: &Probe, has_port: bool) -> Result<()> {
    match &probe.check {
        Check::Http(path) => {
            if !has_port {
                return Err(at.error("http", "a service without a port cannot be asked over HTTP").hint("add `port`"));
            }
            http_path(&at.path("http"), path)?;
        }
        Check::Tcp if !has_port => {
            return Err(at.error("tcp", "a service without a port takes no connection").hint("add `port`"));
        }
        Check::Tcp => {}
        Check::Exec(command) => {
            if command.first().is_none_or(|program| program.trim().is_empty()) {
                return Err(at
                    .error("exec", "the first of its words is the program")
                    .hint("write for example [curl, -f, http://localhost/]"));
            }
            if command.iter().any(|argument| argument.contains('\0')) {
                return Err(at.error("exec", "an argument cannot contain a NUL"));
            }
        }
        Check::Log(text) => {
            if text.trim().is_empty() || text.contains(['\n', '\r', '\0']) {
                return Err(at
                    .wrong("log", "not a text that a line can have", quoted(text))
                    .hint("write a part of the line that the program writes when it is ready"));
            }
        }
    }
    let message = "the time to become ready is out of range";
    within(&at.path("within"), message, probe.within, SECOND..=7 * DAY)?;
    let message = "the time between two questions is out of range";
    within(&at.path("every"), message, probe.every, Duration::from_millis(100)..=HOUR)?;
    let message = "the time for an answer is out of range";
    within(&at.path("timeout"), message, probe.timeout, Duration::from_millis(10)..=HOUR)?;
    for (field, count) in [("successes", probe.successes), ("failures", probe.failures)] {
        if !(1..=THRESHOLD).contains(&count) {
            return Err(at
                .wrong(field, "the number of answers in a row is out of range", count)
                .hint(format!("choose 1 to {THRESHOLD}")));
        }
    }
    Ok(())
}

fn http_path(field: &str, path: &str) -> Result<()> {
    if !path.starts_with('/') {
        return Err(invalid(field, "a path begins with a slash")
            .with("value", path)
            .hint(format!("write /{} without host and port", path.trim_start_matches('/').trim())));
    }
    // A fragment is cut off silently by the parser: it is not sent to servers.
    if path.parse::<PathAndQuery>().ok().is_none_or(|parsed| parsed.as_str() != path) {
        return Err(invalid(field, "not a path of HTTP")
            .with("value", quoted(path))
            .hint("write blanks and special characters as %20 and so on"));
    }
    Ok(())
}
