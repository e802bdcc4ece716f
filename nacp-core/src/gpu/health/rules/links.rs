//! NVLinks, the fabric that they make, and the PCIe link.

use super::{Finding, K, Outcome, View, Why, known, when};
use crate::gpu::health::Evidence;
use crate::gpu::{Fabric, FabricState, Reading};

pub(super) fn inactive(view: &View<'_>) -> Outcome {
    let links = match &view.gpu.nvlinks {
        Reading::Known(links) if !links.is_empty() => links,
        Reading::Unknown(reason) => return Outcome::Unchecked(Why::Unknown(*reason)),
        Reading::Known(_) => {
            return when(view.limits.expected_nvlinks.is_some(), || few(0, view.limits.expected_nvlinks));
        }
    };
    let unknown = links.iter().find_map(|link| link.active.unknown());
    let up = links.iter().filter(|link| link.active == Reading::Known(true)).count();
    let down: Vec<String> =
        links.iter().filter(|link| link.active == Reading::Known(false)).map(|link| link.link.to_string()).collect();
    // The sample is newer than the inventory.
    let up = view.sample.nvlink.known().and_then(|counters| counters.active.known().copied()).map_or(up, widen);
    if let Some(expected) = view.limits.expected_nvlinks {
        if let Some(reason) = unknown
            && up < widen(expected)
        {
            return Outcome::Unchecked(Why::Unknown(reason));
        }
        return when(up < widen(expected), || few(up, Some(expected)));
    }
    let inactive = links.len().saturating_sub(up);
    if let Some(reason) = unknown
        && down.is_empty()
    {
        return Outcome::Unchecked(Why::Unknown(reason));
    }
    if up == 0 {
        return Outcome::Unchecked(Why::Because("no NVLink is up, as without a bridge; expected_nvlinks tells"));
    }
    when(inactive > widen(view.limits.max_inactive_nvlinks), || {
        let allowed = view.limits.max_inactive_nvlinks;
        let message = format!("{inactive} of {} NVLinks are down, at most {allowed} may be", links.len());
        let which = if down.is_empty() { format!("{up} up") } else { format!("down: {}", down.join(",")) };
        Finding::new(K::NvlinkInactive, message, vec![Evidence::new("nvmlDeviceGetNvLinkState", which)])
    })
}

fn few(up: usize, expected: Option<u32>) -> Finding {
    let message = format!("{up} NVLinks are up, expected are {}", expected.unwrap_or_default());
    Finding::new(K::NvlinkInactive, message, vec![Evidence::new("nvmlDeviceGetNvLinkState", format!("{up} up"))])
}

fn widen(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub(super) fn slow(view: &View<'_>) -> Outcome {
    let Some(least) = view.limits.nvlink_speed else { return Outcome::Clear };
    known(&view.gpu.nvlinks, |links| {
        let mut up = links.iter().filter(|link| link.active == Reading::Known(true));
        let slow = up.clone().find_map(|link| Some((link.link, *link.speed.known()?)).filter(|(_, it)| *it < least));
        match slow {
            Some((link, speed)) => {
                let message = format!("NVLink {link} runs at {speed} MB/s, expected are {least} MB/s");
                let evidence = vec![Evidence::new("field NVLINK_GET_SPEED", format!("{speed} MB/s"))];
                Outcome::Holds(Finding::new(K::NvlinkSlow, message, evidence))
            }
            None => match up.find_map(|link| link.speed.unknown()) {
                Some(reason) => Outcome::Unchecked(Why::Unknown(reason)),
                None => Outcome::Clear,
            },
        }
    })
}

pub(super) fn errors(view: &View<'_>) -> Outcome {
    known(&view.sample.nvlink, |counters| {
        let reason = counters.crc_flit.unknown().or(counters.crc_data.unknown());
        let Some(rate) = view.rates.and_then(|rates| rates.nvlink_crc) else {
            return Outcome::Unchecked(reason.map_or(Why::Because("needs two readings"), Why::Unknown));
        };
        let (rate, limit) = (rate / 60.0, view.limits.nvlink_crc_per_second);
        when(rate >= limit.into(), || {
            let message = format!("{rate:.0} NVLink checksums a second are wrong, {limit} count");
            let evidence = vec![Evidence::new("nvmlDeviceGetNvLinkErrorCounter", format!("{rate:.1} a second"))];
            Finding::new(K::NvlinkErrors, message, evidence)
        })
    })
}

pub(super) fn fabric(view: &View<'_>) -> Outcome {
    known(&view.gpu.fabric, |fabric| {
        let why = match fabric.state {
            FabricState::NotSupported => return Outcome::Clear,
            FabricState::NotStarted => vec!["the registration has not begun".to_owned()],
            FabricState::InProgress => vec!["the registration is under way".to_owned()],
            FabricState::Completed if fabric.status != 0 => {
                vec![format!("the registration ended with nvml code {}", fabric.status)]
            }
            FabricState::Completed => ailments(fabric),
        };
        when(!why.is_empty(), || {
            let message = format!("the GPU is not well in its NVLink fabric: {}", why.join(", "));
            let health = fabric.health.known().map_or("none".to_owned(), |mask| format!("{mask:#x}"));
            let value = format!("state {:?}, status {}, health mask {health}", fabric.state, fabric.status);
            Finding::new(K::FabricUnhealthy, message, vec![Evidence::new("nvmlDeviceGetGpuFabricInfoV", value)])
        })
    })
}

/// The two-bit properties of the mask of health, each with its shift: 1 says that it is so.
const PROPERTIES: [(u32, &str); 4] = [
    (0, "bandwidth is degraded"),
    (2, "a route is being recovered"),
    (4, "a route is unhealthy"),
    (6, "an access timed out"),
];
/// The four-bit field of the mask that tells what is wrong with the configuration, from 2 on.
const CONFIGURATION: [&str; 4] = ["a wrong system GUID", "a wrong chassis serial", "no partition", "too few NVLinks"];

fn ailments(fabric: &Fabric) -> Vec<String> {
    let Reading::Known(mask) = fabric.health else { return Vec::new() };
    let mut found: Vec<String> =
        PROPERTIES.iter().filter(|(shift, _)| (mask >> shift) & 0x3 == 1).map(|(_, what)| (*what).to_owned()).collect();
    let configuration = (mask >> 8) & 0xf;
    if configuration >= 2 {
        let known = CONFIGURATION.iter().zip(2..).find(|(_, code)| *code == configuration);
        found.push(known.map_or(format!("configuration error {configuration}"), |(what, _)| (*what).to_owned()));
    }
    found
}

pub(super) fn downgraded(view: &View<'_>) -> Outcome {
    known(&view.sample.pcie, |link| {
        let (generation, width) = match (&view.gpu.pcie.max_generation, &view.gpu.pcie.max_width) {
            (Reading::Known(generation), Reading::Known(width)) => (*generation, *width),
            (Reading::Unknown(reason), _) | (_, Reading::Unknown(reason)) => {
                return Outcome::Unchecked(Why::Unknown(*reason));
            }
        };
        known(&view.sample.utilization, |busy| {
            let (gpu, limit) = (busy.gpu, view.limits.pcie_load);
            if gpu < limit {
                // An idle link is slow to save power, so that a slow one says nothing and a fast one all.
                let full = link.generation >= generation && link.width >= width;
                let idle = Outcome::Unchecked(Why::Because("only a busy GPU's link tells"));
                return if full { Outcome::Clear } else { idle };
            }
            when(link.generation < generation || link.width < width, || {
                let message = format!(
                    "the PCIe link is generation {} x{} at {gpu} % load, it can be generation {generation} x{width}",
                    link.generation, link.width
                );
                let evidence = vec![
                    Evidence::new("nvmlDeviceGetCurrPcieLinkGeneration", link.generation),
                    Evidence::new("nvmlDeviceGetCurrPcieLinkWidth", link.width),
                    Evidence::new("nvmlDeviceGetUtilizationRates", format!("{gpu} %")),
                ];
                Finding::new(K::PcieDowngraded, message, evidence)
            })
        })
    })
}

pub(super) fn replays(view: &View<'_>) -> Outcome {
    known(&view.sample.pcie_replays, |_| {
        let limit = view.limits.pcie_replays_per_minute;
        let Some(rate) = view.rates.and_then(|rates| rates.pcie_replays) else {
            return Outcome::Unchecked(Why::Because("needs two readings"));
        };
        when(rate > limit.into(), || {
            let message = format!("{rate:.1} PCIe packets a minute are sent again, more than {limit}");
            let evidence = vec![Evidence::new("nvmlDeviceGetPcieReplayCounter", format!("{rate:.1} a minute"))];
            Finding::new(K::PcieReplays, message, evidence)
        })
    })
}
