//! The images that the simulated engine knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::archive;
use super::time::Time;
use crate::engine::{Image, ImageDetails, PullProgress, PullRequest, PullWatcher, labels};
use crate::error::{Error, ErrorKind, Result};
use crate::service::Pull;
use crate::units::Bytes;

/// How large each image is.
const SIZE: Bytes = Bytes::mib(64);

/// Which images are here and which a pull brings.
#[derive(Debug)]
pub(super) struct Images {
    /// Those that are here; every one where there is no list.
    here: Option<Mutex<BTreeSet<String>>>,
    registry: BTreeSet<String>,
    steps: u32,
    pause: Duration,
}

impl Default for Images {
    fn default() -> Self {
        Self { here: None, registry: BTreeSet::new(), steps: 1, pause: Duration::ZERO }
    }
}

/// The digest of what an image would hold: that of its reference.
pub(super) fn digest(reference: &str) -> String {
    let (plain, _) = parts(reference);
    let hash = Sha256::digest(plain.as_bytes());
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// A reference without its digest, and the digest.
fn parts(reference: &str) -> (&str, Option<&str>) {
    reference.split_once('@').map_or((reference, None), |(plain, digest)| (plain, Some(digest)))
}

impl Images {
    pub(super) fn here<T: Into<String>>(images: impl IntoIterator<Item = T>) -> Self {
        let here = images.into_iter().map(Into::into).collect();
        Self { here: Some(Mutex::new(here)), ..Self::default() }
    }

    pub(super) fn offer<T: Into<String>>(&mut self, images: impl IntoIterator<Item = T>) {
        self.registry.extend(images.into_iter().map(Into::into));
        self.here.get_or_insert_default();
    }

    pub(super) fn pace(&mut self, steps: u32, pause: Duration) {
        (self.steps, self.pause) = (steps.max(1), pause);
    }

    pub(super) fn has(&self, reference: &str) -> bool {
        let (plain, pinned) = parts(reference);
        let there = self.here.as_ref().is_none_or(|here| lock(here).contains(plain));
        there && pinned.is_none_or(|pinned| pinned == digest(plain))
    }

    pub(super) fn details(&self, reference: &str) -> Option<ImageDetails> {
        let (plain, _) = parts(reference);
        let repository = plain.rsplit_once(':').map_or(plain, |(repository, _)| repository);
        self.has(reference).then(|| ImageDetails {
            id: digest(plain),
            digests: [format!("{repository}@{}", digest(plain))].into(),
            ports: [8000].into(),
            labels: BTreeMap::from([(labels::SIMULATED.to_owned(), "true".to_owned())]),
            platform: "linux/amd64".to_owned(),
            size: SIZE,
            ..ImageDetails::default()
        })
    }

    /// The digest of an image of the registry or of this machine.
    pub(super) fn digest(&self, reference: &str) -> Result<String> {
        let (plain, _) = parts(reference);
        match self.has(plain) || self.registry.contains(plain) {
            true => Ok(digest(plain)),
            false => Err(missing("engine.digest", reference)),
        }
    }

    pub(super) async fn pull(&self, request: &PullRequest, watcher: &dyn PullWatcher, time: &Time) -> Result<Image> {
        let reference = request.reference.as_str();
        let (plain, pinned) = parts(reference);
        let here = self.has(plain);
        let offered = request.when != Pull::Never && self.registry.contains(plain);
        if !here && !offered {
            return Err(missing("engine.pull", reference));
        }
        if pinned.is_some_and(|pinned| pinned != digest(plain)) {
            return Err(Error::new(
                ErrorKind::Conflict,
                "engine.pull",
                "the image has another digest than the one that is asked for",
            )
            .with("image", reference)
            .with("digest", digest(plain))
            .hint("name the digest that it has, or none"));
        }
        let pulled = offered && (!here || request.when == Pull::Always);
        if pulled {
            self.bring(plain, watcher, time).await;
        }
        Ok(Image { reference: reference.to_owned(), id: digest(plain), digest: Some(digest(plain)), pulled })
    }

    async fn bring(&self, plain: &str, watcher: &dyn PullWatcher, time: &Time) {
        let told = |phase: &str, step: u32| PullProgress {
            image: plain.to_owned(),
            phase: phase.to_owned(),
            done: Bytes(SIZE.0 / u64::from(self.steps) * u64::from(step)),
            total: SIZE,
            layers_done: step,
            layers: self.steps,
        };
        for step in 1..=self.steps {
            time.pause(self.pause).await;
            watcher.tell(&told("downloading", step));
        }
        watcher.tell(&PullProgress { done: SIZE, ..told("done", self.steps) });
        if let Some(here) = &self.here {
            lock(here).insert(plain.to_owned());
        }
    }

    pub(super) fn load(&self, path: &Path, watcher: &dyn PullWatcher) -> Result<Vec<Image>> {
        let names = archive::names(path)?;
        let loaded = |reference: String| {
            let id = digest(&reference);
            Image { digest: None, id, reference, pulled: false }
        };
        for (step, name) in (1..).zip(&names) {
            watcher.tell(&PullProgress {
                image: name.clone(),
                phase: if step == names.len() { "done" } else { "loading" }.to_owned(),
                ..PullProgress::default()
            });
            if let Some(here) = &self.here {
                lock(here).insert(name.clone());
            }
        }
        Ok(names.into_iter().map(loaded).collect())
    }
}

fn lock(here: &Mutex<BTreeSet<String>>) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
    here.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(operation: &'static str, reference: &str) -> Error {
    Error::new(ErrorKind::NotFound, operation, "the simulated engine has no such image").with("image", reference)
}
