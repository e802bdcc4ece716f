//! What the daemon is and what it offers, from what it tells of itself.

use bollard::models::{SystemInfo, SystemVersion};

use super::address::Address;
use super::version::{Feature, Version, is_podman};
use super::{Docker, cdi, gpu};
use crate::engine::{EngineInfo, GpuOffer};

impl Docker {
    pub(super) fn described(&self, version: SystemVersion, system: &SystemInfo) -> EngineInfo {
        let podman = is_podman(&version);
        let rootless = system.security_options.iter().flatten().any(|option| option.contains("name=rootless"));
        EngineInfo {
            simulated: false,
            name: if podman { "Podman" } else { "Docker Engine" }.to_owned(),
            gpu: self.offer(&Version::from(&version), version.version.as_deref().unwrap_or_default(), system),
            version: version.version.unwrap_or_else(|| "unknown".to_owned()),
            api: version.api_version,
            min_api: version.min_api_version,
            id: system.id.clone().filter(|id| !id.is_empty()),
            address: self.host.clone(),
            context: self.context.clone(),
            podman,
            rootless,
        }
    }

    /// The CDI devices that the daemon reports (API 1.50 and later) or that the specification files on this machine name,
    /// where it acts on CDI devices at all, and the runtime called `nvidia`.
    fn offer(&self, version: &Version, number: &str, system: &SystemInfo) -> GpuOffer {
        let reported = system.discovered_devices.iter().flatten().filter_map(|device| device.id.clone());
        let mut cdi_devices: Vec<_> = reported.filter(|id| id.starts_with(crate::cdi::KIND)).collect();
        if cdi_devices.is_empty() && matches!(self.address, Address::Local(_)) {
            cdi_devices = cdi::devices(system.cdi_spec_dirs.iter().flatten());
        }
        if !version.has(Feature::Cdi) {
            cdi_devices.clear();
        }
        cdi_devices.sort();
        cdi_devices.dedup();
        let nvidia_runtime = system.runtimes.iter().flatten().any(|(name, _)| name == "nvidia");
        let nvidia_driver =
            matches!(self.address, Address::Local(_)) && !is_desktop(system) && gpu::hook_is_here(number);
        GpuOffer { cdi_devices, nvidia_runtime, nvidia_driver, wsl: is_wsl(system) }
    }
}

/// Whether the daemon runs on the kernel of WSL2, Docker Desktop's machine on Windows included.
fn is_wsl(system: &SystemInfo) -> bool {
    system.kernel_version.as_deref().is_some_and(|kernel| kernel.to_ascii_lowercase().contains("microsoft"))
}

/// Whether this is Docker Desktop: its daemon runs in a machine of its own, and this one's disk says nothing of it.
fn is_desktop(system: &SystemInfo) -> bool {
    system.operating_system.as_deref().is_some_and(|name| name.contains("Docker Desktop"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_desktop_is_known_by_its_name() {
        let named = |name: &str| SystemInfo { operating_system: Some(name.to_owned()), ..SystemInfo::default() };
        assert!(is_desktop(&named("Docker Desktop")));
        assert!(!is_desktop(&named("Debian GNU/Linux 13 (trixie)")) && !is_desktop(&SystemInfo::default()));
    }

    #[test]
    fn the_kernel_tells_of_wsl() {
        let on = |kernel: &str| SystemInfo { kernel_version: Some(kernel.to_owned()), ..SystemInfo::default() };
        assert!(is_wsl(&on("5.15.167.4-microsoft-standard-WSL2")) && is_wsl(&on("4.19.128-Microsoft")));
        assert!(!is_wsl(&on("6.1.0-44-cloud-amd64")) && !is_wsl(&SystemInfo::default()));
    }
}
