//! `nacp metrics`: the GPUs for Prometheus, once or at an address.

use std::path::Path;

use nacp_core::clock::SystemClock;
use nacp_core::gpu::health::{self, Facts, Thresholds};
use nacp_core::observe::{CONTENT_TYPE, HostnameLabel, Metrics};
use serde_json::json;

use crate::Exit;
use crate::args::MetricsArgs;
use crate::context::Context;
use crate::exporter;
use crate::failure::Outcome;

pub(crate) fn run(args: &MetricsArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("metrics")?;
    let hostname = hostname(args);
    if let Some(address) = args.listen {
        return exporter::run(address, args.every, hostname, context);
    }
    let node = context.node()?;
    let snapshot = node.snapshot(&SystemClock::new())?;
    let facts = if node.is_here() { Facts::read(Path::new("/")) } else { Facts::default() };
    let health = health::assess(&Thresholds::default(), &snapshot, &facts);
    let text = Metrics::new(&snapshot).hostname(hostname.0, hostname.1).health(&health).render()?;
    context.show(&json!({ "content_type": CONTENT_TYPE, "text": &text }), |_| text.clone())?;
    Ok(Exit::Fine)
}

/// The machine's name, and its label. A machine without a name has no label.
fn hostname(args: &MetricsArgs) -> (HostnameLabel, String) {
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).ok();
    match args.hostname.clone().or_else(kernel) {
        Some(name) => (args.hostname_label, name),
        None => (HostnameLabel::None, String::new()),
    }
}
