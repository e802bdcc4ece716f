//! `nacp status`: what runs.

use std::time::Duration;

use nacp_core::control::AppStatus;
use serde_json::{Value, json};

use super::run::{ask, onlooker, replicas};
use crate::Exit;
use crate::args::StatusArgs;
use crate::context::Context;
use crate::failure::Outcome;

/// How long the engine may take unless it is told.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &StatusArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("status")?;
    let apps = ask(context.limit_or(LIMIT), async {
        let plane = onlooker().await?;
        match &args.app {
            Some(app) => Ok(vec![plane.status(app).await?]),
            None => Ok(plane.statuses().await?),
        }
    })?;
    let documents: Vec<Value> = apps.iter().map(document).collect();
    context.show(&json!({ "apps": documents }), |width| match apps.iter().all(|app| app.replicas.is_empty()) {
        true => args.app.as_ref().map_or_else(|| "nothing runs".to_owned(), |app| format!("nothing of {app} is there")),
        false => replicas(&apps, width),
    })?;
    // Nothing at all is fine, unless an app was named.
    Ok(if apps.iter().all(AppStatus::ready) { Exit::Fine } else { Exit::NotSo })
}

/// An app as JSON.
fn document(app: &AppStatus) -> Value {
    json!({ "app": app.app, "ready": app.ready(), "replicas": app.replicas })
}
