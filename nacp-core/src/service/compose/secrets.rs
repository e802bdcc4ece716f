//! Secrets of a service.

use super::app::State;
use super::mounts;
use super::tree::{Node, Value};
use super::wrong::{NoteKind, Wrong};
use crate::error::{Result, nearest};
use crate::service::{Secret, Service};

/// Where containers find their secrets.
const FOLDER: &str = "/run/secrets/";

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(listed) = node.get("secrets") else { return Ok(()) };
    for item in listed.items()? {
        let (source, mut target) = match &item.value {
            Value::Map(_) => {
                let owner = "the file belongs to the user that the container runs as";
                state.rest(item, &["source", "target"], &[("uid", owner), ("gid", owner), ("mode", owner)])?;
                let source = item.get("source").ok_or_else(|| item.wrong("a source is needed"))?.text()?;
                let target = item.get("target").map(Node::text).transpose()?.unwrap_or_else(|| source.clone());
                (source, target)
            }
            _ => (item.text()?, item.text()?),
        };
        if let Some(name) = target.strip_prefix(FOLDER) {
            target = name.to_owned();
        } else if target.contains('/') {
            state.note(NoteKind::Changed, item, format!("the secret is at {FOLDER}{source}, not at {target}"));
            target.clone_from(&source);
        }
        let Some(declared) = state.secrets.get(&source).cloned() else {
            let error = item.wrong("no such secret in this file").with("value", &source);
            return Err(match nearest(&source, state.secrets.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("declare it under `secrets` at the top"),
            });
        };
        let secret = match (declared.get("file"), declared.get("environment")) {
            (Some(file), _) => Secret::File(mounts::absolute(state, file, &file.text()?)?),
            (None, Some(variable)) => Secret::Env(variable.text()?),
            (None, None) => {
                let error = declared.wrong("a secret that lies elsewhere cannot be imported");
                return Err(error.hint("write `file` or `environment` for where its value is"));
            }
        };
        service.secrets.insert(target, secret);
    }
    Ok(())
}
