//! What can be wrong in an app, and the order in which its services start.

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::{App, Check, GpuMemory, Service};
use crate::error::{Error, ErrorKind, Result, nearest};
use crate::units::Bytes;

const NAME_LIMIT: usize = 40;
const REPLICA_LIMIT: u32 = 1000;
/// Less is a number whose unit was forgotten.
const LEAST_MEMORY: Bytes = Bytes::mib(1);
const DAYS: u64 = 7;
/// What NACP sets from the GPUs that it chose; another value would undo the choice.
const OWN_VARIABLES: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"];

pub(super) fn app(app: &App) -> Result<()> {
    name("name", &app.name)?;
    if app.services.is_empty() {
        return Err(invalid("services", "an app needs at least one service"));
    }
    for (service_name, service) in &app.services {
        name(&format!("services.{service_name}"), service_name)?;
        check(app, &format!("services.{service_name}"), service)?;
    }
    start_order(app).map(drop)
}

fn check(app: &App, path: &str, service: &Service) -> Result<()> {
    let at = |field: &str| format!("{path}.{field}");
    if service.image.trim().is_empty() {
        return Err(invalid(&at("image"), "an image is needed"));
    }
    if service.replicas > REPLICA_LIMIT {
        return Err(invalid(&at("replicas"), "the number of replicas is out of range")
            .with("value", service.replicas)
            .hint(format!("choose 0 to {REPLICA_LIMIT}")));
    }
    if service.port == Some(0) {
        return Err(invalid(&at("port"), "a port inside a container cannot be 0"));
    }
    if let Some(gpu) = &service.gpu {
        if gpu.memory == GpuMemory::Bytes(Bytes::ZERO) {
            return Err(invalid(&at("gpu.memory"), "memory is needed").hint("write a size, for example 3.5GiB"));
        }
        if gpu.memory.bytes().is_some_and(|bytes| bytes < LEAST_MEMORY) {
            let error = invalid(&at("gpu.memory"), "too little memory for anything on a GPU");
            return Err(error.with("value", gpu.memory).hint("did you forget the unit? write for example 3.5GiB"));
        }
        if !(1..=64).contains(&gpu.count) {
            let error = invalid(&at("gpu.count"), "the number of GPUs is out of range").with("value", gpu.count);
            return Err(error.hint("choose 1 to 64, or leave out `gpu` for a service without one"));
        }
    }
    if service.command.iter().any(|argument| argument.contains('\0')) {
        return Err(invalid(&at("command"), "an argument cannot contain a NUL"));
    }
    if let Some(probe) = &service.ready {
        if let Check::Http(path) = &probe.check {
            http_path(&at("ready.http"), path)?;
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(DAYS * 24 * 60 * 60)).contains(&probe.within) {
            return Err(invalid(&at("ready.within"), "the time to become ready is out of range")
                .with("value", format_args!("{:?}", probe.within))
                .hint(format!("choose 1s to {DAYS}d")));
        }
        if matches!(probe.check, Check::Http(_)) && service.port.is_none() {
            return Err(
                invalid(&at("ready.http"), "a service without a port cannot be asked over HTTP").hint("add `port`")
            );
        }
    }
    if let Some(variable) = service.env.keys().find(|key| key.is_empty() || key.contains(['=', '\0'])) {
        return Err(invalid(&at("env"), "not a name of a variable").with("value", format_args!("{variable:?}")));
    }
    if let Some(variable) = service.env.keys().find(|key| OWN_VARIABLES.contains(&key.as_str())) {
        let error = invalid(&at("env"), "this variable is not the service's to set").with("value", variable);
        return Err(error.hint("NACP sets it from `gpu`"));
    }
    if let Some((variable, _)) = service.env.iter().find(|(_, value)| value.contains('\0')) {
        return Err(invalid(&format!("{path}.env.{variable}"), "a value cannot contain a NUL"));
    }
    for (volume, mount) in &service.volumes {
        name(&at("volumes"), volume)?;
        if !mount.path.starts_with('/') {
            return Err(invalid(&at("volumes"), "a volume is mounted at an absolute path").with("value", &mount.path));
        }
    }
    for wanted in service.depends_on.names() {
        if !app.services.contains_key(wanted) {
            let error = invalid(&at("depends_on"), "no such service in this app").with("value", wanted);
            return Err(match nearest(wanted, app.services.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            });
        }
    }
    Ok(())
}

fn http_path(field: &str, path: &str) -> Result<()> {
    if !path.starts_with('/') {
        return Err(invalid(field, "a path begins with a slash").with("value", path));
    }
    // A fragment is cut off silently by the parser: it is not sent to servers.
    if path.parse::<PathAndQuery>().ok().is_none_or(|parsed| parsed.as_str() != path) {
        return Err(invalid(field, "not a path of HTTP")
            .with("value", format_args!("{path:?}"))
            .hint("write blanks and special characters as %20 and so on"));
    }
    Ok(())
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

fn invalid(path: &str, message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "service.validate", message).with("field", path)
}

/// Depth first, by name, so that the order is the same at every start. The services on the way down are kept here and
/// not on the call stack, which a long chain would overflow.
pub(super) fn start_order(app: &App) -> Result<Vec<&str>> {
    let mut order = Vec::with_capacity(app.services.len());
    let mut state = BTreeMap::new();
    for (name, service) in &app.services {
        if state.contains_key(name) {
            continue;
        }
        state.insert(name, Visit::Open);
        let mut open = vec![(name, service.depends_on.names())];
        while let Some((name, needs)) = open.last_mut() {
            let Some(wanted) = needs.next() else {
                state.insert(name, Visit::Done);
                order.push(name.as_str());
                open.pop();
                continue;
            };
            let Some((wanted, service)) = app.services.get_key_value(wanted) else { continue };
            match state.get(wanted) {
                Some(Visit::Done) => {}
                Some(Visit::Open) => {
                    let start = open.iter().position(|(name, _)| *name == wanted).unwrap_or_default();
                    let circle = open[start..].iter().map(|(name, _)| name.as_str()).chain([wanted.as_str()]);
                    return Err(invalid(&format!("services.{wanted}.depends_on"), "the dependencies form a circle")
                        .with("circle", circle.collect::<Vec<_>>().join(" -> ")));
                }
                None => {
                    state.insert(wanted, Visit::Open);
                    open.push((wanted, service.depends_on.names()));
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Open,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{GpuNeed, Probe};
    use crate::units::Bytes;

    fn refused(service: Service) -> String {
        App::new("a").service("s", service).validate().unwrap_err().to_string()
    }

    #[test]
    fn each_mistake_names_its_field() {
        let service = || Service::new("image");
        for (wrong, message) in [
            (Service::new(" "), "an image is needed: field=services.s.image"),
            (
                service().replicas(0),
                "the number of replicas is out of range: field=services.s.replicas value=0; choose 1 to 1000",
            ),
            (service().port(0), "a port inside a container cannot be 0: field=services.s.port"),
            (
                service().gpu(GpuNeed::memory(Bytes::ZERO)),
                "memory is needed: field=services.s.gpu.memory; write a size, for example 3.5GiB",
            ),
            (
                service().ready(Probe::http("/")),
                "a service without a port cannot be asked over HTTP: field=services.s.ready.http; add `port`",
            ),
            (
                service().port(1).ready(Probe::http("x")),
                "a path begins with a slash: field=services.s.ready.http value=x",
            ),
            (
                service().gpu(GpuNeed::memory(Bytes(4))),
                "too little memory for anything on a GPU: field=services.s.gpu.memory value=4 B; \
                 did you forget the unit? write for example 3.5GiB",
            ),
            (
                service().port(1).ready(Probe::http("/a b")),
                "not a path of HTTP: field=services.s.ready.http value=\"/a b\"; \
                 write blanks and special characters as %20 and so on",
            ),
            (
                service().port(1).ready(Probe::http("/a#b")),
                "not a path of HTTP: field=services.s.ready.http value=\"/a#b\"; \
                 write blanks and special characters as %20 and so on",
            ),
            (
                service().port(1).ready(Probe::http("/").within(Duration::ZERO)),
                "the time to become ready is out of range: field=services.s.ready.within value=0ns; choose 1s to 7d",
            ),
            (service().command(["a", "b\0"]), "an argument cannot contain a NUL: field=services.s.command"),
            (service().env("A", "\0"), "a value cannot contain a NUL: field=services.s.env.A"),
            (
                service().env("CUDA_VISIBLE_DEVICES", "0"),
                "this variable is not the service's to set: field=services.s.env value=CUDA_VISIBLE_DEVICES; \
                 NACP sets it from `gpu`",
            ),
            (
                service().env("NVIDIA_VISIBLE_DEVICES", "all"),
                "this variable is not the service's to set: field=services.s.env value=NVIDIA_VISIBLE_DEVICES; \
                 NACP sets it from `gpu`",
            ),
            (service().env("A=B", ""), "not a name of a variable: field=services.s.env value=\"A=B\""),
            (service().volume("v", "x"), "a volume is mounted at an absolute path: field=services.s.volumes value=x"),
            (
                service().depends_on("ss"),
                "no such service in this app: field=services.s.depends_on value=ss; did you mean s?",
            ),
            (service().depends_on("s"), "the dependencies form a circle: field=services.s.depends_on circle=s -> s"),
        ] {
            assert_eq!(refused(wrong), message);
        }
        assert!(App::new("a").validate().is_err());
        assert!(App::new("A").service("s", service()).validate().is_err());
        assert!(App::new("a").service("s_1", service()).validate().is_err());
        assert!(App::new("a".repeat(41)).service("s", service()).validate().is_err());
    }

    #[test]
    fn the_time_to_become_ready_has_its_limits() {
        let within = |limit| {
            let service = Service::new("image").port(1).ready(Probe::http("/healthz?deep=1").within(limit));
            App::new("a").service("s", service).validate()
        };
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        for good in [Duration::from_secs(1), week] {
            within(good).unwrap();
        }
        for bad in [Duration::from_millis(999), week + Duration::from_nanos(1), Duration::MAX] {
            assert_eq!(within(bad).unwrap_err().get("field"), Some("services.s.ready.within"), "{bad:?}");
        }
    }

    #[test]
    fn a_chain_of_any_length_has_an_order() {
        let last = 20_000;
        let app = (0..=last).fold(App::new("a"), |app, number| {
            let service = Service::new("i");
            let service = if number < last { service.depends_on(format!("s{:05}", number + 1)) } else { service };
            app.service(format!("s{number:05}"), service)
        });
        app.validate().unwrap();
        let order = app.start_order().unwrap();
        assert_eq!((order.len(), order[0], order[last]), (last + 1, "s20000", "s00000"));
    }

    #[test]
    fn a_dependency_that_is_named_twice_counts_once() {
        let app = App::new("a")
            .service("a", Service::new("i").depends_on("b").depends_on("b"))
            .service("b", Service::new("i"));
        app.validate().unwrap();
        assert_eq!(app.start_order().unwrap(), ["b", "a"]);
    }

    #[test]
    fn what_is_needed_starts_first() {
        let app = App::new("a")
            .service("a", Service::new("i").depends_on("c"))
            .service("b", Service::new("i"))
            .service("c", Service::new("i").depends_on("b"));
        assert_eq!(app.start_order().unwrap(), ["b", "c", "a"]);
        let circle = app.service("b", Service::new("i").depends_on("a"));
        let error = circle.start_order().unwrap_err();
        assert_eq!(error.get("circle"), Some("a -> c -> b -> a"));
    }
}
