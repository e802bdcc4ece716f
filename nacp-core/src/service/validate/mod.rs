//! What can be wrong in an app: everything that can be told without a machine.
//!
//! Each error names the field by its path, the value, and how to mend it. The reading of a file adds line and column.

mod gpu;
mod image;
mod machine;
mod order;
mod probe;
mod storage;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) use image::{ARCHITECTURES, SYSTEMS};
pub(super) use machine::{CAPABILITIES, LEAST_MAIN_MEMORY, SIGNALS, ULIMITS};
pub(super) use order::start_order;
pub(super) use storage::OWN_VARIABLES;

use super::{App, Condition, Restart, Service, Strategy};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::units::Bytes;

const NAME_LIMIT: usize = 40;
const REPLICA_LIMIT: u32 = 1000;
/// Less is a number whose unit was forgotten.
pub(super) const LEAST_MEMORY: Bytes = Bytes::mib(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn app(app: &App) -> Result<()> {
    name("name", &app.name)?;
    if app.services.is_empty() {
        return Err(invalid("services", "an app needs at least one service")
            .hint("add one, for example `llm: { image: ollama/ollama:0.16.1 }`"));
    }
    for (service_name, service) in &app.services {
        let at = At(format!("services.{service_name}"));
        name(&at.0, service_name)?;
        check(app, &at, service)?;
    }
    start_order(app).map(drop)
}

fn check(app: &App, at: &At, service: &Service) -> Result<()> {
    image::check(at, service)?;
    program(at, service)?;
    if service.replicas > REPLICA_LIMIT {
        return Err(at
            .wrong("replicas", "the number of replicas is out of range", service.replicas)
            .hint(format!("choose 0 to {REPLICA_LIMIT}")));
    }
    if let Some(gpu) = &service.gpu {
        gpu::check(&at.inner("gpu"), gpu)?;
    }
    port(at, service)?;
    probe::check(at, service)?;
    storage::check(at, service)?;
    machine::check(at, service)?;
    lifetime(at, service)?;
    depends_on(app, at, service)
}

/// Command, entry point, folder, model and labels.
fn program(at: &At, service: &Service) -> Result<()> {
    for (field, arguments) in [("command", &service.command), ("entrypoint", &service.entrypoint)] {
        if arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(at.error(field, "an argument cannot contain a NUL"));
        }
    }
    if service.entrypoint.first().is_some_and(|program| program.trim().is_empty()) {
        return Err(at.error("entrypoint", "the first of its words is the program").hint("write its path or its name"));
    }
    if let Some(folder) = &service.working_dir {
        storage::absolute(&at.path("working_dir"), folder, "a program is started in an absolute path")?;
    }
    if let Some(model) = &service.model
        && (model.trim().is_empty() || model.contains(char::is_control))
    {
        return Err(at.wrong("model", "not a name of a model", quoted(model)).hint("write for example phi3:mini"));
    }
    for (label, value) in &service.labels {
        if label.starts_with("nacp.") {
            return Err(at
                .wrong("labels", "labels that begin with nacp. are written by NACP", label)
                .hint("choose another prefix, for example that of your domain"));
        }
        if label.is_empty() || label.contains(|letter: char| letter.is_control() || letter == '=') {
            return Err(at
                .wrong("labels", "not a name of a label", quoted(label))
                .hint("write for example com.example.team"));
        }
        if value.contains('\0') {
            return Err(at.error(&format!("labels.{label}"), "a value cannot contain a NUL"));
        }
    }
    for network in &service.networks {
        name(&at.path("networks"), network)?;
    }
    Ok(())
}

fn port(at: &At, service: &Service) -> Result<()> {
    if service.port == Some(0) {
        return Err(at
            .wrong("port", "a port inside a container cannot be 0", 0)
            .hint("write the port on which the program listens, 1 to 65535"));
    }
    let Some(publish) = service.publish else { return Ok(()) };
    if service.port.is_none() {
        return Err(at.error("publish", "there is no port to publish").hint("add `port`, or leave out `publish`"));
    }
    if publish.host.is_multicast() {
        return Err(at
            .wrong("publish.host", "nobody can listen at a multicast address", publish.host)
            .hint("write 127.0.0.1, 0.0.0.0 or an address of the machine"));
    }
    let Some(port) = publish.port else { return Ok(()) };
    let field = "publish.port";
    if port == 0 {
        return Err(at.wrong(field, "a published port cannot be 0", 0).hint("leave it out for a free one"));
    }
    if service.replicas > 1 {
        return Err(at
            .wrong(field, "replicas cannot share one port of the machine", port)
            .with("replicas", service.replicas)
            .hint("leave the port out for a free one each, or run one replica"));
    }
    if service.strategy.overlaps() {
        return Err(at
            .wrong(field, "new replicas beside old ones cannot share one port of the machine", port)
            .hint("leave the port out for a free one each, or use `strategy: rolling` without `surge`"));
    }
    Ok(())
}

/// Strategy, the times of stopping and of idling.
fn lifetime(at: &At, service: &Service) -> Result<()> {
    if let Strategy::Rolling { surge, unavailable } = service.strategy {
        if surge == 0 && unavailable == 0 {
            return Err(at
                .wrong("strategy.rolling", "nothing could ever be replaced", "\"surge 0, unavailable 0\"")
                .hint("let one be missing (`unavailable: 1`) or one more run (`surge: 1`)"));
        }
        for (field, count) in [("surge", surge), ("unavailable", unavailable)] {
            if count > REPLICA_LIMIT {
                return Err(at
                    .wrong(&format!("strategy.rolling.{field}"), "more than there can be replicas", count)
                    .hint(format!("choose 0 to {REPLICA_LIMIT}")));
            }
        }
    }
    within(&at.path("stop_grace"), "the time to end is out of range", service.stop_grace, Duration::ZERO..=DAY)?;
    if let Some(idle) = service.idle {
        within(&at.path("idle"), "the time without a request is out of range", idle, SECOND..=30 * DAY)?;
        if service.port.is_none() {
            return Err(at
                .error("idle", "requests come to a port, and this service has none")
                .hint("add `port`, or leave out `idle`"));
        }
    }
    Ok(())
}

fn depends_on(app: &App, at: &At, service: &Service) -> Result<()> {
    for (wanted, condition) in &service.depends_on.0 {
        let Some(other) = app.services.get(wanted) else {
            let error = at.wrong("depends_on", "no such service in this app", wanted);
            let others = || app.services.keys().map(String::as_str).filter(|other| at.0 != format!("services.{other}"));
            return Err(match nearest(wanted, others()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None if others().next().is_none() => error.hint("this app has no other service"),
                None => error.hint(choices(others())),
            });
        };
        if *condition == Condition::Completed && other.restart == Restart::Always {
            return Err(at
                .wrong("depends_on", "a service that is always started again never completes", wanted)
                .hint(format!("add `restart: on-failure` or `restart: never` to {wanted}, or wait until `ready`")));
        }
    }
    Ok(())
}

/// Where in the app something is.
struct At(String);

impl At {
    fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.0)
    }

    fn inner(&self, field: &str) -> Self {
        Self(self.path(field))
    }

    fn error(&self, field: &str, message: &str) -> Error {
        invalid(&self.path(field), message)
    }

    fn wrong(&self, field: &str, message: &str, value: impl Display) -> Error {
        self.error(field, message).with("value", value)
    }
}

fn within(field: &str, message: &str, time: Duration, limits: RangeInclusive<Duration>) -> Result<()> {
    if limits.contains(&time) {
        return Ok(());
    }
    let written = |time: Duration| match (time.as_millis(), time.as_secs()) {
        (millis @ 1..1000, _) => format!("{millis}ms"),
        (_, seconds) if seconds > 0 && seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        (_, seconds) if seconds > 0 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        (_, seconds) => format!("{seconds}s"),
    };
    Err(invalid(field, message).with("value", format_args!("{time:?}")).hint(format!(
        "choose {} to {}",
        written(*limits.start()),
        written(*limits.end())
    )))
}

fn name(path: &str, name: &str) -> Result<()> {
    let edges = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let valid = name.len() <= NAME_LIMIT
        && name.starts_with(edges)
        && name.ends_with(edges)
        && name.chars().all(|letter| edges(letter) || letter == '-');
    if valid {
        return Ok(());
    }
    Err(invalid(path, "not a valid name")
        .with("value", format_args!("{name:?}"))
        .hint(format!("use lower-case letters, digits and inner hyphens, {NAME_LIMIT} at most")))
}

fn size(field: &str, message: &str, size: Bytes) -> Result<()> {
    if size >= LEAST_MEMORY {
        return Ok(());
    }
    Err(invalid(field, message)
        .with("value", format_args!("\"{size}\""))
        .hint("did you forget the unit? write for example 2GiB"))
}

/// The nearest of these words, or all of them.
fn meant(error: Error, given: &str, words: &[&str]) -> Error {
    match nearest(given, words.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(choices(words)),
    }
}

fn choices<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    format!("choose one of {}", words.join(", "))
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn invalid(path: &str, message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "service.validate", message).with("field", path)
}
