//! What was found and what happened, as tables.

use std::fmt::Display;
use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use nacp_core::control::{AppStatus, Plan};
use nacp_core::cuda;
use nacp_core::engine::Engine;
use nacp_core::gpu::{GpuId, Node, Reading, Snapshot};
use nacp_core::route::EndpointLoad;

use crate::load::Report;
use crate::parts::Part;

const WIDTH: u16 = 120;

fn table<const N: usize>(title: &str, header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.add_rows(rows);
    format!("{title}\n{table}\n")
}

pub(crate) fn parts(
    host: &str,
    node: &Part<Node>,
    cuda: &Part<cuda::Report>,
    engine: &Part<Arc<dyn Engine>>,
) -> String {
    let checked = &cuda.part;
    let devices = checked.probe.as_ref().map_or(0, |probe| probe.devices.len());
    let took = checked.elapsed.as_secs_f64();
    let cuda = format!("{}: {} in {took:.2} s, {devices} device(s)", cuda.label(), checked.verdict);
    let rows =
        [("where we run", host.to_owned()), ("GPUs", node.label()), ("CUDA", cuda), ("containers", engine.label())];
    table("What is here", ["part", "found"], rows.map(|(part, found)| [part.to_owned(), found]))
}

pub(crate) fn gpus(snapshot: &Snapshot) -> String {
    let rows = snapshot.gpus.iter().map(|state| {
        let (gpu, sample) = (&state.gpu, &state.sample);
        let memory = sample.memory.clone().map(|memory| format!("{} free of {}", memory.free, memory.total));
        let power = sample.power.clone().map(|milliwatts| f64::from(milliwatts) / 1000.0);
        [
            gpu.id.short().to_owned(),
            gpu.name.clone(),
            text(&gpu.compute),
            text(&memory),
            sample.utilization.clone().map(|rates| format!("{} %", rates.gpu)).to_string(),
            sample.temperature.clone().map(|degrees| format!("{degrees} °C")).to_string(),
            power.map(|watts| format!("{watts:.1} W")).to_string(),
        ]
    });
    let title = format!("GPUs ({})", snapshot.origin);
    table(&title, ["id", "name", "compute", "memory", "load", "temperature", "power"], rows)
}

pub(crate) fn placements(plan: &Plan) -> String {
    let rows = plan.placements.iter().map(|placed| {
        [
            format!("{}/{}", placed.service, placed.replica),
            short(&placed.gpus),
            placed.memory.to_string(),
            placed.reason.clone(),
        ]
    });
    table("Placement", ["replica", "GPU", "memory", "reason"], rows)
}

pub(crate) fn services(status: &AppStatus) -> String {
    let rows = status.replicas.iter().map(|replica| {
        [
            replica.name.clone(),
            replica.state.to_string(),
            if replica.ready { "ready" } else { "not ready" }.to_owned(),
            replica.address.map(|address| address.to_string()).unwrap_or_default(),
            replica.gpu_injection.clone().unwrap_or_default(),
        ]
    });
    table("Services", ["container", "state", "probe", "address", "GPU given by"], rows)
}

pub(crate) fn requests(report: &Report, endpoints: &[EndpointLoad]) -> String {
    let milliseconds =
        |value: u64| format!("{:.1} ms", Reading::Known(value).known().copied().unwrap_or_default() as f64 / 1000.0);
    let quantiles = |times: &hdrhistogram::Histogram<u64>| {
        (milliseconds(times.value_at_quantile(0.5)), milliseconds(times.value_at_quantile(0.99)))
    };
    let (first, total) = (quantiles(&report.first_token), quantiles(&report.total));
    let seconds = report.elapsed.as_secs_f64();
    let rows = [["time to first token".to_owned(), first.0, first.1], ["whole answer".to_owned(), total.0, total.1]];
    let title = format!(
        "{} requests answered in {seconds:.2} s: {:.0} requests/s, {:.0} tokens/s",
        report.answered,
        report.answered as f64 / seconds,
        report.tokens as f64 / seconds
    );
    let served = endpoints.iter().map(|load| [load.endpoint.replica.clone(), load.served.to_string()]);
    table(&title, ["", "p50", "p99"], rows) + "\n" + &table("Routed to", ["replica", "requests"], served)
}

pub(crate) fn metrics(text: &str) -> String {
    let wanted =
        ["DCGM_FI_DEV_GPU_TEMP{", "DCGM_FI_DEV_FB_FREE{", "nacp_replica_ready{", "nacp_gateway_requests_total{"];
    let lines = text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let shown: Vec<_> = lines.map(|line| format!("  {line}")).collect();
    format!("Metrics ({} lines at /metrics), among them\n{}\n", text.lines().count(), shown.join("\n"))
}

fn short(gpus: &[GpuId]) -> String {
    gpus.iter().map(GpuId::short).collect::<Vec<_>>().join(", ")
}

fn text<T: Display>(reading: &Reading<T>) -> String {
    reading.to_string()
}
