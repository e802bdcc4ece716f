//! From what the checks of bits found to a certificate for each device.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::run::surrounding_variables;
use crate::cuda::determinism::{Circumstances, Runs, agree, file_sha256};
use crate::cuda::{Certificate, Probe};
use crate::gpu::GpuId;

/// Gathers what certificates are made of while the checks run.
#[derive(Debug, Default)]
pub(super) struct Certifier {
    runs: BTreeMap<GpuId, Runs>,
    /// The hash of the driver's library, which has a hundred megabytes, on its way from a thread.
    hash: Option<Receiver<Option<String>>>,
    driver: Option<String>,
    vbios: BTreeMap<GpuId, String>,
}

impl Certifier {
    /// Begins to hash the library, once.
    pub(super) fn hash(&mut self, library: &Path) {
        if self.hash.is_some() {
            return;
        }
        let (tell, told) = channel();
        let path = PathBuf::from(library);
        // Nobody may wait for it in the end.
        let read = move || drop(tell.send(file_sha256(&path)));
        self.hash = thread::Builder::new().name("nacp-check-hash".into()).spawn(read).ok().map(|_| told);
    }

    /// What the management library tells.
    pub(super) fn told(&mut self, driver: Option<String>, vbios: BTreeMap<GpuId, String>) {
        (self.driver, self.vbios) = (driver, vbios);
    }

    /// What a check found on a device.
    pub(super) fn add(&mut self, device: &GpuId, runs: Runs) {
        match self.runs.get_mut(device) {
            Some(known) => known.merge(runs),
            None => drop(self.runs.insert(device.clone(), runs)),
        }
    }

    /// The certificates, in the order of the devices. The hash of the library is waited for as long as `most`; it is
    /// left out where it takes longer.
    pub(super) fn certify(self, probe: Option<&Probe>, started: Timestamp, most: Duration) -> Vec<Certificate> {
        let Some(probe) = probe.filter(|_| !self.runs.is_empty()) else { return Vec::new() };
        let sha256 = self.hash.and_then(|hash| hash.recv_timeout(most).ok().flatten());
        let variables = surrounding_variables();
        let certify = |id: &GpuId, runs: &Runs| {
            let device = probe.devices.iter().find(|device| device.id == *id)?;
            let place = Circumstances::at(started)
                .environment(variables.clone())
                .driver(self.driver.clone())
                .vbios(self.vbios.get(id).cloned());
            let driver = (&probe.library, probe.driver_version, sha256.clone());
            Certificate::with_hash(runs, device, driver, &place)
                .inspect_err(|error| tracing::error!(%error, device = %id, "no certificate could be made"))
                .ok()
        };
        let mut certificates: Vec<Certificate> =
            probe.devices.iter().filter_map(|device| certify(&device.id, self.runs.get(&device.id)?)).collect();
        if let Err(error) = agree(&mut certificates) {
            tracing::error!(%error, "the certificates could not be compared");
        }
        certificates
    }
}
