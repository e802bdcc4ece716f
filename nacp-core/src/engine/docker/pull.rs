//! Makes sure that an image is on the engine's machine, and that it is the one that is meant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bollard::errors::Error as Api;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::time::timeout;

use super::credentials::Known;
use super::image::is_platform;
use super::progress::{Progress, Rate};
use super::reference::Reference;
use super::{Docker, failure};
use crate::clock::{Clock, SystemClock};
use crate::engine::{Image, PullProgress, PullRequest, PullWatcher};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::service::Pull;

/// A pull that brings nothing for so long is given up. It has no limit as a whole: images are large.
const SILENCE: Duration = Duration::from_secs(120);

/// What is pulled: the reference and the platform.
type Key = (String, Option<String>);

/// The pulls that are under way: one image is pulled once at a time, and all who want it wait for that one.
#[derive(Debug, Default)]
pub(super) struct Pulls(Mutex<BTreeMap<Key, Weak<Shared>>>);

/// A pull that several may wait for.
#[derive(Debug)]
struct Shared {
    /// Held by the one who pulls, and with how it ended afterwards. One who gives up leaves nothing, and the next one pulls.
    outcome: tokio::sync::Mutex<Option<Result<()>>>,
    progress: watch::Sender<PullProgress>,
}

impl Pulls {
    /// The pull of this image that is under way, or a new one.
    fn of(&self, key: Key) -> Arc<Shared> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, pull| pull.strong_count() > 0);
        if let Some(known) = all.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let progress = watch::Sender::new(PullProgress::default());
        let new = Arc::new(Shared { outcome: tokio::sync::Mutex::new(None), progress });
        all.insert(key, Arc::downgrade(&new));
        new
    }
}

impl Docker {
    pub(super) async fn pulled(&self, request: &PullRequest, watcher: &dyn PullWatcher) -> Result<Image> {
        let reference = Reference::parse(&request.reference, "engine.pull")?;
        let here = self.here(request, &reference).await?;
        match (here, request.when) {
            (Some(found), Pull::Missing | Pull::Never) => return image(request, &reference, found, false),
            (None, Pull::Never) => return Err(self.absent(request, &reference).await?),
            _ => {}
        }
        self.fetch_once(request, &reference, watcher).await?;
        match self.here(request, &reference).await? {
            Some(found) => image(request, &reference, found, true),
            None => Err(Error::new(ErrorKind::NotFound, "engine.pull", "the image is gone again")
                .with("image", &request.reference)
                .retry_later()),
        }
    }

    /// The image on the engine's machine, if it is the content and the platform that are meant.
    async fn here(&self, request: &PullRequest, reference: &Reference) -> Result<Option<ImageInspect>> {
        let failed = |error: Api| failure::call("engine.pull", error).with("image", &request.reference);
        let mut found = self.inspected(&reference.pulled()).await.map_err(failed)?;
        // An image that was loaded has no digest of a registry, but perhaps the one that is meant as its own.
        if let (None, Some(tagged)) = (&found, reference.digest.as_ref().and(reference.tagged())) {
            let own = |it: &ImageInspect| it.id.is_some() && it.id == reference.digest;
            found = self.inspected(&tagged).await.map_err(failed)?.filter(own);
        }
        let fits = |it: &ImageInspect| {
            let own = [it.os.as_deref(), it.architecture.as_deref(), it.variant.as_deref()];
            request.platform.as_ref().is_none_or(|wanted| is_platform(own.map(Option::unwrap_or_default), wanted))
        };
        Ok(found.filter(fits))
    }

    /// Why an image that must be here is of no use: there is none, or it has another content.
    async fn absent(&self, request: &PullRequest, reference: &Reference) -> Result<Error> {
        let asked = reference.tagged().unwrap_or_else(|| reference.pulled());
        let found = self.inspected(&asked).await;
        let found = found.map_err(|error| failure::call("engine.pull", error).with("image", &request.reference))?;
        Ok(match (found, &reference.digest) {
            (Some(found), Some(wanted)) => {
                failure::other_content(&request.reference, wanted, &content(reference, &found))
            }
            (Some(_), None) => {
                Error::new(ErrorKind::NotFound, "engine.pull", "the image on this machine is for another platform")
                    .with("image", &request.reference)
                    .with("platform", request.platform.as_deref().unwrap_or_default())
                    .hint("pull or load it for this platform")
            }
            (None, _) => Error::new(ErrorKind::NotFound, "engine.pull", "the image is not on this machine")
                .with("image", &request.reference)
                .hint("the service says that it is never pulled: load it, or say otherwise"),
        })
    }

    /// Pulls, or waits for the pull of the same image that is under way; then another's progress is told.
    async fn fetch_once(&self, request: &PullRequest, reference: &Reference, watcher: &dyn PullWatcher) -> Result<()> {
        let shared = self.pulls.of((reference.pulled(), request.platform.clone()));
        let mut seen = shared.progress.subscribe();
        // Whoever comes later is told at once where the pull is.
        if !seen.borrow().phase.is_empty() {
            seen.mark_changed();
        }
        let mut turn = std::pin::pin!(shared.outcome.lock());
        let mut outcome = loop {
            match select(turn, std::pin::pin!(seen.changed())).await {
                Either::Left((outcome, _)) => break outcome,
                Either::Right((_, waiting)) => turn = waiting,
            }
            let progress = seen.borrow_and_update().clone();
            watcher.tell(&progress);
        };
        match outcome.as_ref() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(told_again(error)),
            None => {
                let ended = self.fetch(request, reference, &shared.progress, watcher).await;
                *outcome = Some(ended.as_ref().copied().map_err(told_again));
                ended
            }
        }
    }

    async fn fetch(
        &self,
        request: &PullRequest,
        reference: &Reference,
        others: &watch::Sender<PullProgress>,
        watcher: &dyn PullWatcher,
    ) -> Result<()> {
        let Known { credentials, failed } = self.credentials(reference).await;
        let asked = failure::Asked {
            image: &request.reference,
            registry: reference.registry(),
            named: credentials.is_some(),
            helper: failed.as_ref(),
        };
        let options = CreateImageOptionsBuilder::new().from_image(&reference.pulled());
        let options = match &request.platform {
            Some(platform) => options.platform(platform),
            None => options,
        };
        let (clock, mut rate, mut progress) = (SystemClock::new(), Rate::default(), Progress::of(&request.reference));
        let mut tell = |progress: &PullProgress| {
            if rate.tells(progress, clock.monotonic()) {
                watcher.tell(progress);
                others.send_replace(progress.clone());
            }
        };
        let mut lines = std::pin::pin!(self.client.create_image(Some(options.build()), None, credentials));
        tell(progress.now());
        loop {
            match timeout(SILENCE, lines.next()).await {
                Err(_) => {
                    return Err(Error::new(ErrorKind::Timeout, "engine.pull", "the pull has come to a standstill")
                        .with("image", &request.reference)
                        .with("silent_for", format_args!("{}s", SILENCE.as_secs()))
                        .retry_later());
                }
                Ok(None) => break,
                Ok(Some(line)) => {
                    progress.take(&line.map_err(|error| failure::pull(&asked, "engine.pull", error))?);
                    tell(progress.now());
                }
            }
        }
        progress.finish();
        tell(progress.now());
        Ok(())
    }
}

/// The same error for another who waited. Its cause stays with the first.
fn told_again(error: &Error) -> Error {
    let same = Error::new(error.kind(), error.operation().to_owned(), error.message());
    let same = error.context().iter().fold(same, |same, (key, value)| same.with(key.clone(), value));
    let same = if error.retry() == Retry::Later { same.retry_later() } else { same };
    match error.hint_text() {
        Some(hint) => same.hint(hint),
        None => same,
    }
}

/// What an image's content is called: its digest in the repository, else its id.
fn content(reference: &Reference, found: &ImageInspect) -> String {
    let digests = found.repo_digests.iter().flatten().map(String::as_str);
    let digest = reference.digest_among(digests);
    digest.or_else(|| found.id.clone()).unwrap_or_else(|| "unknown".to_owned())
}

fn image(request: &PullRequest, reference: &Reference, found: ImageInspect, pulled: bool) -> Result<Image> {
    let digests = found.repo_digests.iter().flatten().map(String::as_str);
    let mut digest = reference.digest_among(digests);
    if let Some(wanted) = &reference.digest {
        if found.id.as_ref() == Some(wanted) {
            digest = Some(wanted.clone());
        }
        if digest.as_ref() != Some(wanted) {
            return Err(failure::other_content(&request.reference, wanted, &content(reference, &found)));
        }
    }
    let id = found.id.unwrap_or_else(|| "unknown".to_owned());
    Ok(Image { reference: request.reference.clone(), id, digest, pulled })
}
