//! `nacp explain`: from the text of an error to what it means here.

use nacp_core::Error;
use nacp_core::ErrorKind;
use nacp_core::host::Doctor;
use nacp_core::host::doctor::{Explanation, FindingId};

use crate::Exit;
use crate::args::ExplainArgs;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// More than any log that somebody pastes; the library reads the end of it.
const MOST: u64 = 16 << 20;

pub(crate) fn run(args: &ExplainArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    let text = text(args, context)?;
    context.streams.progress("reading the machine …");
    let doctor = Doctor::of(context.survey()?.read());
    context.streams.progress("");
    let explanation = match entry(&text)? {
        Some(id) => doctor.explain_entry(id),
        None => doctor.explain(&text),
    };
    let (shown, markdown, html) =
        (|width| format!("{explanation:width$}"), || explanation.markdown(), || explanation.html());
    context.show_forms(&args.forms, &explanation.to_json(), shown, markdown, html)?;
    Ok(exit(&explanation))
}

fn exit(explanation: &Explanation) -> Exit {
    if explanation.matches.is_empty() && explanation.numbers.is_empty() { Exit::NotSo } else { Exit::Fine }
}

/// The text: the words of the command line, or what comes through a pipe.
fn text(args: &ExplainArgs, context: &mut Context<'_>) -> Outcome<String> {
    if !args.text.is_empty() {
        return Ok(args.text.join(" "));
    }
    if context.streams.terminal().input {
        return Err(Failure::usage("no text to explain")
            .hint("give it as an argument, or through a pipe: docker run … 2>&1 | nacp explain"));
    }
    context.streams.read(MOST).map_err(|cause| {
        let error = Error::new(ErrorKind::Unsupported, "cli.input", "the standard input cannot be read");
        error.with("reason", &cause).caused_by(cause).into()
    })
}

/// The entry of the catalogue that is meant, where the text is nothing but its name.
fn entry(text: &str) -> Outcome<Option<FindingId>> {
    let name = text.trim();
    let digits = name.strip_prefix(['D', 'd']).unwrap_or_default();
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|error: Error| Failure::from(error).ending(Exit::NotUnderstood))
}
