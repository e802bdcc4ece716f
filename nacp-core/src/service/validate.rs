//! What can be wrong in an app, and the order in which its services start.

use std::collections::BTreeMap;

use super::{App, Service};
use crate::error::{Error, ErrorKind, Result, nearest};

const NAME_LIMIT: usize = 40;
const REPLICA_LIMIT: u32 = 1000;

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
    if !(1..=REPLICA_LIMIT).contains(&service.replicas) {
        return Err(invalid(&at("replicas"), "the number of replicas is out of range")
            .with("value", service.replicas)
            .hint(format!("choose 1 to {REPLICA_LIMIT}")));
    }
    if service.port == Some(0) {
        return Err(invalid(&at("port"), "a port inside a container cannot be 0"));
    }
    if let Some(gpu) = &service.gpu {
        if gpu.memory.0 == 0 {
            return Err(invalid(&at("gpu.memory"), "memory is needed").hint("write a size, for example 3.5GiB"));
        }
        if !(1..=64).contains(&gpu.count) {
            let error = invalid(&at("gpu.count"), "the number of GPUs is out of range").with("value", gpu.count);
            return Err(error.hint("choose 1 to 64, or leave out `gpu` for a service without one"));
        }
    }
    if let Some(probe) = &service.ready {
        if !probe.http.starts_with('/') {
            return Err(invalid(&at("ready.http"), "a path begins with a slash").with("value", &probe.http));
        }
        if service.port.is_none() {
            return Err(
                invalid(&at("ready.http"), "a service without a port cannot be asked over HTTP").hint("add `port`")
            );
        }
    }
    if let Some(variable) = service.env.keys().find(|key| key.is_empty() || key.contains(['=', '\0'])) {
        return Err(invalid(&at("env"), "not a name of a variable").with("value", format_args!("{variable:?}")));
    }
    for (volume, target) in &service.volumes {
        name(&at("volumes"), volume)?;
        if !target.starts_with('/') {
            return Err(invalid(&at("volumes"), "a volume is mounted at an absolute path").with("value", target));
        }
    }
    for wanted in &service.depends_on {
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

/// Depth first, by name, so that the order is the same at every start.
pub(super) fn start_order(app: &App) -> Result<Vec<&str>> {
    let mut order = Vec::with_capacity(app.services.len());
    let mut state = BTreeMap::new();
    for name in app.services.keys() {
        visit(app, name, &mut state, &mut Vec::new(), &mut order)?;
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Open,
    Done,
}

fn visit<'a>(
    app: &'a App,
    name: &'a str,
    state: &mut BTreeMap<&'a str, Visit>,
    path: &mut Vec<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<()> {
    path.push(name);
    match state.get(name) {
        Some(Visit::Done) => {}
        Some(Visit::Open) => {
            let start = path.iter().position(|seen| *seen == name).unwrap_or_default();
            return Err(invalid(&format!("services.{name}.depends_on"), "the dependencies form a circle")
                .with("circle", path[start..].join(" -> ")));
        }
        None => {
            state.insert(name, Visit::Open);
            for wanted in app.services.get(name).map_or(&[][..], |service| &service.depends_on) {
                visit(app, wanted, state, path, order)?;
            }
            state.insert(name, Visit::Done);
            order.push(name);
        }
    }
    path.pop();
    Ok(())
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
