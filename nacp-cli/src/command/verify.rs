//! `nacp verify`: what is not as the lock has it.

use nacp_core::host::Verification;
use nacp_core::host::lock::{Effect, Lock};

use super::lock::{of_now, wanted};
use crate::Exit;
use crate::args::VerifyArgs;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

pub(crate) fn run(args: &VerifyArgs, context: &mut Context<'_>) -> Outcome<Exit> {
    let lock = Lock::read(&args.lock).map_err(|error| Failure::from(error).ending(Exit::NotUnderstood))?;
    // Services are compared only with a lock that has them.
    let app = match lock.app {
        Some(_) => wanted(args.app.as_deref())?,
        None => None,
    };
    let certify = args.certify;
    let verification = lock.verify(&of_now(app.as_ref(), certify, context)?);
    let width = usize::from(context.streams.terminal().width);
    match (context.global.json, args.markdown) {
        (true, _) => context.streams.print(verification.to_json())?,
        (false, true) => context.streams.print(verification.markdown())?,
        (false, false) => context.streams.print(format!("{verification:width$}"))?,
    }
    Ok(exit(&verification, args.allow))
}

fn exit(verification: &Verification, allowed: Effect) -> Exit {
    if verification.drifts.iter().any(|drift| drift.effect > allowed) {
        Exit::NotSo
    } else if verification.holds(allowed) {
        Exit::Fine
    } else {
        Exit::NotKnown
    }
}
