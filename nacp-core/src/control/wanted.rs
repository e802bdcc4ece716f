//! What is wanted of one app, and what its user has said since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result, nearest};
use crate::gpu::GpuId;
use crate::service::App;

/// What is wanted of one app: the app itself, and what its user said since: pause, scale, drain, cordon, pin. Cloning is
/// cheap; all clones are one. Whatever is said wakes the [`keep`](super::ControlPlane::keep) that follows it.
///
/// ```
/// use nacp_core::control::Wanted;
/// use nacp_core::service::{App, Service};
///
/// let wanted = Wanted::new(App::new("demo").service("llm", Service::new("example/llm:1")))?;
/// wanted.scale("llm", 3)?;
/// let error = wanted.scale("lm", 3).unwrap_err();
/// assert!(error.to_string().ends_with("did you mean `llm`?"), "{error}");
/// # Ok::<(), nacp_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Wanted {
    desired: watch::Sender<Arc<Desired>>,
}

/// One state of a [`Wanted`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    pub(super) app: App,
    pub(super) paused: bool,
    pub(super) scale: BTreeMap<String, u32>,
    pub(super) drained: BTreeSet<String>,
    pub(super) cordoned: BTreeMap<GpuId, String>,
    pub(super) pins: BTreeMap<String, String>,
    /// Counts what was said: a specification that failed is tried again when this has grown.
    pub(super) said: u64,
}

impl Desired {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            paused: false,
            scale: BTreeMap::new(),
            drained: BTreeSet::new(),
            cordoned: BTreeMap::new(),
            pins: BTreeMap::new(),
            said: 0,
        }
    }

    /// The app with everything that was said since in it: a drained service has no replicas, a pinned image its digest.
    pub(super) fn effective(&self) -> App {
        let mut app = self.app.clone();
        for (name, service) in &mut app.services {
            if let Some(count) = self.scale.get(name) {
                service.replicas = *count;
            }
            if self.drained.contains(name) {
                service.replicas = 0;
            }
            if let Some(digest) = self.pins.get(&service.image) {
                service.image = format!("{}@{digest}", service.image);
            }
        }
        app
    }
}

impl Wanted {
    /// Wants this app.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an app that is not valid.
    pub fn new(app: App) -> Result<Self> {
        app.validate()?;
        Ok(Self { desired: watch::Sender::new(Arc::new(Desired::new(app))) })
    }

    /// The name of the app.
    pub fn name(&self) -> String {
        self.desired.borrow().app.name.clone()
    }

    /// The app, as it was set last.
    pub fn app(&self) -> App {
        self.desired.borrow().app.clone()
    }

    /// Wants this specification from now on. What was said of services that it has no longer is forgotten; the number of
    /// replicas is the one that it says.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an app that is not valid, or one of another name.
    pub fn set(&self, app: App) -> Result<()> {
        app.validate()?;
        let name = self.name();
        if app.name != name {
            return Err(Error::new(ErrorKind::InvalidArgument, "control.set", "this is another app")
                .with("app", &app.name)
                .with("kept", &name)
                .hint("keep another app by a `Wanted` of its own"));
        }
        self.say(|desired| {
            desired.scale.clear();
            desired.drained.retain(|service| app.services.contains_key(service));
            desired.app = app;
        });
        Ok(())
    }

    /// Wants so many replicas of a service. Those of the highest numbers go first.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the app has no such service;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when it cannot have so many, such as two at one fixed port.
    pub fn scale(&self, service: &str, replicas: u32) -> Result<()> {
        self.known("control.scale", service)?;
        let mut app = self.app();
        if let Some(service) = app.services.get_mut(service) {
            service.replicas = replicas;
        }
        app.validate()?;
        self.say(|desired| {
            desired.scale.insert(service.to_owned(), replicas);
        });
        Ok(())
    }

    /// Changes nothing from now on; what runs goes on as it is.
    pub fn pause(&self) {
        self.say(|desired| desired.paused = true);
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.say(|desired| desired.paused = false);
    }

    /// Empties a service: nothing more is sent to its replicas, and each is removed when nobody waits for it any more, or
    /// after its stop grace.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the app has no such service.
    pub fn drain(&self, service: &str) -> Result<()> {
        self.known("control.drain", service)?;
        self.say(|desired| {
            desired.drained.insert(service.to_owned());
        });
        Ok(())
    }

    /// Ends a [`drain`](Self::drain): the service's replicas come back.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the app has no such service.
    pub fn undrain(&self, service: &str) -> Result<()> {
        self.known("control.undrain", service)?;
        self.say(|desired| {
            desired.drained.remove(service);
        });
        Ok(())
    }

    /// Gives a GPU to no replica of this app from now on; those that it has move elsewhere as soon as there is room.
    pub fn cordon(&self, gpu: GpuId, reason: impl Into<String>) {
        let reason = reason.into();
        self.say(|desired| {
            desired.cordoned.insert(gpu, reason);
        });
    }

    /// Ends a [`cordon`](Self::cordon).
    pub fn uncordon(&self, gpu: &GpuId) {
        self.say(|desired| {
            desired.cordoned.remove(gpu);
        });
    }

    /// Runs the content of this digest wherever a service names this image: what a lock keeps.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when it is not a digest `sha256:…`, or when the reference names
    /// one already.
    pub fn pin(&self, reference: impl Into<String>, digest: impl Into<String>) -> Result<()> {
        let (reference, digest) = (reference.into(), digest.into());
        let wrong = |message: &str| {
            Error::new(ErrorKind::InvalidArgument, "control.pin", message)
                .with("image", &reference)
                .with("digest", &digest)
        };
        let digits = digest.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong("not a digest").hint("write sha256: and 64 hexadecimal digits"));
        }
        if reference.contains('@') {
            return Err(wrong("the image names a digest already").hint("pin its reference without a digest"));
        }
        self.say(|desired| {
            desired.pins.insert(reference, digest);
        });
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn desired(&self) -> Arc<Desired> {
        Arc::clone(&self.desired.borrow())
    }

    pub(super) fn follow(&self) -> watch::Receiver<Arc<Desired>> {
        self.desired.subscribe()
    }

    fn known(&self, operation: &'static str, service: &str) -> Result<()> {
        let desired = self.desired.borrow();
        let services = &desired.app.services;
        if services.contains_key(service) {
            return Ok(());
        }
        let known: Vec<_> = services.keys().map(String::as_str).collect();
        let error = Error::new(ErrorKind::NotFound, operation, "the app has no such service")
            .with("app", &desired.app.name)
            .with("service", service)
            .with("known", format_args!("[{}]", known.join(", ")));
        Err(match nearest(service, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// Says something; nobody is woken by what was so already.
    fn say(&self, change: impl FnOnce(&mut Desired)) {
        self.desired.send_if_modified(|desired| {
            let mut next = Desired::clone(desired);
            change(&mut next);
            let changed = next != **desired;
            if changed {
                next.said += 1;
                *desired = Arc::new(next);
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn wanted() -> Wanted {
        Wanted::new(App::new("a").service("llm", Service::new("x/y:1")).service("db", Service::new("db").port(1)))
            .unwrap()
    }

    #[test]
    fn what_was_said_is_in_the_effective_app() {
        let wanted = wanted();
        let digest = format!("sha256:{}", "0".repeat(64));
        wanted.scale("llm", 3).unwrap();
        wanted.drain("db").unwrap();
        wanted.pin("x/y:1", &digest).unwrap();
        let app = wanted.desired().effective();
        assert_eq!((app.services["llm"].replicas, app.services["db"].replicas), (3, 0));
        assert_eq!(app.services["llm"].image, format!("x/y:1@{digest}"));
        wanted.undrain("db").unwrap();
        assert_eq!(wanted.desired().effective().services["db"].replicas, 1);
        assert_eq!(wanted.app().services["llm"].replicas, 1, "what was set stays as it was written");
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_nearest_name() {
        let wanted = wanted();
        for (error, expected) in [
            (
                wanted.scale("lm", 1),
                "the app has no such service: app=a service=lm known=[db, llm]; did you mean `llm`?",
            ),
            (wanted.drain("zebra"), "the app has no such service: app=a service=zebra known=[db, llm]"),
            (
                wanted.set(App::new("b").service("s", Service::new("i"))),
                "this is another app: app=b kept=a; keep another app by a `Wanted` of its own",
            ),
            (wanted.pin("x", "latest"), "not a digest: image=x digest=latest; write sha256: and 64 hexadecimal digits"),
        ] {
            assert_eq!(error.unwrap_err().to_string(), expected);
        }
        assert_eq!(wanted.desired().said, 0);
    }

    #[test]
    fn who_follows_is_woken_by_what_changes_and_by_nothing_else() {
        let wanted = wanted();
        let mut following = wanted.follow();
        wanted.resume();
        assert!(!following.has_changed().unwrap());
        wanted.clone().pause();
        assert!(following.has_changed().unwrap());
        assert!(following.borrow_and_update().paused);
    }
}
