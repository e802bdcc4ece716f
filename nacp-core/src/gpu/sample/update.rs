//! Taking over readings from another sample.

use super::Sample;
use crate::gpu::{Fields, Reading};

impl Sample {
    /// Takes over the readings of these fields from another sample of the same GPU. Lists keep their memory, so that
    /// who does it often allocates nothing while they do not grow.
    pub fn update(&mut self, from: &Self, fields: Fields) {
        macro_rules! update {
            ($($field:ident = $name:ident by $take:ident),* $(,)?) => {
                $(if fields.contains(Fields::$field) { $take(&mut self.$name, &from.$name); })*
            };
        }
        update! {
            MEMORY = memory by value, UTILIZATION = utilization by value, TEMPERATURE = temperature by value,
            POWER = power by value, POWER_LIMIT = power_limit by value, CLOCKS = clocks by value,
            PROCESSES = processes by list, VIDEO_CLOCK = video_clock by value, PERFORMANCE = performance by value,
            CLOCK_EVENTS = clock_events by value, SLOWDOWN = slowdown by value, ENERGY = energy by value,
            MEMORY_TEMPERATURE = memory_temperature by value, MARGIN = margin by value, FANS = fans by list,
            ENCODER = encoder by value, DECODER = decoder by value, JPEG = jpeg by value,
            OPTICAL_FLOW = optical_flow by value, BAR1_USED = bar1_used by value, PCIE = pcie by value,
            PCIE_REPLAYS = pcie_replays by value, PCIE_SENT = pcie_sent by value,
            PCIE_RECEIVED = pcie_received by value, ECC = ecc by value, SRAM = sram by value, ROWS = rows by value,
            RETIRED_PAGES = retired_pages by value, NVLINK = nvlink by value, RECOVERY = recovery by value,
            PROFILE = profile by value, MIG = mig by list,
        }
    }
}

fn value<T: Clone>(to: &mut Reading<T>, from: &Reading<T>) {
    to.clone_from(from);
}

fn list<T: Clone>(to: &mut Reading<Vec<T>>, from: &Reading<Vec<T>>) {
    match (to, from) {
        (Reading::Known(to), Reading::Known(from)) => to.clone_from(from),
        (to, from) => to.clone_from(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{GpuId, Unknown};

    #[test]
    fn each_field_is_taken_over_and_no_other() {
        let id: GpuId = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let json = |sample: &Sample| serde_json::to_value(sample).unwrap();
        let from = Sample::unknown(id.clone(), Unknown::GpuLost);
        for (name, field) in Fields::names() {
            let before = Sample::unknown(id.clone(), Unknown::NotSupported);
            let mut after = before.clone();
            after.update(&from, field);
            let (before, after) = (json(&before), json(&after));
            let keys = before.as_object().unwrap().keys();
            let changed: Vec<_> = keys.filter(|key| before[key.as_str()] != after[key.as_str()]).collect();
            assert_eq!(changed, [name]);
        }
    }
}
