//! From the start of a container to its removal, and what it writes meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::errors::Error as Api;
use bollard::query_parameters as query;
use futures_util::TryStreamExt as _;
use futures_util::stream::{self, StreamExt as _};
use serde::de::IgnoredAny;

use super::lines::{Frames, LINE, Lines};
use super::stream::Pieces;
use super::{CALL_LIMIT, Docker, REMOVAL_LIMIT, REMOVAL_PAUSE, failure, limited, list, logs, raw, stream as long};
use crate::engine::{Container, ContainerId, LogLine, LogLines};
use crate::error::{Error, ErrorKind, Result};

impl Docker {
    pub(super) async fn launch(&self, id: &ContainerId) -> Result<()> {
        let started = self.client.start_container(&id.0, None::<query::StartContainerOptions>);
        match limited(CALL_LIMIT, started).await {
            Ok(()) => Ok(()),
            Err(error) if failure::status(&error) == Some(304) => Ok(()),
            Err(error) => Err(failure::start(id, error)),
        }
    }

    pub(super) async fn end(&self, id: &ContainerId, grace: Duration) -> Result<()> {
        let options = query::StopContainerOptionsBuilder::new().t(seconds(grace)).build();
        let stopped = self.client.stop_container(&id.0, Some(options));
        match limited(grace.saturating_add(CALL_LIMIT), stopped).await {
            Ok(()) => Ok(()),
            Err(error) if failure::status(&error) == Some(304) => Ok(()),
            Err(error) => Err(failure::call("engine.stop", error).with("container", id)),
        }
    }

    /// Its unnamed volumes go with it.
    pub(super) async fn erase(&self, id: &ContainerId) -> Result<()> {
        let options = query::RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = match limited(CALL_LIMIT, self.client.remove_container(&id.0, Some(options))).await {
            Err(error) if failure::status(&error) == Some(404) => Ok(()),
            Err(error) if failure::under_way(&error) => limited(REMOVAL_LIMIT, self.gone(id)).await,
            removed => removed,
        };
        removed.map_err(|error| failure::call("engine.remove", error).with("container", id))
    }

    /// Waits until a container is gone.
    #[expect(clippy::disallowed_methods, reason = "only looking again tells when the daemon is done")]
    async fn gone(&self, id: &ContainerId) -> Result<(), Api> {
        let path = format!("/containers/{}/json", raw::encoded(&id.0));
        loop {
            match raw::get::<IgnoredAny>(&self.address, &path).await {
                Ok(_) => tokio::time::sleep(REMOVAL_PAUSE).await,
                Err(error) if failure::status(&error) == Some(404) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn call_it(&self, id: &ContainerId, name: &str) -> Result<()> {
        let options = query::RenameContainerOptionsBuilder::new().name(name).build();
        match limited(CALL_LIMIT, self.client.rename_container(&id.0, options)).await {
            Ok(()) => Ok(()),
            Err(error) if failure::same_name(&error) => Ok(()),
            Err(error) if failure::taken(&error) => {
                Err(Error::new(ErrorKind::Conflict, "engine.rename", "a container of this name is there already")
                    .with("container", id)
                    .with("name", name)
                    .hint("remove the other one or choose another name")
                    .caused_by(error))
            }
            Err(error) => Err(failure::call("engine.rename", error).with("container", id).with("name", name)),
        }
    }

    /// The containers that the daemon lists at this path, ordered by name.
    pub(super) async fn listed(&self, path: &str) -> Result<Vec<Container>, Api> {
        let found = limited(CALL_LIMIT, raw::get::<Vec<_>>(&self.address, path)).await?;
        let host = self.address.host().parse().ok().filter(|_| !self.address.is_here());
        let mut containers: Vec<_> = found.into_iter().filter_map(|it| list::container(it, host)).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// At most the last mebibyte.
    pub(super) async fn last_words(&self, id: &ContainerId, lines: usize) -> Result<Vec<String>> {
        let options = query::LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
        let chunks = self.client.logs(&id.0, Some(options));
        let kept = chunks.try_fold(logs::Tail::default(), async |tail, chunk| Ok(tail.with(&chunk.into_bytes())));
        let kept = limited(CALL_LIMIT, kept).await;
        Ok(kept.map_err(|error| failure::call("engine.logs", error).with("container", id))?.lines(lines))
    }

    /// Lines of 64 KiB at most; the rest of a longer one is left out.
    pub(super) async fn listen(&self, id: &ContainerId, lines: usize) -> Result<LogLines> {
        let operation = "engine.follow_logs";
        let terminal = self.look(operation, id).await?.has_terminal();
        let path = format!("/containers/{}/logs?follow=true&stdout=true&stderr=true&tail={lines}", raw::encoded(&id.0));
        let failed = |id: &ContainerId, error| failure::call(operation, error).with("container", id);
        let pieces = limited(CALL_LIMIT, long::get(&self.address, &path)).await.map_err(|error| failed(id, error))?;
        let follower = Follower {
            id: id.clone(),
            pieces,
            frames: (!terminal).then(Frames::default),
            streams: [Lines::of(LINE), Lines::of(LINE)],
            ready: VecDeque::new(),
            ended: false,
        };
        let followed = stream::unfold(follower, move |mut follower| async move {
            let line = follower.next().await?;
            Some((line.map_err(|error| failed(&follower.id, error)), follower))
        });
        Ok(followed.boxed())
    }
}

/// A grace in the daemon's whole seconds, and none of it lost: 0 would be none at all.
fn seconds(grace: Duration) -> i32 {
    i32::try_from(grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0))).unwrap_or(i32::MAX)
}

/// Takes what arrives apart into lines of either stream.
struct Follower {
    id: ContainerId,
    pieces: Pieces,
    /// Nothing where the container has a terminal, which makes one stream of both.
    frames: Option<Frames>,
    streams: [Lines; 2],
    ready: VecDeque<LogLine>,
    ended: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<LogLine, Api>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.ended {
                return None;
            }
            match self.pieces.next().await {
                Some(Ok(piece)) => self.take(&piece),
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    for (error, lines) in [false, true].into_iter().zip(&mut self.streams) {
                        self.ready.extend(lines.rest().map(|text| LogLine { error, text }));
                    }
                }
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let parts = match &mut self.frames {
            Some(frames) => frames.take(piece),
            None => vec![(false, piece)],
        };
        for (error, part) in parts {
            let lines = self.streams[usize::from(error)].take(part);
            self.ready.extend(lines.into_iter().map(|text| LogLine { error, text }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_never_shorter_than_was_asked_for() {
        for (millis, told) in [(0, 0), (1, 1), (500, 1), (1000, 1), (1001, 2), (10_000, 10)] {
            assert_eq!(seconds(Duration::from_millis(millis)), told, "{millis} ms");
        }
        assert_eq!(seconds(Duration::MAX), i32::MAX);
    }
}
