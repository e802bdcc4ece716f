//! What is told while an image arrives.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// How far an image has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PullProgress {
    /// The image.
    pub image: String,
    /// What is being done: `resolving`, `downloading`, `extracting`, `loading` or `done`.
    pub phase: String,
    /// How many bytes of all layers together have arrived.
    pub done: Bytes,
    /// How many there are, as far as the registry has told.
    pub total: Bytes,
    /// How many layers are complete.
    pub layers_done: u32,
    /// How many layers there are, as far as is known.
    pub layers: u32,
}

/// Who is told how far an image has arrived. It is called often and must return at once.
pub trait PullWatcher: Send + Sync + fmt::Debug {
    /// Takes what there is to tell.
    fn tell(&self, progress: &PullProgress);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl PullWatcher for NoProgress {
    fn tell(&self, _progress: &PullProgress) {}
}
