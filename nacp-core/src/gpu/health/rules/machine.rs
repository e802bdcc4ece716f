//! The machine: its driver, and how many GPUs it has.

use super::{Finding, K, Machine, Outcome, Why, when};
use crate::gpu::health::{Action, DriverFault, Evidence};
use crate::gpu::{Reading, Unknown};

/// A rule for the machine.
pub(in crate::gpu::health) type MachineRule = fn(&Machine<'_>) -> Outcome;

/// The rules for the machine.
pub(in crate::gpu::health) const MACHINE_RULES: [(K, MachineRule); 3] =
    [(K::DriverUnavailable, driver), (K::LibraryMismatch, library), (K::CountMismatch, count)];

fn driver(machine: &Machine<'_>) -> Outcome {
    let (message, action) = match &machine.facts.driver_fault {
        None | Some(DriverFault::Mismatch) => return Outcome::Clear,
        Some(DriverFault::NoPermission) => return Outcome::Unchecked(Why::Unknown(Unknown::NoPermission)),
        Some(DriverFault::Absent) if machine.facts.has_no_gpu() => return Outcome::Clear,
        Some(DriverFault::Absent) => {
            ("there is no NVIDIA management library on this machine".to_owned(), Action::ReinstallDriver)
        }
        Some(DriverFault::Broken(why)) => (format!("the driver does not answer: {why}"), K::DriverUnavailable.action()),
    };
    let evidence = vec![Evidence::new("nvmlInit_v2", &message)];
    Outcome::Holds(Finding::new(K::DriverUnavailable, message, evidence).action(action))
}

fn library(machine: &Machine<'_>) -> Outcome {
    let facts = machine.facts;
    if facts.driver_fault == Some(DriverFault::Mismatch) {
        let message = "the driver that is loaded and its library have different versions".to_owned();
        return Outcome::Holds(Finding::new(K::LibraryMismatch, message, vec![Evidence::new("nvmlInit_v2", 18)]));
    }
    // In a container or under WSL2 the two files may be of different systems.
    if facts.is_guest() || facts.container {
        return Outcome::Clear;
    }
    match (&facts.loaded_version, &facts.library_version) {
        (Reading::Known(loaded), Reading::Known(library)) => when(loaded != library, || {
            let message = format!("the driver that is loaded is {loaded}, its library on the disk is {library}");
            let evidence =
                vec![Evidence::new("/proc/driver/nvidia/version", loaded), Evidence::new("libnvidia-ml.so.1", library)];
            Finding::new(K::LibraryMismatch, message, evidence)
        }),
        (Reading::Unknown(reason), _) | (_, Reading::Unknown(reason)) => Outcome::Unchecked(Why::Unknown(*reason)),
    }
}

fn count(machine: &Machine<'_>) -> Outcome {
    let (facts, snapshot) = (machine.facts, machine.snapshot);
    let here = u32::try_from(snapshot.gpus.len()).unwrap_or(u32::MAX);
    if facts.driver_fault.is_some() && !facts.has_no_gpu() {
        return Outcome::Unchecked(Why::Because("the driver does not answer"));
    }
    let listed = Evidence::new("nvmlDeviceGetCount_v2", here);
    if let Some(expected) = machine.limits.expected_gpus
        && expected != here
    {
        let message = format!("the driver lists {here} GPUs, expected are {expected}");
        let evidence = vec![listed, Evidence::new("expected_gpus", expected)];
        return Outcome::Holds(Finding::new(K::CountMismatch, message, evidence));
    }
    let told = machine.limits.expected_gpus.is_some();
    if facts.is_guest() || facts.container {
        let silent = Outcome::Unchecked(Why::Because("the PCI bus here is not the GPUs' own; expected_gpus tells"));
        return if told { Outcome::Clear } else { silent };
    }
    match (facts.pci_gpus.known(), facts.bus_is_silent()) {
        (Some(bus), _) => when(here < *bus, || {
            let message = format!("the driver lists {here} GPUs, the PCI bus {bus}");
            let evidence = vec![listed, Evidence::new("/sys/bus/pci/devices", bus)];
            Finding::new(K::CountMismatch, message, evidence)
        }),
        (None, Some(reason)) if !told => Outcome::Unchecked(Why::Unknown(reason)),
        (None, _) => Outcome::Clear,
    }
}
