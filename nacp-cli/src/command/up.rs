//! `nacp up`: brings an app to what its file says.

use std::time::Duration;

use nacp_core::control::{AppStatus, ControlPlane, Plan, Wanted};
use nacp_core::gpu::GpuId;
use nacp_core::service::App;
use nacp_core::{Error, ErrorKind};
use serde_json::json;
use tokio::time::sleep;

use super::run::{app, engine, node_for, replicas, runtime};
use crate::Exit;
use crate::args::UpArgs;
use crate::context::Context;
use crate::failure::Outcome;
use crate::happening::tell;
use crate::table::table;

/// The most time unless it is told: large images and models come over a network.
const LIMIT: Duration = Duration::from_secs(3600);

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
        if args.keep {
            return stay(&plane, &app, context).await;
        }
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

/// Applies an app and tells on the way what happens. Nothing when the user has stopped the waiting.
pub(super) async fn bring_up(plane: &ControlPlane, app: &App, context: &mut Context<'_>) -> Outcome<Option<AppStatus>> {
    let origin = plane.node().origin().clone();
    if origin.simulated {
        context.tell(format_args!("GPUs: {origin}"));
    }
    context.interrupt.catch();
    let (interrupt, limit) = (context.interrupt.clone(), context.limit_or(LIMIT));
    let mut events = plane.events().listen();
    let mut applied = std::pin::pin!(plane.apply(app));
    // Of a limit that no clock can hold, as much as it can.
    let mut end = std::pin::pin!(sleep(limit));
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => tell(&event, context),
            done = &mut applied => {
                while let Some(event) = events.try_next() {
                    tell(&event, context);
                }
                return Ok(Some(done?));
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
        }
    }
}

/// Keeps an app and tells what happens to it, until the user stops it.
async fn stay(plane: &ControlPlane, app: &App, context: &mut Context<'_>) -> Outcome<Exit> {
    let wanted = Wanted::new(app.clone())?;
    let interrupt = context.interrupt.clone();
    let mut events = plane.events().listen();
    let mut kept = std::pin::pin!(plane.keep(&wanted));
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => tell(&event, context),
            () = interrupt.wait() => {
                context.tell(left(app, "no longer kept"));
                return Ok(if interrupt.is_polite() { Exit::Fine } else { Exit::Interrupted });
            }
            ended = &mut kept => match ended? {},
        }
    }
}

/// What somebody should know who no longer waits.
fn left(app: &App, what: &str) -> String {
    format!("{what}: what was started runs on; nacp status {0} shows it, nacp down {0} removes it", app.name)
}
