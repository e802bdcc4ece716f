//! A lock as a list of facts, each with its name.

use std::collections::{BTreeMap, BTreeSet};

use super::{GpuPin, Lock, Pin, ServicePin};

/// What a fact is about: it decides which rule judges a change of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Simulated,
    Runtime,
    Option,
    Kernel,
    WslKernel,
    WslMemory,
    WslDriverStore,
    Driver,
    Cuda,
    Libcuda,
    Toolkit,
    EngineName,
    EngineVersion,
    EngineApi,
    Gpus,
    GpuModel,
    GpuCount,
    GpuCompute,
    GpuVbios,
    GpuMemory,
    GpuUuid,
    Service,
    Reference,
    Image,
    Spec,
    Model,
    Determinism,
    Certificate,
}

/// One fact with its name, such as `driver.version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) item: String,
    pub(super) pin: Pin,
}

fn fact(kind: Kind, item: impl Into<String>, pin: Pin) -> Fact {
    Fact { kind, item: item.into(), pin }
}

fn text(value: Option<&str>) -> Pin {
    value.map_or(Pin::None, |value| Pin::Known(value.to_owned()))
}

/// The facts of which every lock has one, in a fixed order.
pub(super) fn of_machine(lock: &Lock) -> Vec<Fact> {
    let Lock { system, driver, toolkit, engine, .. } = lock;
    let simulated = if system.simulated { "true" } else { "false" };
    let mut facts = vec![
        fact(Kind::Simulated, "system.simulated", Pin::Known(simulated.into())),
        fact(Kind::Runtime, "system.runtime", system.runtime.clone()),
        fact(Kind::Option, "system.option", system.option.clone()),
        fact(Kind::Kernel, "system.kernel", system.kernel.clone()),
        fact(Kind::Driver, "driver.version", driver.version.clone()),
        fact(Kind::Cuda, "driver.cuda", driver.cuda.clone()),
        fact(Kind::Libcuda, "driver.libcuda", driver.libcuda.clone()),
        fact(Kind::Toolkit, "toolkit", toolkit.clone()),
        fact(Kind::EngineName, "engine.name", engine.name.clone()),
        fact(Kind::EngineVersion, "engine.version", engine.version.clone()),
        fact(Kind::EngineApi, "engine.api", engine.api.clone()),
    ];
    if let Some(wsl) = &system.wsl {
        facts.extend([
            fact(Kind::WslKernel, "system.wsl.kernel", wsl.kernel.clone()),
            fact(Kind::WslMemory, "system.wsl.memory", wsl.memory.clone()),
            fact(Kind::WslDriverStore, "system.wsl.driver_store", wsl.driver_store.clone()),
        ]);
    }
    facts
}

/// What is known of all GPUs of one model.
pub(super) struct Model<'a> {
    pub(super) name: &'a str,
    groups: Vec<&'a GpuPin>,
}

/// The models of a list of GPUs, by name.
pub(super) fn models(gpus: &[GpuPin]) -> BTreeMap<&str, Model<'_>> {
    let mut models: BTreeMap<&str, Model<'_>> = BTreeMap::new();
    for gpu in gpus {
        let model = models.entry(&gpu.name).or_insert_with(|| Model { name: &gpu.name, groups: Vec::new() });
        model.groups.push(gpu);
    }
    models
}

impl Model<'_> {
    pub(super) fn count(&self) -> u64 {
        self.groups.iter().fold(0, |count, group| count.saturating_add(group.count))
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let item = |field: &str| format!("gpus.{}.{field}", self.name);
        let uuids: BTreeSet<&str> = self.groups.iter().flat_map(|group| &group.uuid).map(String::as_str).collect();
        let uuid = match uuids.is_empty() {
            true => Pin::Unknown("the lock names no UUIDs".into()),
            false => Pin::Known(uuids.into_iter().collect::<Vec<_>>().join(" ")),
        };
        vec![
            fact(Kind::GpuCount, item("count"), Pin::Known(self.count().to_string())),
            fact(Kind::GpuCompute, item("compute"), self.each(|gpu| gpu.compute.clone())),
            fact(Kind::GpuMemory, item("memory"), self.each(|gpu| gpu.memory.map(|bytes| bytes.to_string()))),
            fact(Kind::GpuVbios, item("vbios"), self.each(|gpu| gpu.vbios.clone())),
            fact(Kind::GpuUuid, item("uuid"), uuid),
        ]
    }

    /// The different values, where each group has one.
    fn each(&self, value: impl Fn(&GpuPin) -> Option<String>) -> Pin {
        let values: Option<BTreeSet<String>> = self.groups.iter().map(|group| value(group)).collect();
        let values = values.map(|values| values.into_iter().collect::<Vec<_>>().join(" "));
        Pin::told(values, "no library tells it")
    }
}

/// The facts of a service but those of what is in its image.
pub(super) fn of_service(name: &str, service: &ServicePin) -> Vec<Fact> {
    let item = |field: &str| format!("services.{name}.{field}");
    vec![
        fact(Kind::Spec, item("spec"), Pin::Known(service.spec.clone())),
        fact(Kind::Model, item("model"), text(service.model.as_deref())),
        fact(Kind::Determinism, item("determinism"), text(service.determinism.map(|_| "strict"))),
    ]
}

/// Every fact of a lock.
pub(super) fn all(lock: &Lock) -> Vec<Fact> {
    let mut facts = vec![
        fact(Kind::Spec, "made.nacp", Pin::Known(lock.made.nacp.clone())),
        fact(Kind::Spec, "made.suite", Pin::Known(lock.made.suite.to_string())),
    ];
    facts.extend(of_machine(lock));
    match &lock.gpus {
        Pin::Known(gpus) => facts.extend(models(gpus).values().flat_map(Model::facts)),
        other => facts.push(fact(Kind::Gpus, "gpus", other.clone().map(|_| String::new()))),
    }
    for (name, service) in &lock.services {
        let item = |field: &str| format!("services.{name}.{field}");
        facts.push(fact(Kind::Reference, item("image"), Pin::Known(service.image.clone())));
        facts.push(fact(Kind::Image, item("digest"), service.digest.clone()));
        facts.push(fact(Kind::Image, item("image_id"), service.image_id.clone()));
        facts.extend(of_service(name, service));
    }
    for certificate in &lock.certificates {
        let item = format!("certificates.{}.{}", certificate.device, certificate.profile.name());
        facts.push(fact(Kind::Certificate, item, Pin::Known(certificate.bits.clone())));
    }
    facts
}
