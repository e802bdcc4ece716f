//! The port of a service, and where it is published.

use std::net::{IpAddr, Ipv4Addr};

use super::app::State;
use super::tree::{Node, Value};
use super::wrong::{NoteKind, Wrong};
use crate::error::{Error, Result};
use crate::service::{Publish, Service};

/// One published port of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Port {
    /// First and last inside the container.
    target: (u16, u16),
    /// First and last on the machine; the engine's choice if it is not set.
    published: Option<(u16, u16)>,
    host: Option<IpAddr>,
    tcp: bool,
}

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let mut first = true;
    if let Some(listed) = node.get("ports") {
        for item in listed.items()? {
            let port = match &item.value {
                Value::Map(_) => long(state, item)?,
                _ => short(item)?,
            };
            if !port.tcp {
                state.note(NoteKind::Dropped, item, "a service serves over TCP; the UDP port is not published");
            } else if first {
                first = false;
                take(state, item, &port, service);
            } else if port.target.0 == service.port.unwrap_or_default() {
                state.note(NoteKind::Dropped, item, "a port is published once; this second place is not");
            } else {
                let message = format!(
                    "a service has one port; {} is reached by other services of the app only",
                    service.port.map_or_else(|| "this one".into(), |_| span(port.target))
                );
                state.note(NoteKind::Dropped, item, message);
            }
        }
    }
    exposed(state, node, service)
}

fn take(state: &mut State<'_>, item: &Node, port: &Port, service: &mut Service) {
    service.port = Some(port.target.0);
    if port.target.0 != port.target.1 {
        let message = format!("a service has one port; of {} the first one is published", span(port.target));
        state.note(NoteKind::Changed, item, message);
    }
    let host = port.host.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if port.host.is_none() {
        let message = "the port is open to other machines, as in Compose; leave out `publish.host` to close it";
        state.note(NoteKind::Assumed, item, message);
    }
    let mut publish = Publish::at(host);
    match port.published {
        Some((from, to)) if from == to || port.target.0 != port.target.1 => publish = publish.port(from),
        Some(range) => {
            let message = format!("each replica is published on a free port, not on one of {}", span(range));
            state.note(NoteKind::Changed, item, message);
        }
        None => {}
    }
    if publish != Publish::default() {
        service.publish = Some(publish);
    }
}

fn exposed(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(listed) = node.get("expose") else { return Ok(()) };
    for item in listed.items()? {
        let text = item.text()?;
        let (range, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        let (port, _) = parse_range(range).ok_or_else(|| not_a_port(item, range))?;
        if service.port.is_none() && protocol == "tcp" {
            service.port = Some(port);
            let message =
                "it is the service's port, and reached on a free port of this machine's loopback address, too";
            state.note(NoteKind::Changed, item, message);
        }
    }
    Ok(())
}

fn long(state: &mut State<'_>, item: &Node) -> Result<Port> {
    let meaning = "the port is published on this machine";
    state.rest(item, &["target", "published", "host_ip", "protocol", "name", "app_protocol"], &[("mode", meaning)])?;
    let target = item.get("target").ok_or_else(|| item.wrong("a target is needed").hint("add `target`"))?;
    let target: u16 = target.number()?;
    let published = match item.get("published") {
        None => None,
        Some(node) => {
            let text = node.text()?;
            match text.is_empty() {
                true => None,
                false => Some(parse_range(&text).ok_or_else(|| not_a_port(node, &text))?),
            }
        }
    };
    let host = match item.get("host_ip") {
        None => None,
        Some(node) => Some(address(node, &node.text()?)?),
    };
    let tcp = item.get("protocol").map(Node::text).transpose()?.is_none_or(|protocol| protocol == "tcp");
    Ok(Port { target: (target, target), published: published.filter(|range| range.0 != 0), host, tcp })
}

fn short(item: &Node) -> Result<Port> {
    let text = item.text()?;
    let (whole, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (rest, target) = match whole.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, whole),
    };
    let target = parse_range(target).filter(|range| range.0 != 0).ok_or_else(|| not_a_port(item, target))?;
    let (host, published) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((host, published)) => (Some(host.trim_start_matches('[').trim_end_matches(']')), Some(published)),
            None if rest.contains('.') => (Some(rest), None),
            None => (None, Some(rest)),
        },
    };
    let published = match published.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(parse_range(text).ok_or_else(|| not_a_port(item, text))?),
    };
    if let Some((from, to)) = published {
        let wide = target.1 - target.0;
        if wide != 0 && to - from != wide {
            return Err(item.wrong("the ranges of ports are not of the same length").with("value", &text));
        }
    }
    let host = host.map(|host| address(item, host)).transpose()?;
    Ok(Port { target, published: published.filter(|range| range.0 != 0), host, tcp: protocol == "tcp" })
}

fn address(node: &Node, text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| node.wrong("not an address").with("value", text).hint("write for example 127.0.0.1"))
}

fn not_a_port(node: &Node, text: &str) -> Error {
    let error = node.wrong("not a port").with("value", format_args!("{text:?}"));
    error.hint("write for example 8000, 8000:8000 or 127.0.0.1:8000:8000")
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let range = (from.parse().ok()?, to.parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

fn span((from, to): (u16, u16)) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}
