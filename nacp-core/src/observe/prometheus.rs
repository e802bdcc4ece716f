//! Metrics as Prometheus text.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::control::AppStatus;
use crate::engine::ContainerState;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{GpuState, Sample, Snapshot};
use crate::units::Bytes;

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// One metric of a GPU: its name, its help, and how to read it from a sample.
struct GpuMetric {
    name: &'static str,
    help: &'static str,
    read: fn(&Sample) -> Option<f64>,
}

/// Names, units and types are those of dcgm-exporter, so that its dashboards work unchanged.
const GPU_METRICS: [GpuMetric; 9] = [
    GpuMetric {
        name: "DCGM_FI_DEV_SM_CLOCK",
        help: "SM clock frequency (in MHz)",
        read: |sample| sample.clocks.known().map(|clocks| f64::from(clocks.sm)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_MEM_CLOCK",
        help: "Memory clock frequency (in MHz)",
        read: |sample| sample.clocks.known().map(|clocks| f64::from(clocks.memory)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_GPU_TEMP",
        help: "GPU temperature (in C)",
        read: |sample| sample.temperature.known().map(|degrees| f64::from(*degrees)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_POWER_USAGE",
        help: "Power draw (in W)",
        read: |sample| sample.power.known().map(|milliwatts| f64::from(*milliwatts) / 1000.0),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_GPU_UTIL",
        help: "GPU utilization (in %)",
        read: |sample| sample.utilization.known().map(|rates| f64::from(rates.gpu)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_MEM_COPY_UTIL",
        help: "Memory utilization (in %)",
        read: |sample| sample.utilization.known().map(|rates| f64::from(rates.memory)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_FB_FREE",
        help: "Framebuffer memory free (in MiB)",
        read: |sample| sample.memory.known().map(|memory| mebibytes(memory.free)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_FB_USED",
        help: "Framebuffer memory used (in MiB)",
        read: |sample| sample.memory.known().map(|memory| mebibytes(memory.used)),
    },
    GpuMetric {
        name: "DCGM_FI_DEV_FB_RESERVED",
        help: "Framebuffer memory reserved (in MiB)",
        read: |sample| sample.memory.known().map(|memory| mebibytes(memory.reserved)),
    },
];

/// The GPUs of a snapshot and the replicas of apps, as Prometheus (OpenMetrics) text.
///
/// A reading that is unknown gives no line, never a zero. The metrics of simulated GPUs, and of replicas on simulated
/// GPUs or engines, carry the label `simulated="true"`.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) when the text cannot be written.
///
/// ```
/// use std::sync::Arc;
/// use nacp_core::clock::SystemClock;
/// use nacp_core::{gpu, observe, sim};
///
/// let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
/// let text = observe::metrics(&node.snapshot(&SystemClock::new())?, &[])?;
/// assert!(text.contains("DCGM_FI_DEV_GPU_TEMP"));
/// # Ok::<(), nacp_core::Error>(())
/// ```
pub fn metrics(snapshot: &Snapshot, apps: &[AppStatus]) -> Result<String> {
    let mut registry = Registry::default();
    let gauges = |registry: &mut Registry, name: &str, help: &str| {
        let family = Gauges::default();
        registry.register(name, help, family.clone());
        family
    };
    for metric in &GPU_METRICS {
        let known: Vec<_> =
            snapshot.gpus.iter().filter_map(|state| Some((state, (metric.read)(&state.sample)?))).collect();
        if !known.is_empty() {
            let family = gauges(&mut registry, metric.name, metric.help);
            for (state, value) in known {
                family.get_or_create(&gpu_labels(snapshot, state)).set(value);
            }
        }
    }
    let ready = gauges(&mut registry, "nacp_replica_ready", "Whether a replica answers its probe");
    let running = gauges(&mut registry, "nacp_replica_running", "Whether a replica's container runs");
    let promised =
        gauges(&mut registry, "nacp_replica_gpu_memory_bytes", "Memory promised to a replica on each of its GPUs");
    for app in apps {
        for replica in &app.replicas {
            let mut labels = vec![
                ("app", app.app.clone()),
                ("service", replica.service.clone()),
                ("replica", replica.replica.to_string()),
            ];
            if replica.simulated {
                labels.push(simulated());
            }
            ready.get_or_create(&labels).set(f64::from(u8::from(replica.ready)));
            running.get_or_create(&labels).set(f64::from(u8::from(replica.state == ContainerState::Running)));
            promised.get_or_create(&labels).set(float(replica.memory));
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| {
        Error::new(ErrorKind::Internal, "observe.metrics", "cannot write the metrics").caused_by(error)
    })?;
    Ok(text)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn float(bytes: Bytes) -> f64 {
    bytes.0 as f64
}

fn mebibytes(bytes: Bytes) -> f64 {
    float(bytes) / float(Bytes::mib(1))
}

/// The label of everything that is made up.
fn simulated() -> (&'static str, String) {
    ("simulated", true.to_string())
}

fn gpu_labels(snapshot: &Snapshot, state: &GpuState) -> Labels {
    let gpu = &state.gpu;
    let mut labels = vec![
        ("gpu", gpu.index.to_string()),
        ("UUID", gpu.id.to_string()),
        ("pci_bus_id", gpu.pci.known().cloned().unwrap_or_default()),
        ("device", format!("nvidia{}", gpu.index)),
        ("modelName", gpu.name.clone()),
        ("DCGM_FI_DRIVER_VERSION", snapshot.origin.driver.clone().unwrap_or_default()),
    ];
    if snapshot.origin.simulated {
        labels.push(simulated());
    }
    labels
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::gpu::{Node, Reading, Unknown};
    use crate::sim;

    fn snapshot() -> Snapshot {
        let node = Node::from_source(Arc::new(sim::Node::named("rtx3050ti-laptop-wsl2").unwrap())).unwrap();
        node.snapshot(&ManualClock::default()).unwrap()
    }

    #[test]
    fn names_labels_and_units_are_those_of_the_exporter_that_dashboards_know() {
        let text = metrics(&snapshot(), &[]).unwrap();
        let labels = "{gpu=\"0\",UUID=\"GPU-3050a701-0000-4000-8000-000000000001\",pci_bus_id=\"00000000:01:00.0\",\
                      device=\"nvidia0\",modelName=\"NVIDIA GeForce RTX 3050 Ti Laptop GPU\",\
                      DCGM_FI_DRIVER_VERSION=\"591.44\",simulated=\"true\"}";
        assert!(text.contains("# TYPE DCGM_FI_DEV_GPU_TEMP gauge"), "{text}");
        for line in ["DCGM_FI_DEV_GPU_TEMP{} 51.0", "DCGM_FI_DEV_FB_USED{} 412.0", "DCGM_FI_DEV_POWER_USAGE{} 11.2"] {
            let line = line.replace("{}", labels);
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn an_unknown_reading_is_no_line_at_all() {
        let mut snapshot = snapshot();
        snapshot.gpus[0].sample.temperature = Reading::Unknown(Unknown::NotSupported);
        let text = metrics(&snapshot, &[]).unwrap();
        assert!(!text.contains("GPU_TEMP"), "{text}");
    }
}
