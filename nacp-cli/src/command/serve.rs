//! `nacp serve`: one address in front of what runs.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nacp_core::clock::SystemClock;
use nacp_core::control::{AppStatus, ControlPlane, Wanted};
use nacp_core::gateway::{Gateway, GatewayOptions};
use nacp_core::observe;
use nacp_core::route::Router;
use nacp_core::service::App;
use serde_json::json;

use super::run::{app, engine, node_for, runtime};
use super::up::bring_up;
use crate::Exit;
use crate::args::ServeArgs;
use crate::context::{Context, NoGpus};
use crate::failure::{Failure, Outcome};
use crate::happening::tell;

/// How often it is looked what runs.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &ServeArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("serve")?;
    let mut options = GatewayOptions::default();
    options.api_key = args.api_key_env.as_deref().map(key).transpose()?;
    let wanted = args.file.as_deref().map(app).transpose()?;
    let node = match &wanted {
        Some(app) => node_for(app, context)?,
        // What runs already has its GPUs; they are shown in the metrics if the driver tells of them.
        None => context.node().or_else(|failure| match context.global.node {
            Some(_) => Err(failure),
            None => NoGpus::node(),
        })?,
    };
    let runtime = runtime()?;
    context.interrupt.catch();
    let done = runtime.block_on(async {
        let plane = ControlPlane::new(node, engine(args.simulated).await?);
        let served = serve(&plane, wanted.as_ref(), args, options, context).await;
        if let (true, Some(app)) = (args.simulated, &wanted) {
            plane.delete(&app.name).await?;
        }
        served
    });
    runtime.shutdown_background();
    done
}

async fn serve(
    plane: &ControlPlane,
    wanted: Option<&App>,
    args: &ServeArgs,
    mut options: GatewayOptions,
    context: &mut Context<'_>,
) -> Outcome<Exit> {
    if let Some(app) = wanted
        && bring_up(plane, app, context).await?.is_none()
    {
        return Ok(Exit::Interrupted);
    }
    let apps = Arc::new(RwLock::new(plane.statuses().await?));
    let router = Arc::new(Router::new());
    router.update(endpoints(&known(&apps)));

    let (node, shown) = (plane.node().clone(), Arc::clone(&apps));
    options.metrics = Some(Arc::new(move || {
        let text = node.snapshot(&SystemClock::new()).and_then(|snapshot| observe::metrics(&snapshot, &known(&shown)));
        text.unwrap_or_else(|error| format!("# {error}\n"))
    }));
    let address = SocketAddr::new(args.host, args.port);
    let gateway = Gateway::bind(address, Arc::clone(&router), options).await.map_err(|error| {
        // The one mistake that is the command line's: an address that needs a key.
        let keyless = args.api_key_env.is_none() && !args.host.is_loopback();
        let failure = Failure::from(error);
        if keyless { failure.hint("name the variable with the key: --api-key-env NAME") } else { failure }
    })?;
    let url = format!("http://{}", gateway.address());
    let models: Vec<String> = models(&known(&apps));
    let simulated = plane.node().origin().simulated || args.simulated;
    context.show(&json!({ "url": &url, "models": &models, "simulated": simulated }), |_| {
        let marked = if simulated { " (simulated)" } else { "" };
        let models = if models.is_empty() { "nothing runs yet".to_owned() } else { models.join(", ") };
        format!("{url}/v1{marked}: {models}")
    })?;

    let mut before = models;
    let (told, mut news) = tokio::sync::mpsc::unbounded_channel();
    let follow = plane.follow(LOOK, |seen| {
        router.update(endpoints(seen));
        *apps.write().unwrap_or_else(PoisonError::into_inner) = seen.to_vec();
        // Whoever listens ends together with this.
        let _ = told.send(self::models(seen));
    });
    let mut follow = std::pin::pin!(follow);
    let interrupt = context.interrupt.clone();
    let wanted = wanted.map(|app| Wanted::new(app.clone())).transpose()?;
    let mut happening = plane.events().listen();
    let mut kept = std::pin::pin!(async {
        match &wanted {
            Some(wanted) => plane.keep(wanted).await,
            None => std::future::pending().await,
        }
    });
    loop {
        tokio::select! {
            () = &mut follow => {}
            ended = &mut kept => match ended? {},
            Some(event) = happening.next() => tell(&event, context),
            () = interrupt.wait() => break,
            Some(now) = news.recv() => {
                if now != before {
                    context.tell(format_args!("now: {}", now.join(", ")));
                    before = now;
                }
            }
        }
    }
    context.tell("stopping: requests in flight come to their end");
    gateway.shutdown().await?;
    if !args.simulated && !before.is_empty() {
        context.tell("the services run on; nacp down APP removes them");
    }
    Ok(if interrupt.is_polite() { Exit::Fine } else { Exit::Interrupted })
}

fn known(apps: &RwLock<Vec<AppStatus>>) -> Vec<AppStatus> {
    apps.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn endpoints(apps: &[AppStatus]) -> impl Iterator<Item = nacp_core::engine::Endpoint> {
    apps.iter().flat_map(AppStatus::endpoints)
}

/// What requests may ask for: the models, and the services that name none.
fn models(apps: &[AppStatus]) -> Vec<String> {
    let ready =
        apps.iter().flat_map(|app| app.replicas.iter().filter(|replica| replica.ready && replica.address.is_some()));
    let mut names: Vec<String> =
        ready.map(|replica| replica.model.clone().unwrap_or_else(|| replica.service.clone())).collect();
    names.sort();
    names.dedup();
    names
}

/// The key that clients must send. It comes from the environment, because everybody sees a command line.
fn key(name: &str) -> Outcome<String> {
    match std::env::var(name) {
        Ok(key) if !key.is_empty() => Ok(key),
        _ => Err(Failure::usage("no such variable of the environment holds a key").with("name", name)),
    }
}
