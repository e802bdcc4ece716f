//! What an engine tells while it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use nacp_core::engine::{Change, ContainerId, LogLine};
use tokio::time::timeout;

use super::bench::{Bench, spec};
use crate::common::{get, unique};

const SOON: Duration = Duration::from_secs(20);

pub(super) async fn what_happens_to_ours_is_seen_in_order_and_nothing_of_others(engine: &Bench) {
    let mut events = engine.watch().await.unwrap();
    let mut foreign = spec("seen-b", "");
    foreign.labels = BTreeMap::new();
    let stranger = engine.created(&foreign).await;
    let id = engine.created(&spec("seen-a", "seen")).await;
    engine.start(&id).await.unwrap();
    // A program that does not listen to signals yet would be killed at the end of its grace.
    let mut lines = engine.follow_logs(&id, 100).await.unwrap();
    next(&mut lines).await.unwrap();
    let name = unique("seen-c");
    engine.rename(&id, &name).await.unwrap();
    engine.stop(&id, Duration::from_secs(5)).await.unwrap();
    engine.remove(&id).await.unwrap();
    engine.remove(&stranger).await.unwrap();
    let mut seen: Vec<Change> = Vec::new();
    while seen.last() != Some(&Change::Removed) {
        let event = timeout(SOON, events.next()).await.expect("an event").expect("no end").unwrap();
        assert_ne!(event.container, stranger, "{event:?}");
        // Other tests have containers of their own.
        if event.container == id {
            assert!(event.app == unique("seen") && event.at.is_some(), "{event:?}");
            seen.extend(Some(event.change).filter(|change| !matches!(change, Change::Other(_))));
        }
    }
    let wanted = [Change::Created, Change::Started, Change::Renamed, Change::Ended(Some(0)), Change::Removed];
    assert_eq!(seen, wanted);
}

pub(super) async fn what_a_container_writes_is_followed_to_its_end(engine: &Bench) {
    let id = engine.started(&spec("follow", "follow")).await;
    let mut lines = engine.follow_logs(&id, 100).await.unwrap();
    let first = next(&mut lines).await.unwrap();
    assert!(first.text.contains("listening on") && !first.error, "{first:?}");
    let address = engine.find(&id).await.unwrap().address.unwrap();
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let second = next(&mut lines).await.unwrap();
    assert_eq!(second.text, "simulated service: GET /healthz 200");
    engine.stop(&id, Duration::from_secs(5)).await.unwrap();
    assert_eq!(next(&mut lines).await, None, "it ends with the container");
    let nobody = ContainerId("nacp-no-such-container".to_owned());
    assert!(engine.follow_logs(&nobody, 1).await.is_err());
}

async fn next(lines: &mut nacp_core::engine::LogLines) -> Option<LogLine> {
    timeout(SOON, lines.next()).await.expect("a line or the end").transpose().unwrap()
}
