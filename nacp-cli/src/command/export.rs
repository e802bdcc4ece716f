//! `nacp export`: an app in the form of another tool.

use nacp_core::service::compose;

use super::run::app;
use crate::Exit;
use crate::args::{ExportArgs, ExportTo};
use crate::context::{Context, write};
use crate::failure::Outcome;

pub(crate) fn run(args: &ExportArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    context.not_in_a_folder("export")?;
    let ExportTo::Compose(args) = &args.to;
    let exported = compose::export(&app(&args.file)?)?;
    if let Some(out) = &args.out {
        write(out, &exported.text)?;
    }
    if !context.global.json {
        exported.notes.iter().for_each(|note| context.tell(note));
    }
    match (&args.out, context.global.json) {
        (Some(out), false) => context.tell(format_args!("written: {}", out.display())),
        _ => context.show(&exported, |_| exported.text.clone())?,
    }
    Ok(Exit::Fine)
}
