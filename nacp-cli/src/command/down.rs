//! `nacp down`: removes what runs of an app.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::run::{app, ask, onlooker};
use crate::Exit;
use crate::args::DownArgs;
use crate::context::Context;
use crate::failure::Outcome;

/// How long stopping may take unless it is told: services have ten seconds each to end, all at once.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn run(args: &DownArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("down")?;
    let name = name(&args.app)?;
    let limit = context.limit_or(LIMIT);
    let removed = ask(limit, async { Ok(onlooker().await?.delete(&name).await?) })?;
    context.show(&json!({ "app": &name, "removed": removed }), |_| match removed {
        0 => format!("nothing of {name} was there"),
        1 => format!("{name}: 1 container removed; volumes stay"),
        more => format!("{name}: {more} containers removed; volumes stay"),
    })?;
    Ok(Exit::Fine)
}

/// The name of the app: given as such, or by the file that describes it.
fn name(given: &str) -> Outcome<String> {
    let path = Path::new(given);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match path.is_file() || matches!(extension, Some("yaml" | "yml" | "json")) {
        true => Ok(app(path)?.name),
        false => Ok(given.to_owned()),
    }
}
