//! A container as the daemon lists it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Deserialize;

use crate::engine::{Container, ContainerId, ContainerSpec, ContainerState, labels};

/// One entry of `/containers/json`. Every field may be absent or null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Summary {
    id: Option<String>,
    names: Option<Vec<String>>,
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    state: Option<String>,
    status: Option<String>,
    ports: Option<Vec<Port>>,
    created: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    #[serde(rename = "IP")]
    ip: Option<String>,
    public_port: Option<u16>,
}

/// Who holds a name: a part of `/containers/NAME/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Holder {
    pub(super) id: String,
    config: HolderConfig,
    state: HolderState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HolderState {
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HolderConfig {
    labels: Option<BTreeMap<String, String>>,
}

impl Holder {
    /// The app that the container belongs to; nothing for a container that is not NACP's.
    pub(super) fn app(&self) -> Option<&str> {
        self.config.labels.as_ref()?.get(labels::APP).map(String::as_str)
    }

    /// Whether it is what a creation of this specification has left that was given up: it has every label of it and has
    /// never been started. Another's container of the same name is none.
    pub(super) fn is_left_of(&self, spec: &ContainerSpec) -> bool {
        let own = self.config.labels.as_ref();
        let same = |(name, value): (&String, &String)| {
            name == labels::ROOT || own.and_then(|own| own.get(name)).is_some_and(|own| own == value)
        };
        self.state.status == "created" && spec.labels.contains_key(labels::APP) && spec.labels.iter().all(same)
    }
}

/// The container; nothing for an entry without an id. `host` is the daemon's machine, where that is another one and has an
/// address of its own.
pub(super) fn container(summary: Summary, host: Option<IpAddr>) -> Option<Container> {
    let id = ContainerId(summary.id?);
    let name = summary.names.into_iter().flatten().next().map(|name| name.trim_start_matches('/').to_owned());
    let ports = summary.ports.into_iter().flatten();
    let address = ports.filter_map(|port| {
        let public = port.public_port.filter(|port| *port > 0)?;
        let ip = match port.ip.as_deref() {
            // Podman writes nothing for every address.
            None | Some("") => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(ip) => ip.parse().ok()?,
        };
        Some(SocketAddr::new(reached(ip, host), public))
    });
    let state = state(summary.state.as_deref().unwrap_or_default(), summary.status.as_deref().unwrap_or_default());
    Some(Container {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        image: summary.image.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default(),
        // Podman tells a port before it is published.
        address: address.min().filter(|_| state.is_active()),
        state,
        created: summary.created.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()),
    })
}

/// Where a port that is published at this address is reached: on loopback for every address, or at the daemon's machine.
fn reached(ip: IpAddr, host: Option<IpAddr>) -> IpAddr {
    match (ip.is_unspecified(), host) {
        (false, _) => ip,
        (true, Some(host)) => host,
        (true, None) if ip.is_ipv6() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        (true, None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// The state in Docker's words or Podman's, with the exit code from the status text, such as
/// `Exited (137) 2 seconds ago`.
fn state(state: &str, status: &str) -> ContainerState {
    let code = || status.strip_prefix("Exited (")?.split(')').next()?.parse().ok();
    match state.to_ascii_lowercase().as_str() {
        "created" | "configured" | "initialized" => ContainerState::Created,
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" | "stopped" => ContainerState::Exited(code()),
        "dead" | "removing" => ContainerState::Dead,
        _ if status.starts_with("Exited") => ContainerState::Exited(code()),
        _ => ContainerState::Dead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_comes_from_the_status() {
        assert_eq!(state("exited", "Exited (137) 2 seconds ago"), ContainerState::Exited(Some(137)));
        assert_eq!(state("exited", ""), ContainerState::Exited(None));
        assert_eq!(state("removing", ""), ContainerState::Dead);
    }

    #[test]
    fn a_word_that_is_unknown_is_no_reason_to_fail() {
        assert_eq!(state("stopped", "Exited (0) 1 minute ago"), ContainerState::Exited(Some(0)));
        assert_eq!(state("slumbering", "Exited (3) 1 minute ago"), ContainerState::Exited(Some(3)));
        assert_eq!(state("slumbering", "Asleep"), ContainerState::Dead);
        assert_eq!(state("configured", "Created"), ContainerState::Created);
    }

    #[test]
    fn nothing_but_the_id_must_be_there() {
        let read = |text| container(serde_json::from_str(text).unwrap(), None);
        let bare = read(r#"{"Id":"0123456789abcdef","Names":null,"Labels":null,"Ports":null,"State":null,"New":[1]}"#);
        assert_eq!(bare.unwrap().name, "0123456789ab");
        assert_eq!(read("{}"), None);
        let ports = r#"{"Id":"a","Names":["/n"],"Ports":[{"IP":"192.0.2.7","PublicPort":1},{"PrivatePort":2},
            {"IP":"127.0.0.1","PublicPort":3}],"State":"running"}"#;
        assert_eq!(read(ports).unwrap().address, Some(SocketAddr::from(([127, 0, 0, 1], 3))));
    }

    #[test]
    fn a_port_is_told_where_it_is_reached() {
        let lan: IpAddr = [192, 0, 2, 7].into();
        for (ip, host, reached) in [
            (r#""127.0.0.1""#, None, "127.0.0.1:3"),
            (r#""192.0.2.9""#, None, "192.0.2.9:3"),
            (r#""0.0.0.0""#, None, "127.0.0.1:3"),
            (r#""::""#, None, "[::1]:3"),
            ("null", None, "127.0.0.1:3"),
            (r#""0.0.0.0""#, Some(lan), "192.0.2.7:3"),
        ] {
            let text = format!(r#"{{"Id":"a","Ports":[{{"IP":{ip},"PublicPort":3}}],"State":"running"}}"#);
            let container = container(serde_json::from_str(&text).unwrap(), host).unwrap();
            assert_eq!(container.address.unwrap().to_string(), reached);
        }
        let unstarted = r#"{"Id":"a","Ports":[{"IP":"127.0.0.1","PublicPort":34859}],"State":"created"}"#;
        assert_eq!(container(serde_json::from_str(unstarted).unwrap(), None).unwrap().address, None);
    }

    #[test]
    fn only_what_a_creation_has_left_is_erased_after_it() {
        let mut spec = ContainerSpec::new("n", "i");
        spec.labels.insert(labels::APP.to_owned(), "chat".to_owned());
        let left = |app: &str, status: &str| {
            let told = serde_json::json!({
                "Id": "1", "Config": { "Labels": { labels::APP: app, "x": "y" } }, "State": { "Status": status }
            });
            serde_json::from_value::<Holder>(told).unwrap().is_left_of(&spec)
        };
        assert!(left("chat", "created"));
        assert!(!left("other", "created") && !left("chat", "running"));
        assert!(!Holder::default().is_left_of(&ContainerSpec::new("n", "i")));
    }
}
