//! What has changed since a lock was written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::certificates::Key;
use super::facts::{self, Fact, Kind};
use super::rules::{Change, Setting, judge};
use super::{CertificatePin, Effect, Lock, Pin, ServicePin};
use crate::error::{Error, ErrorKind};
use crate::host::LayerKind;

/// One fact that is not as it was locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drift {
    /// Which, such as `driver.version` or `services.llm.image`.
    pub item: String,
    /// What the lock says; `none` where there was nothing.
    pub locked: String,
    /// What is here; `none` where there is nothing.
    pub found: String,
    /// What the change can do.
    pub effect: Effect,
    /// Why it can, or cannot.
    pub why: String,
    /// What to do about it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Where a fact is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// In the lock: it was never pinned.
    Lock,
    /// Here: it was pinned and cannot be compared.
    Now,
    /// In both.
    Both,
}

/// One fact that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unanswered {
    /// Which.
    pub item: String,
    /// Where it is not known.
    pub side: Side,
    /// Why.
    pub why: String,
    /// What a change of it could do.
    pub effect: Effect,
}

/// What [`Lock::verify`] found.
///
/// `Display` is for people, [`markdown`](Self::markdown) for a comment of a CI job, [`to_json`](Self::to_json) for
/// programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// What is not as it was locked, what may change results first.
    pub drifts: Vec<Drift>,
    /// What is as it was locked.
    pub unchanged: Vec<String>,
    /// What cannot be compared.
    pub unknown: Vec<Unanswered>,
}

impl Verification {
    /// Whether no change does more than what is allowed. A fact that was pinned and is not known now counts as changed;
    /// one that was never pinned does not, see [`Lock::completeness`].
    pub fn holds(&self, allowed: Effect) -> bool {
        self.worst() <= allowed
    }

    /// What all changes together can do.
    pub fn worst(&self) -> Effect {
        let drifts = self.drifts.iter().map(|drift| drift.effect);
        let hidden = self.hidden().map(|unknown| unknown.effect);
        drifts.chain(hidden).max().unwrap_or(Effect::Nothing)
    }

    /// The error of a program that wants equal results: [`Conflict`](ErrorKind::Conflict) with the first change that may
    /// change results; none where none does.
    pub fn error(&self) -> Option<Error> {
        let error = |message: &str| Error::new(ErrorKind::Conflict, "host.lock.verify", message);
        let changed = self.drifts.iter().filter(|drift| drift.effect == Effect::Results);
        if let Some(first) = changed.clone().next() {
            let error = error("this is not what the lock pins")
                .with("item", &first.item)
                .with("locked", &first.locked)
                .with("found", &first.found);
            let error = match changed.count() {
                1 => error,
                count => error.with("changes", count),
            };
            return Some(if first.remedy.is_empty() { error } else { error.hint(&first.remedy) });
        }
        let first = self.hidden().find(|unknown| unknown.effect == Effect::Results)?;
        let error = error("it is not known whether this is what the lock pins").with("item", &first.item);
        Some(error.with("reason", &first.why))
    }

    /// What was pinned and cannot be compared now.
    fn hidden(&self) -> impl Iterator<Item = &Unanswered> {
        self.unknown.iter().filter(|unknown| unknown.side == Side::Now)
    }

    fn drift(&mut self, kind: Kind, item: &str, change: Change<'_>) {
        let judgement = judge(kind, change);
        self.drifts.push(Drift {
            item: item.into(),
            locked: change.locked.unwrap_or("none").into(),
            found: change.found.unwrap_or("none").into(),
            effect: judgement.effect,
            why: judgement.why,
            remedy: judgement.remedy,
        });
    }

    fn unanswered(&mut self, kind: Kind, item: &str, side: Side, why: impl Into<String>) {
        let effect = match kind {
            // Certificates prove more than the versions of driver and GPU, which are compared with or without them.
            Kind::Certificate | Kind::Libcuda => Effect::Nothing,
            Kind::Kernel => Effect::Performance,
            _ => judge(kind, Change::of(Some(""), Some(""))).effect,
        };
        self.unknown.push(Unanswered { item: item.into(), side, why: why.into(), effect });
    }

    fn compare(&mut self, locked: &Fact, found: &Pin, setting: Setting) {
        let Fact { kind, item, pin } = locked;
        let (locked, found) = match (pin, found) {
            (Pin::Unknown(why), Pin::Unknown(_)) => return self.unanswered(*kind, item, Side::Both, why),
            (Pin::Unknown(why), _) => return self.unanswered(*kind, item, Side::Lock, why),
            (_, Pin::Unknown(why)) => return self.unanswered(*kind, item, Side::Now, why),
            (locked, found) => (locked.known().map(String::as_str), found.known().map(String::as_str)),
        };
        match locked == found {
            true => self.unchanged.push(item.clone()),
            false => self.drift(*kind, item, Change { locked, found, setting }),
        }
    }
}

impl Lock {
    /// Compares this lock with one of now: each change with what it can do and why, and everything that cannot be
    /// compared. When the two were made, and with which version of NACP, is no change.
    pub fn verify(&self, now: &Self) -> Verification {
        let mut found = Verification::default();
        let other_system = self.windows_driver() != now.windows_driver();
        let podman = |lock: &Self| lock.engine.name.known().is_some_and(|name| name == "Podman");
        let setting = Setting { same_bits: same_bits(self, now), other_system, podman: podman(self) && podman(now) };
        let here: BTreeMap<String, Pin> =
            facts::of_machine(now).into_iter().map(|fact| (fact.item, fact.pin)).collect();
        // What only WSL2 has is missing where the runtime is another, which is told.
        for fact in facts::of_machine(self) {
            if let Some(pin) = here.get(&fact.item) {
                found.compare(&fact, pin, setting);
            }
        }
        gpus(self, now, &mut found);
        services(self, now, &mut found);
        certificates(self, now, &mut found);
        found.drifts.sort_by_key(|drift| std::cmp::Reverse(drift.effect));
        found
    }

    /// Whether the driver is the Windows one, as it is under WSL2 too.
    fn windows_driver(&self) -> bool {
        let native = LayerKind::NativeWindows.to_string();
        self.system.wsl.is_some() || self.system.runtime.known().is_some_and(|layers| layers.contains(&native))
    }
}

fn gpus(lock: &Lock, now: &Lock, out: &mut Verification) {
    let (locked, here) = match (&lock.gpus, &now.gpus) {
        (Pin::Unknown(why), Pin::Unknown(_)) => return out.unanswered(Kind::Gpus, "gpus", Side::Both, why),
        (Pin::Unknown(why), _) => return out.unanswered(Kind::Gpus, "gpus", Side::Lock, why),
        (_, Pin::Unknown(why)) => return out.unanswered(Kind::Gpus, "gpus", Side::Now, why),
        (Pin::None, Pin::None) => return out.unchanged.push("gpus".into()),
        (locked, here) => (locked.known(), here.known()),
    };
    let locked = facts::models(locked.map(Vec::as_slice).unwrap_or_default());
    let here = facts::models(here.map(Vec::as_slice).unwrap_or_default());
    let text = |model: &facts::Model<'_>| format!("{} x {}", model.count(), model.name);
    for (name, model) in &locked {
        let item = format!("gpus.{name}");
        let Some(other) = here.get(name) else {
            out.drift(Kind::GpuModel, &item, Change::of(Some(&text(model)), None));
            continue;
        };
        for (fact, now) in model.facts().iter().zip(other.facts()) {
            out.compare(fact, &now.pin, Setting::default());
        }
    }
    for (name, model) in here.iter().filter(|(name, _)| !locked.contains_key(*name)) {
        out.drift(Kind::GpuModel, &format!("gpus.{name}"), Change::of(None, Some(&text(model))));
    }
}

fn services(lock: &Lock, now: &Lock, out: &mut Verification) {
    match (&lock.app, &now.app) {
        (None, None) => return,
        (None, Some(_)) => return out.unanswered(Kind::Service, "services", Side::Lock, "no app was given"),
        (Some(_), None) => return out.unanswered(Kind::Service, "services", Side::Now, "no app was given"),
        (Some(_), Some(_)) => {}
    }
    for (name, locked) in &lock.services {
        let item = format!("services.{name}");
        let Some(here) = now.services.get(name) else {
            let change = Change::of(Some(&locked.image), None);
            out.drift(Kind::Service, &item, change);
            continue;
        };
        image(name, locked, here, out);
        for (fact, now) in facts::of_service(name, locked).iter().zip(facts::of_service(name, here)) {
            out.compare(fact, &now.pin, Setting::default());
        }
    }
    for (name, service) in now.services.iter().filter(|(name, _)| !lock.services.contains_key(*name)) {
        let change = Change::of(None, Some(&service.image));
        out.drift(Kind::Service, &format!("services.{name}"), change);
    }
}

/// An image is the same if its digest in a registry is, or what the daemon calls it: either names its content.
fn image(name: &str, locked: &ServicePin, here: &ServicePin, out: &mut Verification) {
    let item = format!("services.{name}.image");
    let hash = |pin: &Pin| pin.known().map(|text| text.rsplit_once('@').map_or(text.clone(), |(_, hash)| hash.into()));
    let equal = |a: &Pin, b: &Pin| Some(hash(a)? == hash(b)?);
    let digest = equal(&locked.digest, &here.digest);
    let id = equal(&locked.image_id, &here.image_id);
    match (digest, id) {
        (Some(true), _) | (_, Some(true)) => {
            if locked.image == here.image {
                return out.unchanged.push(item);
            }
            let change = Change::of(Some(&locked.image), Some(&here.image));
            out.drift(Kind::Reference, &item, change);
        }
        (None, None) => {
            let named = |pin: &ServicePin| pin.digest.known().is_some() || pin.image_id.known().is_some();
            let (side, nameless) = match (named(locked), named(here)) {
                (false, false) => (Side::Both, locked),
                (false, true) => (Side::Lock, locked),
                (true, _) => (Side::Now, here),
            };
            out.unanswered(Kind::Image, &item, side, nameless.digest.unknown().unwrap_or("nothing names its content"));
        }
        (digest, _) => {
            let of = |pin: &ServicePin| if digest.is_some() { pin.digest.clone() } else { pin.image_id.clone() };
            let (locked, found) = (of(locked), of(here));
            let (locked, found) = (locked.known().map(String::as_str), found.known().map(String::as_str));
            out.drift(Kind::Image, &item, Change::of(locked, found));
        }
    }
}

type Groups<'a> = BTreeMap<Key<'a>, Vec<&'a CertificatePin>>;

fn groups(lock: &Lock) -> Groups<'_> {
    let mut groups = Groups::new();
    for certificate in &lock.certificates {
        groups.entry(certificate.key()).or_default().push(certificate);
    }
    groups
}

fn bits<'a>(certificates: &[&'a CertificatePin]) -> BTreeSet<&'a str> {
    certificates.iter().map(|certificate| certificate.bits.as_str()).collect()
}

fn certificates(lock: &Lock, now: &Lock, out: &mut Verification) {
    let (locked, here) = (groups(lock), groups(now));
    for (key, certificates) in &locked {
        let item = format!("certificates.{}.{}", key.device, key.profile.name());
        let Some(others) = here.get(key) else {
            let other_suite = here.keys().any(|other| other.device == key.device && other.profile == key.profile);
            let why = match other_suite {
                true => "the one of now is of another suite",
                false => "none was made now",
            };
            out.unanswered(Kind::Certificate, &item, Side::Now, why);
            continue;
        };
        if bits(certificates) == bits(others) {
            out.unchanged.push(item);
            continue;
        }
        let text = |all: &[&CertificatePin]| bits(all).into_iter().collect::<Vec<_>>().join(" ");
        let (locked, found) = (text(certificates), text(others));
        out.drift(Kind::Certificate, &item, Change::of(Some(&locked), Some(&found)));
        let kernels = differing(certificates, others);
        if let Some(drift) = out.drifts.last_mut().filter(|_| !kernels.is_empty()) {
            drift.why = format!("{} ({})", drift.why, kernels.join(", "));
        }
    }
    for key in here.keys().filter(|key| !locked.contains_key(*key)) {
        let item = format!("certificates.{}.{}", key.device, key.profile.name());
        if !out.unknown.iter().any(|unknown| unknown.item == item) {
            out.unanswered(Kind::Certificate, &item, Side::Lock, "the lock has none of this suite");
        }
    }
}

/// The kernels whose words are not the same in all of them.
fn differing(locked: &[&CertificatePin], found: &[&CertificatePin]) -> Vec<String> {
    let all = || locked.iter().chain(found);
    let names: BTreeSet<&String> = all().flat_map(|certificate| certificate.kernels.keys()).collect();
    let words = |kernel: &String| all().map(|certificate| certificate.kernels.get(kernel)).collect::<BTreeSet<_>>();
    names.into_iter().filter(|kernel| words(kernel).len() > 1).cloned().collect()
}

/// Whether certificates, made with the driver of each lock, show the same bits for every model of GPU of the first.
fn same_bits(lock: &Lock, now: &Lock) -> bool {
    let Some(gpus) = lock.gpus.known().filter(|gpus| !gpus.is_empty()) else { return false };
    let with_its_driver = |lock: &Lock, certificates: &[&CertificatePin]| {
        certificates.iter().all(|one| one.driver.is_some() && one.driver.as_ref() == lock.driver.version.known())
    };
    let (locked, here) = (groups(lock), groups(now));
    let proven = |name: &str| {
        let mut of_model = locked.iter().filter(|(key, _)| key.device == name).peekable();
        of_model.peek().is_some()
            && of_model.all(|(key, certificates)| {
                here.get(key).is_some_and(|others| {
                    bits(certificates) == bits(others)
                        && with_its_driver(lock, certificates)
                        && with_its_driver(now, others)
                })
            })
    };
    facts::models(gpus).into_keys().all(proven)
}
