//! Environment variables of a service.

use super::app::State;
use super::tree::{Node, Value};
use super::variables;
use super::wrong::{NoteKind, OPERATION, Wrong};
use crate::error::{Error, ErrorKind, Result};
use crate::service::Service;

/// Which GPUs the NVIDIA runtime shows; read by the GPU's part.
pub(super) const VISIBLE: &str = "NVIDIA_VISIBLE_DEVICES";
const CUDA_VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// Pairs written as a mapping or as a list of `NAME=value`, each with its place.
pub(super) fn pairs(node: &Node) -> Result<Vec<(String, Option<String>, &Node)>> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.present().map(Node::text).transpose()?, value)))
            .collect(),
        _ => node
            .items()?
            .iter()
            .map(|item| {
                let text = item.text()?;
                Ok(match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned()), item),
                    None => (text, None, item),
                })
            })
            .collect(),
    }
}

/// An error about a line of a file of variables.
pub(super) fn malformed(line: usize) -> Error {
    let error = Error::new(ErrorKind::InvalidArgument, OPERATION, "not a variable of the environment");
    error.with("line", line).hint("write NAME=value, each in its own line, and close quotes")
}

pub(super) fn read(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    files(state, node, service)?;
    let Some(environment) = node.get("environment") else { return Ok(()) };
    for (name, value, at) in pairs(environment)? {
        let value = match value {
            Some(value) => value,
            None => match state.variable(&name) {
                Some(value) => {
                    let message =
                        format!("the value that {name} has now stands in the app; if it is a secret, use `secrets`");
                    state.note(NoteKind::Changed, at, message);
                    value
                }
                None => {
                    state.note(NoteKind::Dropped, at, format!("{name} is not set here, and not in the container"));
                    service.env.remove(&name);
                    continue;
                }
            },
        };
        if name == CUDA_VISIBLE {
            state.note(NoteKind::Dropped, at, "nacp sets CUDA_VISIBLE_DEVICES from the GPUs that it chooses");
            continue;
        }
        // The GPU's part tells of it.
        if name != VISIBLE {
            service.env.insert(name, value);
        }
    }
    Ok(())
}

fn files(state: &mut State<'_>, node: &Node, service: &mut Service) -> Result<()> {
    let Some(listed) = node.get("env_file") else { return Ok(()) };
    let items = match &listed.value {
        Value::Map(_) => std::slice::from_ref(listed),
        _ => listed.items()?,
    };
    for item in items {
        let (path, required, raw) = match &item.value {
            Value::Map(_) => {
                state.rest(item, &["path", "required", "format"], &[])?;
                let path = item.get("path").ok_or_else(|| item.wrong("a path is needed"))?.text()?;
                let required = item.get("required").map(Node::flag).transpose()?.unwrap_or(true);
                let raw = item.get("format").map(Node::text).transpose()?.as_deref() == Some("raw");
                (path, required, raw)
            }
            _ => (item.text()?, true, false),
        };
        let Some(text) = state.file(&path) else {
            if required {
                let message = format!("the variables of {path} are not read; write them under `env` or `secrets`");
                state.note(NoteKind::Dropped, item, message);
            }
            continue;
        };
        let variables = variables::file(&text, raw).map_err(|line| malformed(line).with_first("file", &path))?;
        let mut names = Vec::new();
        for (name, value) in variables {
            if name == CUDA_VISIBLE || name == VISIBLE {
                state.note(NoteKind::Dropped, item, format!("nacp sets {name} from the GPUs that it chooses"));
                continue;
            }
            if let Some(value) = value.or_else(|| state.variable(&name)) {
                names.push(name.clone());
                service.env.insert(name, value);
            }
        }
        if !names.is_empty() {
            let message = format!(
                "the variables of {path} stand in the app now: {}; if one is a secret, use `secrets`",
                names.join(", ")
            );
            state.note(NoteKind::Changed, item, message);
        }
    }
    Ok(())
}
