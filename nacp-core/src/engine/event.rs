//! What happens to containers.

use futures_util::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ContainerId;
use crate::error::Result;

/// The events of an engine, as they come.
pub type EngineEvents = BoxStream<'static, Result<EngineEvent>>;

/// Something that happened to one container of NACP's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EngineEvent {
    /// When, by the engine's clock.
    pub at: Option<Timestamp>,
    /// The container.
    pub container: ContainerId,
    /// The container's name, as far as the engine tells.
    pub name: String,
    /// The app whose label it carries.
    pub app: String,
    /// What happened.
    pub change: Change,
}

impl EngineEvent {
    /// Something that happened to a container of an app.
    pub fn new(app: impl Into<String>, name: impl Into<String>, container: ContainerId, change: Change) -> Self {
        Self { at: None, container, name: name.into(), app: app.into(), change }
    }
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// It was created.
    Created,
    /// Its program was started.
    Started,
    /// Its program ended, with this code where the engine tells.
    Ended(Option<i64>),
    /// The kernel ended it because it took too much main memory.
    OutOfMemory,
    /// It was removed.
    Removed,
    /// It was renamed.
    Renamed,
    /// Something else, in the engine's word.
    Other(String),
}
