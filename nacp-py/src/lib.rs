//! The Python door: `nacp._nacp`, the native half of the package `nacp`.
//!
//! Python has the readable half (`python/nacp`): classes of plain data, displays, defaults. Here is what must be in
//! Rust: handles on the core, the runtime, the router. Every entry point goes through [`errors::guard`], so that an
//! error of the core becomes its exception and a panic becomes `InternalError`.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use pyo3::prelude::*;

mod app;
mod certificate;
mod check;
mod cli;
mod decision;
mod doctor;
mod errors;
mod events;
mod gateway;
mod health;
mod history;
mod host;
mod json;
mod lock;
mod metrics;
mod node;
mod number;
mod owner;
mod plane;
mod record;
mod router;
mod runtime;
mod sampler;
mod subscription;
mod survey;
mod telemetry;
mod topology;
mod work;

#[pymodule(gil_used = false)]
mod _nacp {
    #[pymodule_export]
    use crate::app::{App, app_schema};
    #[pymodule_export]
    use crate::certificate::{certificate_compare, certificate_text, certificate_verify, certificate_words};
    #[pymodule_export]
    use crate::check::{check, cuda_opens, report_compare, report_error, report_html, report_markdown, report_text};
    #[pymodule_export]
    use crate::cli::cli;
    #[pymodule_export]
    use crate::decision::{decision_compare, decision_html, decision_markdown, decision_text, evaluate};
    #[pymodule_export]
    use crate::doctor::{diagnose, diagnosis_error, diagnosis_html, diagnosis_markdown, diagnosis_text, explain};
    #[pymodule_export]
    use crate::errors::{error_table, panic};
    #[pymodule_export]
    use crate::events::Events;
    #[pymodule_export]
    use crate::gateway::Gateway;
    #[pymodule_export]
    use crate::health::{HealthMonitor, check_health, thresholds_template};
    #[pymodule_export]
    use crate::history::History;
    #[pymodule_export]
    use crate::host::probe_cuda;
    #[pymodule_export]
    use crate::lock::{
        lock, lock_completeness, lock_diff, lock_error, lock_parse, lock_read, lock_text, lock_verify, lock_write,
    };
    #[pymodule_export]
    use crate::node::{Node, answer_probe, place, size};
    #[pymodule_export]
    use crate::plane::Plane;
    #[pymodule_export]
    use crate::record::{Recording, Replay};
    #[pymodule_export]
    use crate::router::{Endpoint, EndpointLoad, Lease, Router};
    #[pymodule_export]
    use crate::sampler::{Sampler, fields, metrics};
    #[pymodule_export]
    use crate::subscription::{Frame, Subscription};
    #[pymodule_export]
    use crate::survey::{detect, survey, survey_host};
    #[pymodule_export]
    use crate::telemetry::Telemetry;
    #[pymodule_export]
    use crate::topology::Topology;
    #[pymodule_export]
    use crate::work::Work;

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
