//! When an apply is over, and what its user reads when it failed.

use super::look::World;
use super::{Goal, Keeper};
use crate::control::memory::{Failed, Known, Trouble};
use crate::control::observed::Observed;
use crate::control::plan::Turn;
use crate::error::{Error, ErrorKind, Result};
use crate::service::Service;

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
                let hint = goal.app.services.get(&seen.service).and_then(|service| hint_of(service, known));
                let failed = Failed { hash, replica: seen.replica, trouble, limit, log, hint };
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
    told.hint(failed.hint.unwrap_or("look at its log, mend the service and apply again"))
}

/// What would mend a replica that ended or is late, where it keeps no capabilities and its log tells that it lacks some.
pub(super) fn hint_of(service: &Service, known: &Known) -> Option<&'static str> {
    let own = matches!(known.trouble, Some(Trouble::Ended(_) | Trouble::Late(_)));
    let lines = known.end.as_ref().filter(|_| own && service.security.capabilities.is_empty())?;
    let small: Vec<_> = lines.lines.iter().map(|line| line.to_lowercase()).collect();
    let tells = |line: &&String, words: &[&str]| words.iter().any(|word| line.contains(word));
    let changes = ["chown", "setgid", "setuid", "gosu", "su-exec", "setpriv"];
    let refused = small.iter().filter(|line| line.contains("operation not permitted"));
    if refused.clone().any(|line| tells(&line, &changes)) {
        return Some(
            "its program changes owners or users, for which it keeps no capability: set `security: { capabilities: \
             [CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID] }`, or `user` to the one that it changes to",
        );
    }
    small.iter().any(|line| tells(&line, &["permission denied", "eacces", "errno 13"])).then_some(
        "its root keeps no capability, so that files of others are closed to it: set `security: { user: \"UID:GID\" }` \
         to their owner, or `security: { capabilities: [DAC_OVERRIDE] }`",
    )
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::memory::End;

    #[test]
    fn a_log_that_tells_of_missing_rights_names_the_setting_that_gives_them() {
        let hint = |line: &str, service: &Service, trouble| {
            let lines = vec![line.to_owned(), "bye".to_owned()];
            let end = Some(End { lines, ..End::default() });
            let mut known = Known::default();
            (known.end, known.trouble) = (end, Some(trouble));
            hint_of(service, &known)
        };
        let (mut service, ended) = (Service::new("i"), || Trouble::Ended("exited (1)".to_owned()));
        for (line, setting) in [
            ("PermissionError: [Errno 13] Permission denied: '/data'", Some("user: \"UID:GID\"")),
            ("Error: EACCES: open '/data/x'", Some("[DAC_OVERRIDE]")),
            ("chown: /data: Operation not permitted", Some("[CHOWN, DAC_OVERRIDE")),
            ("error: failed switching to \"redis\": gosu: Operation not permitted", Some("SETUID]")),
            ("mount: Operation not permitted", None),
            ("no such file", None),
        ] {
            let told = hint(line, &service, ended());
            assert_eq!(told.is_some(), setting.is_some(), "{line}: {told:?}");
            assert!(told.unwrap_or_default().contains(setting.unwrap_or_default()), "{line}: {told:?}");
        }
        let denied = "Permission denied";
        assert!(hint(denied, &service, Trouble::Late(String::new())).is_some());
        assert_eq!(hint(denied, &service, Trouble::Missing("a GPU".to_owned())), None);
        service.security.capabilities.insert("CHOWN".to_owned());
        assert_eq!(hint(denied, &service, ended()), None, "who keeps some knows of them");
    }
}
