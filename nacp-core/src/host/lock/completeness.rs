//! How much of what a reproducible run needs is pinned.

use std::fmt;

use serde::Serialize;

use super::facts::{self, Fact, Kind};
use super::{Lock, Pin};

/// How much of what a reproducible run needs a lock has: the measure of the criterion reproducibility.
///
/// Counted are: runtime, kernel, driver with its CUDA version and its file, toolkit and engine; compute capability,
/// memory, firmware and a certificate of each model of GPU; digest and specification of each service. What does not
/// reach results or performance is not counted: UUIDs, the API version, the name that one daemon has for an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Completeness {
    /// How many facts are pinned; one that is known not to be is pinned too.
    pub pinned: usize,
    /// How many there are.
    pub total: usize,
    /// Those that are not pinned, in order.
    pub missing: Vec<Missing>,
}

/// A fact that is not pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Which, such as `services.llm.digest`.
    pub item: String,
    /// Why.
    pub why: String,
}

impl Completeness {
    /// The part that is pinned, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a lock has fewer facts than an f64 has whole numbers")]
    pub fn fraction(&self) -> f64 {
        // There is always something: every lock has a system.
        self.pinned as f64 / self.total.max(1) as f64
    }
}

impl Lock {
    /// How much of what a reproducible run needs is pinned.
    pub fn completeness(&self) -> Completeness {
        let mut facts = facts::of_machine(self);
        match &self.gpus {
            Pin::Known(gpus) => {
                for (name, model) in facts::models(gpus) {
                    facts.extend(model.facts());
                    facts.push(self.certified(name));
                }
            }
            other => facts.push(fact(Kind::Gpus, "gpus", other.clone().map(|_| String::new()))),
        }
        if self.app.is_none() {
            facts.push(fact(Kind::Service, "services", Pin::Unknown("no app was given".into())));
        }
        for (name, service) in &self.services {
            facts.push(fact(Kind::Image, format!("services.{name}.digest"), service.digest.clone()));
            facts.push(fact(Kind::Spec, format!("services.{name}.spec"), Pin::Known(service.spec.clone())));
        }
        facts.retain(|fact| counts(fact.kind));
        let missing: Vec<Missing> = facts
            .iter()
            .filter_map(|fact| Some(Missing { item: fact.item.clone(), why: fact.pin.unknown()?.to_owned() }))
            .collect();
        Completeness { pinned: facts.len() - missing.len(), total: facts.len(), missing }
    }

    fn certified(&self, model: &str) -> Fact {
        let pin = match self.certificates.iter().find(|certificate| certificate.device == model) {
            Some(certificate) => Pin::Known(certificate.bits.clone()),
            None => Pin::Unknown("no certificate of this model was given".into()),
        };
        fact(Kind::Certificate, format!("certificates.{model}"), pin)
    }
}

fn fact(kind: Kind, item: impl Into<String>, pin: Pin) -> Fact {
    Fact { kind, item: item.into(), pin }
}

fn counts(kind: Kind) -> bool {
    !matches!(kind, Kind::Simulated | Kind::EngineApi | Kind::GpuUuid | Kind::GpuCount)
}

/// `14 of 17 pinned`, and a line for each that is not.
impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} pinned", self.pinned, self.total)?;
        for Missing { item, why } in &self.missing {
            write!(f, "\n  not pinned: {item} ({why})")?;
        }
        Ok(())
    }
}
