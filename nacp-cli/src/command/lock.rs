//! `nacp lock`: writes down what a reproducible run needs.

use std::path::Path;

use nacp_core::clock::{Clock, SystemClock};
use nacp_core::cuda::check::Isolation;
use nacp_core::cuda::{Check, CheckId, Level};
use nacp_core::host::lock::{Lock, Written};
use nacp_core::service::App;
use serde_json::json;
use std::sync::Arc;

use super::run::app;
use crate::Exit;
use crate::args::LockArgs;
use crate::context::Context;
use crate::failure::Outcome;

/// The app that is locked unless another is named.
const APP: &str = "nacp.yaml";

pub(crate) fn run(args: &LockArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    let lock = of_now(wanted(args.file.as_deref())?.as_ref(), args.certify, context)?;
    let written = lock.write(&args.output)?;
    let completeness = lock.completeness();
    let path = args.output.display().to_string();
    context.show(
        &json!({ "path": &path, "written": written, "completeness": &completeness, "lock": &lock }),
        |_| {
            let done = match written {
                Written::Created => "written",
                Written::Replaced => "written anew",
                Written::Unchanged => "left as it is: it pins the same",
            };
            format!("{path}: {done}\n{completeness}")
        },
    )?;
    Ok(Exit::Fine)
}

/// The app whose services count: the one that is named, or the one that lies here.
pub(super) fn wanted(file: Option<&Path>) -> Outcome<Option<App>> {
    match file {
        Some(file) => app(file).map(Some),
        None if Path::new(APP).is_file() => app(Path::new(APP)).map(Some),
        None => Ok(None),
    }
}

/// A lock of what is here now.
pub(super) fn of_now(app: Option<&App>, certify: bool, context: &mut Context<'_>) -> Outcome<Lock> {
    context.streams.progress("reading the machine …");
    let survey = context.survey()?.read();
    let mut lock = Lock::of(&survey, SystemClock::new().wall());
    if let Some(app) = app {
        lock = lock.app(app);
        if let Some(daemon) = survey.daemon() {
            lock = lock.images(&context.root()?, &daemon.endpoint);
        }
    }
    if certify {
        context.not_in_a_folder("--certify")?;
        for certificate in &certificates(context)? {
            lock = lock.certificate(certificate)?;
        }
    }
    context.streams.progress("");
    Ok(lock)
}

/// What the GPUs compute.
fn certificates(context: &mut Context<'_>) -> Outcome<Vec<nacp_core::cuda::determinism::Certificate>> {
    context.streams.progress("the GPUs compute …");
    let mut check = Check::new(Level::Standard).only([CheckId::DetBits, CheckId::DetRepeat]);
    check = match context.simulated()? {
        None => check.isolated(Isolation::Child(context.children.clone())),
        Some(file) => check
            .telemetry(Arc::new(nacp_core::sim::Node::from(file.clone())))
            .driver(Arc::new(nacp_core::sim::Cuda::from(file))),
    };
    if let Some(limit) = context.global.limit {
        check = check.limit(limit);
    }
    let report = check.run();
    match report.error() {
        Some(error) => Err(error.into()),
        None => Ok(report.certificates),
    }
}
