//! What happens to containers, as the daemon tells it.

use std::collections::{BTreeMap, VecDeque};

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use serde::Deserialize;

use super::lines::Lines;
use super::stream::Pieces;
use super::{CALL_LIMIT, Docker, failure, limited, raw, stream as long};
use crate::engine::{Change, ContainerId, EngineEvent, EngineEvents, labels};
use crate::error::{Error, Result};

/// The most bytes of one event, which carries all labels of its container.
const EVENT: usize = 1 << 20;

/// One line of `/events`. Every field may be absent or null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Line {
    #[serde(rename = "Type")]
    kind: Option<String>,
    action: Option<String>,
    actor: Option<Actor>,
    #[serde(rename = "timeNano")]
    time: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Actor {
    #[serde(rename = "ID")]
    id: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

/// A part of `/info`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Now {
    system_time: Option<String>,
}

/// The event of a line; nothing for a line that cannot be read or that is about nothing of NACP's.
fn event(line: &str) -> Option<EngineEvent> {
    let Line { kind, action, actor, time } = serde_json::from_str(line).ok()?;
    if kind.is_some_and(|kind| kind != "container") {
        return None;
    }
    let Actor { id, attributes } = actor?;
    let attributes = attributes?;
    let code = || attributes.get("exitCode").and_then(|code| code.parse().ok());
    let change = match action?.as_str() {
        "create" => Change::Created,
        "start" | "restart" => Change::Started,
        "die" | "died" => Change::Ended(code()),
        "oom" => Change::OutOfMemory,
        "destroy" | "remove" => Change::Removed,
        "rename" => Change::Renamed,
        other => Change::Other(other.to_owned()),
    };
    let name = attributes.get("name").map(|name| name.trim_start_matches('/')).unwrap_or_default();
    let mut event = EngineEvent::new(attributes.get(labels::APP)?, name, ContainerId(id?), change);
    event.at = time.and_then(|time| Timestamp::from_nanosecond(time.into()).ok());
    Some(event)
}

impl Docker {
    /// The events from the daemon's own time on, so that none is missed between its answer and its subscription.
    pub(super) async fn events(&self) -> Result<EngineEvents> {
        let failed = |error| failure::call("engine.watch", error);
        // Podman does not know a filter for a label of any value: then all containers' events come, and others' are left out here.
        let podman = limited(CALL_LIMIT, self.client.version()).await.map_err(failed)?;
        let podman = podman.components.iter().flatten().any(|component| component.name.contains("Podman"));
        let filters = match podman {
            true => serde_json::json!({ "type": ["container"] }),
            false => serde_json::json!({ "type": ["container"], "label": [labels::APP] }),
        };
        let now: Now = limited(CALL_LIMIT, raw::get(&self.address, "/info")).await.map_err(failed)?;
        let since = now.system_time.and_then(|time| time.parse::<Timestamp>().ok());
        let since = since.map(|at| format!("&since={}.{:09}", at.as_second(), at.subsec_nanosecond()));
        let path = format!("/events?filters={}{}", raw::encoded(&filters.to_string()), since.unwrap_or_default());
        let pieces = limited(CALL_LIMIT, long::get(&self.address, &path)).await.map_err(failed)?;
        let reader = Reader { pieces, lines: Lines::of(EVENT), ready: VecDeque::new() };
        Ok(stream::unfold(reader, |mut reader| async { Some((reader.next().await?, reader)) }).boxed())
    }
}

struct Reader {
    pieces: Pieces,
    lines: Lines,
    ready: VecDeque<EngineEvent>,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<EngineEvent, Error>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            match self.pieces.next().await? {
                Ok(piece) => self.ready.extend(self.lines.take(&piece).iter().filter_map(|line| event(line))),
                Err(error) => return Some(Err(failure::call("engine.watch", error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(action: &str, attributes: &str) -> Option<EngineEvent> {
        let line = format!(
            r#"{{"status":"x","Type":"container","Action":{action:?},"Actor":{{"ID":"c","Attributes":{attributes}}},
            "scope":"local","timeNano":1795537398007600904,"new":[{{}}]}}"#
        );
        event(&line)
    }

    #[test]
    fn each_word_of_either_engine_has_its_change() {
        let ours = r#"{"nacp.app":"a","name":"/n","exitCode":"137"}"#;
        for (action, change) in [
            ("create", Change::Created),
            ("start", Change::Started),
            ("die", Change::Ended(Some(137))),
            ("died", Change::Ended(Some(137))),
            ("oom", Change::OutOfMemory),
            ("destroy", Change::Removed),
            ("remove", Change::Removed),
            ("rename", Change::Renamed),
            ("exec_create: ls", Change::Other("exec_create: ls".to_owned())),
        ] {
            let event = read(action, ours).unwrap();
            assert_eq!((event.app.as_str(), event.name.as_str(), event.change), ("a", "n", change));
            assert_eq!(event.at.unwrap().to_string(), "2026-11-24T16:23:18.007600904Z");
        }
        let ended = read("die", r#"{"nacp.app":"a","exitCode":"?"}"#).unwrap();
        assert_eq!((ended.change, ended.name.as_str()), (Change::Ended(None), ""));
    }

    #[test]
    fn what_is_not_ours_or_cannot_be_read_is_nothing() {
        assert_eq!(read("create", r#"{"name":"foreign"}"#), None);
        let network = r#"{"Type":"network","Action":"create","Actor":{"ID":"n","Attributes":{"nacp.app":"a"}}}"#;
        for line in ["", "{", "{}", r#"{"Action":null,"Actor":null}"#, network] {
            assert_eq!(event(line), None, "{line}");
        }
    }
}
