//! When an apply is over, and what its user reads when it failed.

use super::look::World;
use super::{Goal, Keeper};
use crate::control::memory::{Failed, Trouble};
use crate::control::observed::Observed;
use crate::control::plan::Turn;
use crate::error::{Error, ErrorKind, Result};

impl Keeper<'_> {
    /// Whether an apply is over, and how.
    pub(super) fn verdict(&mut self, goal: &Goal, world: &World, turn: &Turn) -> Option<Result<()>> {
        if !self.once {
            return None;
        }
        if let Some(error) = self.refusal.take().filter(|_| self.unplaced.is_some()) {
            return Some(Err(error));
        }
        let observed = Observed::of(&goal.app.name, &world.containers);
        for seen in observed.all().filter(|seen| goal.app.services.contains_key(&seen.service)) {
            let Some(known) = self.memory.of(seen) else { continue };
            let Some(trouble) = known.trouble.clone() else { continue };
            let wanted = goal.hashes.get(&seen.service).map(String::as_str);
            let told = known.ours || matches!(trouble, Trouble::Late(_));
            let rolled_back = self.memory.failed.contains_key(&seen.service);
            if told && seen.hash() == wanted && !rolled_back {
                let log = known.end.as_ref().map(|end| end.log.clone()).unwrap_or_default();
                let (hash, limit) = (wanted.unwrap_or_default().to_owned(), known.limit());
                let failed = Failed { hash, replica: seen.replica, trouble, limit, log };
                return Some(Err(failure(&goal.app.name, &seen.service, &failed)));
            }
        }
        let back = |name: &String| turn.services.get(name).is_some_and(|it| it.rolled_back && !it.updating);
        if let Some((service, failed)) = self.memory.failed.iter().find(|(name, _)| back(name))
            && turn.jobs.is_empty()
        {
            return Some(Err(failure(&goal.app.name, service, failed).with("rolled_back", true)));
        }
        turn.settled.then_some(Ok(()))
    }
}

/// The error that a user reads.
pub(super) fn failure(app: &str, service: &str, failed: &Failed) -> Error {
    let error = |kind, message: &str| {
        Error::new(kind, "control.apply", message)
            .with("app", app)
            .with("service", service)
            .with("replica", failed.replica)
    };
    let told = match &failed.trouble {
        Trouble::Ended(last) => {
            error(ErrorKind::ServiceFailed, "the replica ended before it was ready").with("last", quoted(last))
        }
        Trouble::Late(last) => error(ErrorKind::Timeout, "the replica is not ready in time")
            .with("within", format_args!("{:?}", failed.limit))
            .with("last", quoted(last)),
        Trouble::Missing(what) => {
            error(ErrorKind::ServiceFailed, "the engine did not give the replica what was asked for")
                .with("missing", quoted(what))
        }
        Trouble::Refused(kind, message) => {
            error(*kind, "the engine cannot start the replica").with("last", quoted(message))
        }
    };
    let told = match failed.log.is_empty() {
        true => told,
        false => told.with("log", quoted(&failed.log.join("\n"))),
    };
    told.hint("look at its log, mend the service and apply again")
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
