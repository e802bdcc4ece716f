//! A GPU that answered before and does not answer now: the same reason in place of every value.

use crate::gpu::{Gpu, GpuId, Reading, Unknown};

/// The name of a GPU that cannot be asked for it.
const NAMELESS: &str = "unknown GPU";

macro_rules! unknown {
    ($reason:ident: $($group:expr => $($field:ident)*;)*) => {
        $($($group.$field = Reading::Unknown($reason);)*)*
    };
}

/// A GPU of which only the id is known.
pub(crate) fn silent(index: u32, id: GpuId, reason: Unknown) -> Gpu {
    let mut gpu = Gpu::new(id, index, NAMELESS);
    let Gpu { identity, processor, pcie, limits, modes, affinity, mig, .. } = &mut gpu;
    unknown! { reason:
        identity.inforom => image oem ecc power;
        limits.temperature => shutdown slowdown gpu_max memory_max;
        identity => brand serial part_number board minor module vbios gsp_firmware platform;
        processor => architecture cores multiprocessors memory_bus bar1;
        pcie => device subsystem max_generation gpu_max_generation max_width max_speed;
        limits => power_min power_max power_default clocks video_clock fans;
        modes => compute persistence display_active display_connected ecc accounting virtualization driver_model;
        modes => addressing confidential_memory;
        affinity => numa_node cpus memory_nodes;
        mig => mode devices instances profiles;
    }
    unknown! { reason: gpu => compute memory pci nvlinks c2c fabric; }
    gpu
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_value_of_a_lost_gpu_is_unknown_because_it_is_lost() {
        fn leaves(path: &str, value: &Value, others: &mut Vec<String>) {
            match value {
                _ if *value == json!({ "unknown": "gpu lost" }) => {}
                Value::Object(group) => {
                    group.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, others));
                }
                _ => others.push(path.to_owned()),
            }
        }
        let id = "GPU-5bd9f9a4-1d2e-4c8f-9a61-0123456789ab".parse().unwrap();
        let gpu = serde_json::to_value(silent(3, id, Unknown::GpuLost)).unwrap();
        let mut others = Vec::new();
        leaves("", &gpu, &mut others);
        others.sort_unstable();
        assert_eq!(others, [".id", ".index", ".name"]);
    }
}
