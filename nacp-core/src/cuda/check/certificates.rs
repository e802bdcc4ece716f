//! From what the checks found to the certificates of a report.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cuda::determinism::{Circumstances, Runs, agree};
use crate::cuda::{Certificate, Probe};
use crate::gpu::GpuId;

/// What the suite gave on each device, check by check.
#[derive(Debug, Default)]
pub(super) struct Found {
    devices: BTreeMap<GpuId, Runs>,
}

impl Found {
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
    /// compared with each other too. What cannot be written down is told in the log.
    pub(super) fn certificates(
        self,
        probe: &Probe,
        kernel_driver: Option<&str>,
        environment: &BTreeMap<String, String>,
        started: Timestamp,
    ) -> Vec<Certificate> {
        let mut certificates = Vec::new();
        for device in &probe.devices {
            let Some(runs) = self.devices.get(&device.id).filter(|runs| !runs.results.is_empty()) else { continue };
            let place = Circumstances::at(started)
                .environment(environment.clone())
                .driver(kernel_driver.and_then(version))
                .vbios(runs.vbios.clone());
            match Certificate::of(runs, device, (&probe.library, probe.driver_version), &place) {
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
