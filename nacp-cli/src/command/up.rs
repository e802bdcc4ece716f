//! `nacp up`: brings an app to what its file says.

use std::collections::BTreeMap;
use std::time::Duration;

use nacp_core::control::{AppStatus, ControlPlane, Plan};
use nacp_core::gpu::GpuId;
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::run::{app, engine, node_for, replicas, runtime, state};
use crate::Exit;
use crate::args::UpArgs;
use crate::context::Context;
use crate::failure::Outcome;
use crate::table::table;

/// The most time unless it is told: large images and models come over a network.
const LIMIT: Duration = Duration::from_secs(3600);
/// How often it is looked what has changed.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &UpArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("up")?;
    let app = app(&args.file)?;
    let node = node_for(&app, context)?;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let plane = ControlPlane::new(node, engine(args.simulated).await?);
        if args.dry_run {
            return preview(&plane, &app, context).await;
        }
        let Some(status) = bring_up(&plane, &app, context).await? else { return Ok(Exit::Interrupted) };
        context.show(&json!({ "app": status.app, "ready": status.ready(), "replicas": status.replicas }), |width| {
            replicas([&status], width)
        })?;
        if args.simulated {
            context.tell("the engine is simulated: its services end with this command; nacp serve keeps them");
        }
        Ok(if status.ready() { Exit::Fine } else { Exit::NotSo })
    });
    runtime.shutdown_background();
    done
}

async fn preview(plane: &ControlPlane, app: &App, context: &mut Context<'_>) -> Outcome<Exit> {
    let plan = plane.plan(app).await?;
    let simulated = plane.node().origin().simulated;
    context.show(&json!({ "simulated": simulated, "plan": &plan }), |width| would(&plan, simulated, width))?;
    Ok(Exit::Fine)
}

/// What would be done, and on which GPU.
fn would(plan: &Plan, simulated: bool, width: u16) -> String {
    let rows = plan.actions.iter().map(|action| {
        let mut placements = plan.placements.iter();
        let placed = placements.find(|it| it.service == action.service && it.replica == action.replica);
        let gpus: Vec<&str> = placed.map(|it| it.gpus.iter().map(GpuId::short).collect()).unwrap_or_default();
        let text = action.to_string();
        let verb = text.split_whitespace().next().unwrap_or_default().to_owned();
        let gpu = match (gpus.is_empty(), simulated) {
            (true, _) => "-".to_owned(),
            (false, true) => format!("{} (simulated)", gpus.join(", ")),
            (false, false) => gpus.join(", "),
        };
        [verb, format!("{}/{}/{}", plan.app, action.service, action.replica), gpu, action.reason.clone()]
    });
    table(width, ["do", "replica", "GPU", "why"], 3, rows)
}

/// Applies an app and tells on the way what changes. Nothing when the user has stopped the waiting.
pub(super) async fn bring_up(plane: &ControlPlane, app: &App, context: &mut Context<'_>) -> Outcome<Option<AppStatus>> {
    let origin = plane.node().origin().clone();
    if origin.simulated {
        context.tell(format_args!("GPUs: {origin}"));
    }
    context.interrupt.catch();
    let (interrupt, limit) = (context.interrupt.clone(), context.limit_or(LIMIT));
    let mut applied = std::pin::pin!(plane.apply(app));
    // Of a limit that no clock can hold, as much as it can.
    let mut end = std::pin::pin!(sleep(limit));
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = BTreeMap::new();
    loop {
        tokio::select! {
            done = &mut applied => {
                let status = done?;
                tell_changes(&status, &mut told, context);
                return Ok(Some(status));
            }
            () = interrupt.wait() => {
                context.tell(left(app, "stopped"));
                return Ok(None);
            }
            () = &mut end => {
                let error = Error::new(ErrorKind::Timeout, "cli.up", "the app is not up in time");
                return Err(error.with("app", &app.name).with("limit", format_args!("{} s", limit.as_secs_f64()))
                    .hint(left(app, "it goes on")).retry_later().into());
            }
            _ = look.tick() => {
                // What the engine does not tell now it tells the next time.
                if let Ok(status) = plane.status(&app.name).await {
                    tell_changes(&status, &mut told, context);
                }
            }
        }
    }
}

/// What somebody should know who no longer waits.
fn left(app: &App, what: &str) -> String {
    format!("{what}: what was started runs on; nacp status {0} shows it, nacp down {0} removes it", app.name)
}

/// One line for each replica whose state is another than the one that was told.
fn tell_changes(status: &AppStatus, told: &mut BTreeMap<String, String>, context: &mut Context<'_>) {
    for replica in &status.replicas {
        let state = state(replica);
        let name = format!("{}/{}/{}", status.app, replica.service, replica.replica);
        if told.get(&name) != Some(&state) {
            context.tell(format_args!("{name}: {state}"));
            told.insert(name, state);
        }
    }
}
