//! What happened, in the words that the field's tools read.
//!
//! [`Metrics`] writes what is known about the GPUs of a node, and about what runs on them, as text for Prometheus. The
//! GPUs have the names, types, units and labels of NVIDIA's dcgm-exporter, so that its dashboards and alerts work
//! unchanged; what only NACP knows begins with `nacp_`. [`families`] lists them all.
//!
//! ```
//! use std::sync::Arc;
//! use nacp_core::clock::SystemClock;
//! use nacp_core::observe::{HostnameLabel, Metrics};
//! use nacp_core::{gpu, sim};
//!
//! let node = gpu::Node::from_source(Arc::new(sim::Node::named("h100x8")?))?;
//! let snapshot = node.snapshot(&SystemClock::new())?;
//! let text = Metrics::new(&snapshot).hostname(HostnameLabel::Lower, "server-7").render()?;
//! assert!(text.contains("DCGM_FI_DEV_GPU_TEMP{gpu=\"0\","));
//! # Ok::<(), nacp_core::Error>(())
//! ```

mod prometheus;

pub use prometheus::{CONTENT_TYPE, Family, FamilySet, HostnameLabel, Metrics, families, metrics};
