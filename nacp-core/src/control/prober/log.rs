//! A line in what the container writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;

use super::{Target, within};
use crate::engine::{ContainerId, LogLine, LogLines};
use crate::error::{Error, ErrorKind};

/// All lines: as many as a daemon can be asked for.
const ALL: usize = i32::MAX as usize;
/// The lines that are read for each question where a log cannot be followed.
const LAST: usize = 1000;
/// A log that has been silent for so long has told what it has to tell for now.
const SILENT: Duration = Duration::from_millis(20);
/// The same for one that was just opened: its first line is on the way.
const OPENS: Duration = Duration::from_millis(200);

/// The most lines that are read for a question whose answer is known.
const DRAINED: usize = 1000;
/// Of so many containers and texts it is remembered how far the log was read when the program ended.
const KEPT: usize = 1024;

/// What has been read of the logs of containers.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    followed: Arc<Mutex<Followers>>,
}

/// What has been read of each container's log in search of each text.
type Followers = BTreeMap<(ContainerId, String), Arc<tokio::sync::Mutex<Followed>>>;

/// One container's log, as far as it has been read in search of one text.
#[derive(Default)]
struct Followed {
    /// What is still to come; nothing before the first question, and after the program's end.
    lines: Option<LogLines>,
    /// Whether the text was in this run's lines.
    found: bool,
    /// How many lines have been read since the log's beginning.
    read: usize,
    /// How many of the first lines belong to runs that are over.
    over: usize,
    /// When this run began, as far as the engine tells.
    started: Option<Timestamp>,
    /// Whether the log has come to an end since it was opened.
    ended: bool,
}

impl Logs {
    pub(super) async fn look(&self, target: Target<'_>, text: &str, limit: Duration) -> Result<(), String> {
        let followed = self.followed(target.container, text);
        within(limit, async {
            let mut followed = followed.lock().await;
            match followed.look(target, text).await {
                Ok(true) => Ok(()),
                Ok(false) => Err("not in the log".to_owned()),
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    let lines = target.engine.logs(target.container, LAST).await.map_err(cannot)?;
                    let found = lines.iter().any(|line| line.contains(text));
                    found.then_some(()).ok_or_else(|| "not in the log".to_owned())
                }
                Err(error) => Err(cannot(error)),
            }
        })
        .await
        // What was read until then is kept, and the next question goes on from there.
        .unwrap_or_else(|_| Err("not in the log yet, which is long".to_owned()))
    }

    fn followed(&self, container: &ContainerId, text: &str) -> Arc<tokio::sync::Mutex<Followed>> {
        let mut all = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (container.clone(), text.to_owned());
        if !all.contains_key(&key) {
            let crowded = all.len() >= KEPT;
            all.retain(|(_, text), followed| {
                // What is locked is being asked for at this moment.
                let goes_on = followed.try_lock().map_or(true, |mut followed| followed.goes_on(text));
                goes_on || !crowded
            });
        }
        Arc::clone(all.entry(key).or_default())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn cannot(error: Error) -> String {
    format!("its log cannot be read: {}", error.message())
}

impl Followed {
    /// Reads what is new, and tells whether this run has written the text.
    async fn look(&mut self, target: Target<'_>, text: &str) -> Result<bool, Error> {
        let (mut patience, mut opened) = (SILENT, false);
        for count in 0.. {
            if self.lines.is_none() {
                if opened {
                    break;
                }
                self.open(target).await?;
                (patience, opened) = (OPENS, true);
            }
            let Some(lines) = &mut self.lines else { break };
            // A run that has written it needs no more of its lines, but must be seen to end.
            let next = match self.found {
                true if count == DRAINED => None,
                true => lines.next().now_or_never(),
                false => tokio::time::timeout(patience, lines.next()).await.ok(),
            };
            match next {
                None => break,
                Some(Some(Ok(line))) => {
                    self.take(&line, text);
                    patience = SILENT;
                }
                Some(Some(Err(error))) => {
                    self.lines = None;
                    return Err(error);
                }
                Some(None) => self.end(),
            }
        }
        Ok(self.found)
    }

    /// Reads the log from its beginning, and leaves out the lines of runs that are over.
    async fn open(&mut self, target: Target<'_>) -> Result<(), Error> {
        let started = target.engine.inspect(target.container).await.ok().and_then(|details| details.started_at);
        let another = match (self.started, started) {
            // A log may also end because the daemon was restarted, and the program was not.
            (Some(before), Some(now)) => before != now,
            _ => self.ended,
        };
        let lines = target.engine.follow_logs(target.container, ALL).await?;
        if another {
            self.over = self.read;
        }
        (self.lines, self.read, self.started, self.found, self.ended) = (Some(lines), 0, started, false, false);
        Ok(())
    }

    fn take(&mut self, line: &LogLine, text: &str) {
        self.read += 1;
        self.found |= self.read > self.over && line.text.contains(text);
    }

    /// What the program wrote counts no longer, unless it turns out to go on.
    fn end(&mut self) {
        (self.lines, self.found, self.ended) = (None, false, true);
    }

    /// Whether the log can still tell something. What it tells is taken.
    fn goes_on(&mut self, text: &str) -> bool {
        let Some(lines) = &mut self.lines else { return false };
        match lines.next().now_or_never() {
            None => true,
            Some(Some(Ok(line))) => {
                self.take(&line, text);
                true
            }
            Some(Some(Err(_)) | None) => {
                self.end();
                false
            }
        }
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("found", &self.found).field("read", &self.read).finish_non_exhaustive()
    }
}
