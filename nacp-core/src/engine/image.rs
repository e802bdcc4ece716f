//! Images: what is asked for, and what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::service::Pull;
use crate::units::Bytes;

/// Which image is wanted, and when it is pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PullRequest {
    /// The reference, such as `ollama/ollama:0.16.1`, with or without a digest `@sha256:…`.
    pub reference: String,
    /// The platform, such as `linux/amd64`; the engine's own if it is not set.
    pub platform: Option<String>,
    /// When it is pulled.
    pub when: Pull,
}

impl PullRequest {
    /// This image, pulled when it is missing.
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), platform: None, when: Pull::Missing }
    }

    /// Sets when it is pulled.
    #[must_use]
    pub fn when(mut self, when: Pull) -> Self {
        self.when = when;
        self
    }

    /// Sets the platform.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }
}

/// An image that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The reference that was asked for.
    pub reference: String,
    /// The engine's id of the image's content, `sha256:…`.
    pub id: String,
    /// The digest that it has in its registry, `sha256:…`; nothing for an image that came from no registry.
    pub digest: Option<String>,
    /// Whether it was pulled just now.
    pub pulled: bool,
}

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageDetails {
    /// The engine's id of its content, `sha256:…`.
    pub id: String,
    /// The digests that it has in registries, as `repository@sha256:…`.
    pub digests: BTreeSet<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// As whom its program runs; empty for root.
    pub user: String,
    /// Where its program is started; empty for the root.
    pub working_dir: String,
    /// The ports that it declares.
    pub ports: BTreeSet<u16>,
    /// The folders that it declares as volumes.
    pub volumes: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its platform, such as `linux/amd64`.
    pub platform: String,
    /// How large it is.
    pub size: Bytes,
}
