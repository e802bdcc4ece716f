//! `nacp doctor`: what is broken, how it is known, and what mends it.

use nacp_core::host::doctor::{Severity, Verdict};
use nacp_core::host::{Diagnosis, Doctor};

use crate::Exit;
use crate::args::DoctorArgs;
use crate::context::Context;
use crate::failure::Outcome;

pub(crate) fn run(args: &DoctorArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    let survey = context.survey()?.nvidia_smi(args.thorough).cdi_generate(args.thorough);
    context.streams.progress("reading the machine …");
    let diagnosis = Doctor::of(survey.read()).diagnosis;
    context.streams.progress("");
    let (text, markdown, html) = (|width| format!("{diagnosis:width$}"), || diagnosis.markdown(), || diagnosis.html());
    context.show_forms(&args.forms, &diagnosis.to_json(), text, markdown, html)?;
    Ok(exit(&diagnosis, args.strict))
}

fn exit(diagnosis: &Diagnosis, strict: bool) -> Exit {
    match diagnosis.verdict() {
        Verdict::Broken => Exit::NotSo,
        _ if strict && diagnosis.worst() == Some(Severity::Risk) => Exit::NotSo,
        Verdict::Incomplete => Exit::NotKnown,
        _ => Exit::Fine,
    }
}
