//! `nacp check`: does CUDA work here, how fast is it, and does it repeat.

use std::sync::Arc;

use nacp_core::cuda::check::{Isolation, Report, Verdict};
use nacp_core::cuda::{Check, CheckId, Progress};
use nacp_core::sim;
use serde_json::{Value, json};

use crate::Exit;
use crate::args::CheckArgs;
use crate::context::Context;
use crate::failure::Outcome;
use crate::table::table;

pub(crate) fn run(args: CheckArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("check")?;
    if args.list {
        return list(context);
    }
    let mut check = Check::new(args.level).devices(args.device);
    if !args.only.is_empty() {
        check = check.only(args.only);
    }
    match context.simulated()? {
        Some(file) => {
            check = check.telemetry(Arc::new(sim::Node::from(file.clone()))).driver(Arc::new(sim::Cuda::from(file)));
        }
        None if !args.thread => check = check.isolated(Isolation::Child(context.children.clone())),
        None => {}
    }
    if let Some(limit) = context.global.limit {
        check = check.limit(limit);
    }
    if let Some(library) = args.library {
        check = check.library(library);
    }
    if let Some(version) = args.cuda {
        check = check.wants_cuda(version);
    }
    context.interrupt.catch();
    let interrupt = context.interrupt.clone();
    let streams = &mut *context.streams;
    let report = check
        .even_if_busy(args.even_if_busy)
        .cancel_with(interrupt.flag())
        .on_progress(|progress| streams.progress(line(progress)))
        .run();
    context.streams.progress("");
    if interrupt.is_raised() {
        return Ok(Exit::Interrupted);
    }
    let text = |_: usize| format!("{report}\n{}", sum(&report));
    context.show_forms(&args.forms, &report.to_json(), text, || report.markdown(), || report.html())?;
    Ok(match report.verdict {
        Verdict::Pass | Verdict::Warn => Exit::Fine,
        Verdict::Fail => Exit::NotSo,
        _ => Exit::NotKnown,
    })
}

/// What is being done at this moment.
fn line(progress: &Progress) -> String {
    match progress {
        Progress::Started { id, device, done, total } => {
            let device = device.as_ref().map(|device| format!(" on {}", device.short())).unwrap_or_default();
            format!("{done:>3}/{total} {id}{device} …")
        }
        _ => String::new(),
    }
}

/// The last line, for those who read no more.
fn sum(report: &Report) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for word in report.checks.iter().map(|check| check.status.word()) {
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let simulated = if report.simulated { ", SIMULATED" } else { "" };
    format!("{}: {} in {:.2} s{simulated}", report.verdict, counts.join(", "), report.elapsed.as_secs_f64())
}

fn list(context: &mut Context<'_>) -> Outcome<Exit> {
    let checks: Vec<Value> = CheckId::ALL
        .iter()
        .map(|id| json!({ "id": id, "level": id.level().to_string(), "title": id.title() }))
        .collect();
    context.show(&json!({ "checks": checks }), |width| {
        let rows = CheckId::ALL.iter().map(|id| [id.to_string(), id.level().to_string(), id.title().to_owned()]);
        table(width, ["check", "level", "what"], 2, rows)
    })?;
    Ok(Exit::Fine)
}
