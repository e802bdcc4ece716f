//! The text of a lock: YAML with one fact a line, in an order that never changes, and reading it again.
//!
//! NACP writes it itself, so that a later version of a library that writes YAML does not touch every line of every lock.

use serde::Deserialize;
use serde_json::Value;

use super::{FORMAT, Lock};
use crate::error::{Error, ErrorKind, Result};
use crate::service::yaml::{self, Kind};

const HEAD: &str = "# What a reproducible run needs, pinned by NACP. Write it anew rather than by hand.\n";
/// The end of a document in YAML. A lock without it is the beginning of one.
const END: &str = "...";
/// The parts of a lock, in their order.
const PARTS: [&str; 10] =
    ["format", "made", "system", "driver", "toolkit", "engine", "gpus", "app", "services", "certificates"];
/// What comes first within a part; the rest follows by name.
const FIRST: [&str; 2] = ["name", "device"];
const OPERATION: &str = "host.lock.parse";
const LOCK: Kind = Kind { operation: OPERATION, name: "lock" };

impl Lock {
    /// It as the text of a file: YAML, one fact a line. Equal locks have equal texts.
    pub fn to_yaml(&self) -> String {
        let mut out = String::from(HEAD);
        if let Value::Object(fields) = serde_json::json!(self) {
            block(&mut out, &fields, 0);
        }
        out.push_str(END);
        out.push('\n');
        out
    }

    /// It as JSON.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Reads a lock from the text of a file, or from JSON.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for a form of a later version of NACP;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) with line and column for what is no lock, or only the beginning of
    /// one.
    pub fn parse(text: &str) -> Result<Self> {
        if text.trim_start().starts_with('{') {
            format_of(&serde_json::from_str(text).map_err(|error| of_json(&error))?)?;
            return serde_json::from_str(text).map_err(|error| of_json(&error));
        }
        whole(text)?;
        format_of(&serde_saphyr::from_str(text).map_err(|error| yaml::explain(LOCK, text, &error))?)?;
        serde_saphyr::from_str(text).map_err(|error| yaml::explain(LOCK, text, &error))
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, OPERATION, message)
}

fn of_json(error: &serde_json::Error) -> Error {
    refused("not a valid lock").with("line", error.line()).with("column", error.column()).with("reason", error)
}

/// What must be read before anything else: whether the rest can be.
#[derive(Deserialize)]
struct Form {
    format: Option<u64>,
}

fn format_of(form: &Form) -> Result<()> {
    match form.format {
        Some(format) if format == u64::from(FORMAT) => Ok(()),
        Some(format) if format > u64::from(FORMAT) => {
            Err(Error::new(ErrorKind::Unsupported, OPERATION, "a form of lock that this version does not know")
                .with("format", format)
                .with("known", FORMAT)
                .hint("use a newer version of NACP"))
        }
        Some(format) => Err(refused("no form of lock").with("format", format).with("known", FORMAT)),
        None => Err(refused("not a lock: it states no format").hint("write it with `nacp lock`")),
    }
}

/// Refuses the beginning of a lock, and two that a merge left side by side.
fn whole(text: &str) -> Result<()> {
    let conflict = text.lines().position(|line| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>"));
    if let Some(line) = conflict {
        return Err(refused("two locks side by side")
            .with("line", line + 1)
            .hint("take one of them, or write it anew"));
    }
    if text.trim_end().lines().last() == Some(END) {
        return Ok(());
    }
    // What is no lock at all is told as that.
    if !text.lines().any(|line| line.starts_with("format:")) {
        return format_of(&Form { format: None });
    }
    let line = text.lines().count();
    Err(refused("the lock ends too early").with("line", line).hint("its last line is `...`; write it anew"))
}

fn block(out: &mut String, fields: &serde_json::Map<String, Value>, indent: usize) {
    let order = if indent == 0 { &PARTS[..] } else { &FIRST };
    let rank = |name: &str| order.iter().position(|first| *first == name).unwrap_or(order.len());
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| (rank(name), *name));
    for (index, (name, value)) in fields.into_iter().enumerate() {
        // The first field of an item stands on the line of its dash.
        if index > 0 || !out.ends_with("- ") {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(&scalar(name));
        out.push(':');
        below(out, value, indent);
    }
}

/// What stands behind a name.
fn below(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if fields.is_empty() => out.push_str(" {}\n"),
        Value::Object(fields) => match (fields.len(), fields.get("unknown").and_then(Value::as_str)) {
            (1, Some(why)) => out.push_str(&format!(" {{ unknown: {} }}\n", quoted(why))),
            _ => {
                out.push('\n');
                block(out, fields, indent + 2);
            }
        },
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Array(items) => {
            out.push('\n');
            for item in items {
                out.extend(std::iter::repeat_n(' ', indent + 2));
                out.push_str("- ");
                match item {
                    Value::Object(fields) if !fields.is_empty() => block(out, fields, indent + 4),
                    Value::String(text) => out.push_str(&format!("{}\n", scalar(text))),
                    other => out.push_str(&format!("{other}\n")),
                }
            }
        }
        Value::String(text) => out.push_str(&format!(" {}\n", scalar(text))),
        other => out.push_str(&format!(" {other}\n")),
    }
}

/// Text as it is where nobody can take it for anything else, else in quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._/:@+-".contains(&byte))
        && !text.contains(": ")
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// Text in quotes: as in JSON, with what YAML does not allow in a file as a number.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter if letter.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
