//! What is wrong with a file, in the words of its author.

use serde_saphyr::Error as YamlError;

use super::place;
use crate::error::{Error, ErrorKind, nearest};

/// What a file holds, for the messages about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The operation that reads it.
    pub(crate) operation: &'static str,
    /// What it is called, such as `app`.
    pub(crate) name: &'static str,
}

/// The error of the parser with line, column, the field's path, and what was most likely meant.
pub(crate) fn explain(kind: Kind, text: &str, error: &YamlError) -> Error {
    let at = error.location().map(|at| (at.line(), at.column()));
    // Of a value that has several forms the parser tells where its key is.
    let forms = matches!(original(error), YamlError::SerdeInvalidType { .. } | YamlError::SerdeUnknownVariant { .. });
    let of_key = at.filter(|_| forms).and_then(|(line, column)| place::field(text, line, column));
    let (path, at) = match of_key {
        Some((path, at)) => (Some(path), Some(at)),
        None => (at.and_then(|(line, column)| place::path(text, line, column)), at),
    };
    let invalid = |message: &str| {
        let described = Error::new(ErrorKind::InvalidArgument, kind.operation, message);
        match at {
            Some((line, column)) => described.with("line", line).with("column", column),
            None => described,
        }
    };
    let inner = |field: &str| match &path {
        Some(path) => format!("{path}.{field}"),
        None => field.to_owned(),
    };
    match original(error) {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let described = invalid("unknown field").with("field", inner(field));
            match nearest(field, expected.iter().copied()) {
                Some(near) => described.hint(format!("did you mean {near}?")),
                None => described.hint(format!("the fields here are {}", expected.join(", "))),
            }
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            let described = path.iter().fold(invalid("unknown value"), |described, path| described.with("field", path));
            let described = described.with("value", variant);
            match nearest(variant, expected.iter().copied()) {
                Some(near) => described.hint(format!("did you mean {near}?")),
                None => described.hint(format!("choose one of {}", expected.join(", "))),
            }
        }
        YamlError::SerdeMissingField { field, .. } => {
            invalid("a field is missing").with("field", inner(field)).hint(format!("add `{field}`"))
        }
        YamlError::DuplicateMappingKey { key, .. } => {
            let described = invalid("a field is there twice").hint("remove one of them");
            match key {
                Some(key) => described.with("field", inner(key)),
                None => described,
            }
        }
        YamlError::MultipleDocuments { .. } => {
            invalid("a second document begins here").hint(format!("write one {} in a file", kind.name))
        }
        other => {
            let described = invalid(&format!("not a valid {}", kind.name));
            let described = path.iter().fold(described, |described, path| described.with("field", path));
            described.with("reason", plain(other))
        }
    }
}

/// The error itself, without what the parser wraps around it for printing.
fn original(error: &YamlError) -> &YamlError {
    match error.without_snippet() {
        YamlError::AliasError { error, .. } => original(error),
        other => other,
    }
}

/// The reason in words of the file's author; the parser's own speak of Rust's types and of its options.
fn plain(error: &YamlError) -> String {
    match error {
        YamlError::Eof { .. } => "the text ends too early".into(),
        YamlError::NullIntoString { .. } => "text is needed, and nothing is there".into(),
        YamlError::Unexpected { expected: "string scalar", .. } => "a single value is needed".into(),
        YamlError::Unexpected { expected: "mapping start", .. } => {
            "fields are needed, each with its name and its value".into()
        }
        YamlError::Unexpected { expected: "sequence start", .. } => "a list is needed, for example [one, two]".into(),
        YamlError::InvalidScalar { ty, .. } => match *ty {
            "u16" => whole_number(u16::MIN, u16::MAX),
            "u32" => whole_number(u32::MIN, u32::MAX),
            "i32" => whole_number(i32::MIN, i32::MAX),
            _ => "another kind of value is needed".into(),
        },
        YamlError::SerdeInvalidType { unexpected, expected, .. } => {
            let given = match unexpected.as_str() {
                "unit value" => "nothing",
                "sequence" => "a list",
                "map" => "fields",
                other => other,
            };
            format!("{expected} is needed, not {given}")
        }
        YamlError::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => "a single word is needed".into(),
        YamlError::Budget { .. }
        | YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => "nested too deeply, or repeated too often".into(),
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let first = text.lines().next().unwrap_or_default();
            first.split(" at line ").next().unwrap_or(first).to_owned()
        }
    }
}

fn whole_number<T: std::fmt::Display>(least: T, most: T) -> String {
    format!("a whole number from {least} to {most} is needed")
}
