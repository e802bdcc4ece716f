//! `nacp app`: files that describe apps, without an engine and without a GPU.

use std::path::Path;

use nacp_core::service::{self, App, GpuMemory, GpuNeed, Service, Sharing, Topology, Warning};
use serde_json::{Value, json};

use super::run::app as read_app;
use crate::Exit;
use crate::args::{AppArgs, AppCheckArgs, AppCommand};
use crate::context::{Context, pretty};
use crate::failure::Outcome;
use crate::table::table;

pub(crate) fn run(args: &AppArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("app")?;
    match &args.command {
        AppCommand::Check(args) => check(args, context),
        AppCommand::Schema => {
            let schema = service::schema();
            let text = pretty(&schema)?;
            context.show(&schema, |_| text)?;
            Ok(Exit::Fine)
        }
    }
}

/// A file that was read, and what is worth a second look in it.
struct Checked {
    app: App,
    warnings: Vec<Warning>,
}

fn check(args: &AppCheckArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    let read = |path: &Path| {
        let app = read_app(path)?;
        let warnings = app.warnings();
        Ok(Checked { app, warnings })
    };
    let files: Vec<(&Path, Outcome<Checked>)> = args.files.iter().map(|path| (path.as_path(), read(path))).collect();
    let refused = files.iter().filter_map(|(_, checked)| checked.as_ref().err());
    let refused = refused.map(|failure| failure.exit).max_by_key(|exit| exit.code());
    let warned = files.iter().any(|(_, checked)| checked.as_ref().is_ok_and(|checked| !checked.warnings.is_empty()));
    if !context.global.json {
        for failure in files.iter().filter_map(|(_, checked)| checked.as_ref().err()) {
            context.tell(format_args!("nacp: {}", failure.error));
        }
    }
    if context.global.json || files.iter().any(|(_, checked)| checked.is_ok()) {
        let described: Vec<_> = files.iter().map(|(path, checked)| described(path, checked)).collect();
        context.show(&json!({ "files": described }), |width| {
            let shown = files.iter().filter_map(|(path, checked)| Some(shown(path, checked.as_ref().ok()?, width)));
            shown.collect::<Vec<_>>().join("\n\n")
        })?;
    }
    Ok(match refused {
        Some(exit) => exit,
        None if args.strict && warned => Exit::NotSo,
        None => Exit::Fine,
    })
}

/// For a program.
fn described(path: &Path, checked: &Outcome<Checked>) -> Value {
    let file = path.to_string_lossy();
    match checked {
        Ok(Checked { app, warnings }) => json!({
            "file": file,
            "valid": true,
            "app": app,
            "start_order": app.start_order().unwrap_or_default(),
            "warnings": warnings,
        }),
        Err(failure) => json!({ "file": file, "valid": false, "error": failure.to_json()["error"] }),
    }
}

/// For people.
fn shown(path: &Path, Checked { app, warnings }: &Checked, width: u16) -> String {
    let order = app.start_order().unwrap_or_default();
    let rows = order.iter().filter_map(|name| app.services.get_key_value(*name)).map(|(name, service)| {
        let port = service.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
        [name.clone(), service.replicas.to_string(), need(service.gpu.as_ref()), port, waits(service)]
    });
    let table = table(width, ["service", "replicas", "gpu", "port", "waits for"], 2, rows);
    let mut text = format!("{} is valid: app {}, in the order of the start\n\n{table}", path.display(), app.name);
    if !warnings.is_empty() {
        text += "\n\nworth a second look:";
        for warning in warnings {
            text += &format!("\n- {warning}");
        }
    }
    text
}

fn need(need: Option<&GpuNeed>) -> String {
    let Some(need) = need else { return "none".to_owned() };
    let unit = if need.mig.is_some() { "partition" } else { "GPU" };
    let mut parts = vec![match (need.memory, need.count) {
        (GpuMemory::Auto, 1) => format!("all that is free on one {unit}"),
        (GpuMemory::Auto, count) => format!("all that is free on {count} {unit}s"),
        (GpuMemory::Bytes(bytes), 1) => bytes.to_string(),
        (GpuMemory::Bytes(bytes), count) => format!("{count} {unit}s with {bytes} each"),
    }];
    if need.sharing == Sharing::Exclusive {
        parts.push("exclusive".into());
    }
    parts.extend(need.mig.as_ref().map(|profile| format!("MIG {profile}")));
    parts.extend(need.compute.map(|range| format!("compute {range}")));
    parts.extend(need.cuda.map(|range| format!("CUDA {range}")));
    parts.extend(match need.topology {
        Topology::Nvlink => Some("NVLink".to_owned()),
        Topology::Numa => Some("one CPU socket".to_owned()),
        _ => None,
    });
    parts.join(", ")
}

fn waits(service: &Service) -> String {
    let waits: Vec<_> = service.depends_on.0.iter().map(|(name, until)| format!("{name} {}", word(*until))).collect();
    if waits.is_empty() { "-".to_owned() } else { waits.join(", ") }
}

fn word(until: service::Condition) -> &'static str {
    match until {
        service::Condition::Started => "started",
        service::Condition::Completed => "completed",
        _ => "ready",
    }
}
