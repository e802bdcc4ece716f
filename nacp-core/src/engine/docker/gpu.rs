//! How a container gets its GPUs: the choice between what the daemon offers.

use std::path::Path;

use crate::cdi::KIND;
use crate::engine::EngineInfo;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::GpuId;

/// The way in which a container gets its GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// These CDI devices, one for each GPU.
    Cdi(Vec<String>),
    /// The one CDI device that WSL2 has, `all`; the program is told which GPU to use and could use others.
    CdiAll(Vec<GpuId>),
    /// The runtime called `nvidia`, which reads the GPUs from the container's environment.
    Runtime(Vec<GpuId>),
    /// That runtime on the kernel of WSL2, which gives all GPUs whatever it is told: the program is told which to use.
    RuntimeAll(Vec<GpuId>),
    /// The device driver called `nvidia`, by UUID: an engine since 29.2 resolves it through CDI first.
    Driver(Vec<GpuId>),
    /// That device driver on the kernel of WSL2, which gives all GPUs too.
    DriverAll(Vec<GpuId>),
    /// No device, because the GPUs are simulated and the daemon does not know them.
    Simulated(Vec<GpuId>),
}

impl Access {
    /// The value of the label that tells it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Cdi(_) => "cdi",
            Self::CdiAll(_) => "cdi all, isolation is cooperative",
            Self::Runtime(_) => "nvidia-runtime",
            Self::RuntimeAll(_) => "nvidia-runtime, isolation is cooperative",
            Self::Driver(_) => "nvidia-driver",
            Self::DriverAll(_) => "nvidia-driver, isolation is cooperative",
            Self::Simulated(_) => "none, the GPU is simulated",
        }
    }
}

/// The CDI device that is every GPU.
pub(super) const ALL: &str = "nvidia.com/gpu=all";

/// Podman hands out CDI devices that it is asked for over this API since this version; before, it leaves the request out
/// and answers that all is well.
const PODMAN: (u32, u32) = (5, 4);

/// Chooses the strictest way that the daemon offers: by UUID through CDI, then the nvidia runtime, then the CDI device of all
/// GPUs, then the device driver, of which no daemon tells.
/// On WSL2, where none of them keeps the GPUs apart, its one CDI device comes first. An index or a count is never used: the engines do not schedule by them.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) with what there is, which of the GPUs it does not know, and how to mend it.
pub(super) fn choose(engine: &EngineInfo, gpus: &[GpuId], simulated: bool) -> Result<Access> {
    let (offer, podman) = (&engine.gpu, engine.podman);
    let named = |id: &GpuId| offer.cdi_devices.contains(&format!("{KIND}={id}"));
    let old = podman && version(&engine.version).is_none_or(|version| version < PODMAN);
    if !old && gpus.iter().all(named) {
        return Ok(Access::Cdi(gpus.iter().map(|id| format!("{KIND}={id}")).collect()));
    }
    if simulated {
        return Ok(Access::Simulated(gpus.to_vec()));
    }
    if old {
        return Err(refused("this Podman drops requests for GPUs without a word", gpus)
            .with("version", &engine.version)
            .hint("update Podman to 5.4 or newer, or use Docker Engine"));
    }
    let all = offer.cdi_devices.iter().any(|name| name == ALL);
    if all && (offer.wsl || offer.cdi_devices.len() == 1) {
        return Ok(Access::CdiAll(gpus.to_vec()));
    }
    if !podman && offer.nvidia_runtime {
        let way = if offer.wsl { Access::RuntimeAll } else { Access::Runtime };
        return Ok(way(gpus.to_vec()));
    }
    if all {
        return Ok(Access::CdiAll(gpus.to_vec()));
    }
    if !podman && offer.nvidia_driver {
        let way = if offer.wsl { Access::DriverAll } else { Access::Driver };
        return Ok(way(gpus.to_vec()));
    }
    let unknown: Vec<_> = gpus.iter().filter(|id| !named(id)).map(GpuId::as_str).collect();
    let error = refused("the engine cannot give a container this GPU", gpus);
    let error = if unknown.len() < gpus.len() { error.with("unknown", unknown.join(",")) } else { error };
    Err(error
        .with("cdi_devices", format_args!("[{}]", offer.cdi_devices.join(",")))
        .with("nvidia_runtime", offer.nvidia_runtime)
        .hint("install the NVIDIA Container Toolkit and run `nvidia-ctk cdi generate`, then restart the engine"))
}

fn refused(message: &str, gpus: &[GpuId]) -> Error {
    let wanted: Vec<_> = gpus.iter().map(GpuId::as_str).collect();
    Error::new(ErrorKind::Unsupported, "engine.create", message).with("gpus", wanted.join(","))
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether the hook of the device driver `nvidia` is on this machine: a daemon does not tell whether it has the driver.
pub(super) fn hook_is_here(engine: &str) -> bool {
    let folders = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/usr/local/nvidia/toolkit"];
    let hooks = hooks(engine);
    folders.iter().any(|folder| hooks.iter().any(|hook| Path::new(folder).join(hook).is_file()))
}

/// The hooks that make the device driver in a Docker of this version: since 29.2 it does with that of CDI.
fn hooks(engine: &str) -> &'static [&'static str] {
    match version(engine) {
        Some(version) if version >= (29, 2) => &["nvidia-container-runtime-hook", "nvidia-cdi-hook"],
        _ => &["nvidia-container-runtime-hook"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::GpuOffer;

    fn id(last: char) -> GpuId {
        format!("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789a{last}").parse().unwrap()
    }

    fn offer(devices: &[&str], nvidia_runtime: bool) -> EngineInfo {
        engine("Docker Engine", "26.1.5", devices, nvidia_runtime)
    }

    fn engine(name: &str, version: &str, devices: &[&str], nvidia_runtime: bool) -> EngineInfo {
        let cdi_devices = devices.iter().map(|device| format!("{KIND}={device}")).collect();
        EngineInfo {
            simulated: false,
            name: name.to_owned(),
            version: version.to_owned(),
            api: None,
            min_api: None,
            id: None,
            address: "unix:///x".to_owned(),
            context: None,
            podman: name == "Podman",
            rootless: false,
            gpu: GpuOffer { cdi_devices, nvidia_runtime, ..GpuOffer::default() },
        }
    }

    #[test]
    fn the_strictest_way_wins() {
        let (a, b) = (id('a'), id('b'));
        let both = offer(&["all", a.as_str(), b.as_str()], true);
        let gpus = [a.clone(), b.clone()];
        assert_eq!(
            choose(&both, &gpus, false).unwrap(),
            Access::Cdi(vec![format!("{KIND}={a}"), format!("{KIND}={b}")])
        );
        assert_eq!(choose(&offer(&["all", a.as_str()], true), &gpus, false).unwrap(), Access::Runtime(gpus.to_vec()));
        assert_eq!(choose(&offer(&["all", "0"], false), &gpus, false).unwrap(), Access::CdiAll(gpus.to_vec()));
    }

    #[test]
    fn on_wsl_the_one_device_comes_first_and_nothing_passes_for_strict() {
        let gpus = [id('a')];
        for runtime in [true, false] {
            assert_eq!(choose(&offer(&["all"], runtime), &gpus, false).unwrap(), Access::CdiAll(gpus.to_vec()));
        }
        let mut wsl = offer(&["all", "0"], true);
        wsl.gpu.wsl = true;
        assert_eq!(choose(&wsl, &gpus, false).unwrap(), Access::CdiAll(gpus.to_vec()));
        wsl.gpu.cdi_devices.clear();
        let runtime = choose(&wsl, &gpus, false).unwrap();
        assert_eq!(runtime, Access::RuntimeAll(gpus.to_vec()));
        wsl.gpu.nvidia_runtime = false;
        wsl.gpu.nvidia_driver = true;
        let driver = choose(&wsl, &gpus, false).unwrap();
        assert_eq!(driver, Access::DriverAll(gpus.to_vec()));
        assert!([runtime, driver].iter().all(|it| it.label().ends_with("isolation is cooperative")));
    }

    #[test]
    fn a_simulated_gpu_never_gets_a_real_one() {
        for offer in [offer(&["all", "0"], true), offer(&[], false)] {
            assert_eq!(choose(&offer, &[id('a')], true).unwrap(), Access::Simulated(vec![id('a')]));
        }
        let known = offer(&[id('a').as_str()], false);
        assert!(matches!(choose(&known, &[id('a')], true).unwrap(), Access::Cdi(_)));
    }

    #[test]
    fn nothing_on_offer_is_an_error_with_the_remedy() {
        let error = choose(&offer(&["0"], false), &[id('a')], false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "the engine cannot give a container this GPU: gpus=GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789aa \
             cdi_devices=[nvidia.com/gpu=0] nvidia_runtime=false; install the NVIDIA Container Toolkit and run \
             `nvidia-ctk cdi generate`, then restart the engine"
        );
    }

    #[test]
    fn the_hook_of_cdi_makes_no_device_driver_before_29_2() {
        for (version, count) in [("26.1.5", 1), ("29.1.9", 1), ("29.2.0", 2), ("30.0.0-rc.1", 2), ("unknown", 1)] {
            assert_eq!(hooks(version).len(), count, "{version}");
        }
    }

    #[test]
    fn the_device_driver_that_is_guessed_comes_last() {
        let mut guessed = offer(&["all", "0"], false);
        guessed.gpu.nvidia_driver = true;
        assert_eq!(choose(&guessed, &[id('a')], false).unwrap(), Access::CdiAll(vec![id('a')]));
        guessed.gpu.cdi_devices.clear();
        assert_eq!(choose(&guessed, &[id('a')], false).unwrap(), Access::Driver(vec![id('a')]));
        guessed.gpu.nvidia_runtime = true;
        assert_eq!(choose(&guessed, &[id('a')], false).unwrap(), Access::Runtime(vec![id('a')]));
    }

    #[test]
    fn a_partition_is_asked_for_by_its_own_name() {
        let mig: GpuId = "MIG-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let known = offer(&[mig.as_str()], false);
        assert_eq!(
            choose(&known, std::slice::from_ref(&mig), false).unwrap(),
            Access::Cdi(vec![format!("{KIND}={mig}")])
        );
    }

    #[test]
    fn of_several_gpus_those_that_the_engine_does_not_know_are_named() {
        let error = choose(&offer(&[id('a').as_str()], false), &[id('a'), id('b')], false).unwrap_err();
        assert_eq!(error.get("unknown"), Some(id('b').as_str()));
    }

    #[test]
    fn a_podman_that_drops_requests_is_not_asked() {
        let (known, none) = ([id('a').to_string()], id('a'));
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        for version in ["4.3.1", "5.3.9", "unknown"] {
            let old = engine("Podman", version, &known, true);
            let error = choose(&old, &[id('a')], false).unwrap_err();
            assert_eq!((error.kind(), error.get("version")), (ErrorKind::Unsupported, Some(version)));
            assert_eq!(error.hint_text(), Some("update Podman to 5.4 or newer, or use Docker Engine"));
            assert_eq!(choose(&old, &[id('a')], true).unwrap(), Access::Simulated(vec![id('a')]));
        }
        for version in ["5.4.0", "5.10.1", "6.0.0-dev"] {
            let new = engine("Podman", version, &known, true);
            assert!(matches!(choose(&new, std::slice::from_ref(&none), false).unwrap(), Access::Cdi(_)));
            let ignored = engine("Podman", version, &[], true);
            assert_eq!(
                choose(&ignored, std::slice::from_ref(&none), false).unwrap_err().kind(),
                ErrorKind::Unsupported
            );
        }
    }
}
