//! How a container gets its GPUs: the choice between what the daemon offers.

use crate::cdi::KIND;
use crate::engine::GpuOffer;
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
            Self::Simulated(_) => "none, the GPU is simulated",
        }
    }
}

/// Chooses the strictest way that the daemon offers: by UUID through CDI, then the nvidia runtime, then WSL2's one
/// CDI device. An index or a count is never used: the engines do not schedule by them.
pub(super) fn choose(offer: &GpuOffer, gpus: &[GpuId], simulated: bool) -> Result<Access> {
    let names: Vec<_> = gpus.iter().map(|id| format!("{KIND}={id}")).collect();
    if names.iter().all(|name| offer.cdi_devices.contains(name)) {
        return Ok(Access::Cdi(names));
    }
    if simulated {
        return Ok(Access::Simulated(gpus.to_vec()));
    }
    if offer.nvidia_runtime {
        return Ok(Access::Runtime(gpus.to_vec()));
    }
    if offer.cdi_devices.iter().any(|name| name == "nvidia.com/gpu=all") {
        return Ok(Access::CdiAll(gpus.to_vec()));
    }
    let wanted: Vec<_> = gpus.iter().map(GpuId::as_str).collect();
    Err(Error::new(ErrorKind::Unsupported, "engine.create", "the engine cannot give a container this GPU")
        .with("gpus", wanted.join(","))
        .with("cdi_devices", format_args!("[{}]", offer.cdi_devices.join(",")))
        .with("nvidia_runtime", offer.nvidia_runtime)
        .hint("install the NVIDIA Container Toolkit and run `nvidia-ctk cdi generate`, then restart the engine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: char) -> GpuId {
        format!("GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789a{last}").parse().unwrap()
    }

    fn offer(devices: &[&str], nvidia_runtime: bool) -> GpuOffer {
        GpuOffer { cdi_devices: devices.iter().map(|device| format!("{KIND}={device}")).collect(), nvidia_runtime }
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
        assert_eq!(choose(&offer(&["all"], false), &gpus, false).unwrap(), Access::CdiAll(gpus.to_vec()));
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
}
