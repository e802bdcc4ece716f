//! From what the checks found to the certificates of a report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use crate::cuda::determinism::{Circumstances, Runs, agree, file_sha256};
use crate::cuda::{Certificate, Probe};
use crate::gpu::GpuId;

/// How long the hash of the library is waited for when everything else is done. It is computed meanwhile.
const HASH: Duration = Duration::from_millis(200);

/// What the suite gave on each device, check by check.
#[derive(Debug, Default)]
pub(super) struct Found {
    devices: BTreeMap<GpuId, Runs>,
    /// The hash of the driver's library, which has a hundred megabytes, on its way from a thread.
    hash: Option<Receiver<Option<String>>>,
}

impl Found {
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

    /// What one check found on a device.
    pub(super) fn add(&mut self, device: &GpuId, runs: Runs) {
        match self.devices.get_mut(device) {
            Some(known) => known.merge(runs),
            None => {
                self.devices.insert(device.clone(), runs);
            }
        }
    }

    /// A certificate for each device whose bits were compared, in the order of the driver. Those of one report are
    /// compared with each other too. The hash of the library is left out where it takes too long. What cannot be
    /// written down is told in the log.
    pub(super) fn certificates(
        self,
        probe: &Probe,
        kernel_driver: Option<&str>,
        environment: &BTreeMap<String, String>,
        started: Timestamp,
    ) -> Vec<Certificate> {
        if self.devices.is_empty() {
            return Vec::new();
        }
        let sha256 = self.hash.and_then(|hash| hash.recv_timeout(HASH).ok().flatten());
        let mut certificates = Vec::new();
        for device in &probe.devices {
            let Some(runs) = self.devices.get(&device.id).filter(|runs| !runs.results.is_empty()) else { continue };
            let place = Circumstances::at(started)
                .environment(environment.clone())
                .driver(kernel_driver.and_then(version))
                .vbios(runs.vbios.clone());
            let driver = (&probe.library, probe.driver_version, sha256.clone());
            match Certificate::with_hash(runs, device, driver, &place) {
                Ok(certificate) => certificates.push(certificate),
                Err(error) => tracing::warn!(%error, device = %device.id, "no certificate can be made"),
            }
        }
        if let Err(error) = agree(&mut certificates) {
            tracing::warn!(%error, "the certificates cannot be compared with each other");
        }
        certificates
    }
}

/// The driver's version in the text of `/proc/driver/nvidia/version`: the first word that is numbers with points.
fn version(text: &str) -> Option<String> {
    let numbers = |word: &&str| {
        word.split('.').count() >= 2
            && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.split_whitespace().find(numbers).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_kernel_s_driver_is_found_in_both_of_its_texts() {
        for (text, expected) in [
            (
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  gcc version 12.3.0",
                "535.183.01",
            ),
            (
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (root@b)",
                "580.95.05",
            ),
        ] {
            assert_eq!(version(text).as_deref(), Some(expected));
        }
        assert_eq!(version("nothing of the kind"), None);
    }
}
