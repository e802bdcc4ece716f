//! What the child says, one JSON object a line.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Report, Step};
use crate::error::{Error, ErrorKind, Retry};

/// How each line of a probe begins. Anything else on the child's output is not for the guard.
const MARK: &str = "{\"nacp_probe\":";
/// The version of these lines.
const VERSION: u32 = 1;

/// One line; of `begin`, `report` and `failed` it has one.
#[derive(Serialize, Deserialize)]
struct Line {
    nacp_probe: u32,
    /// The step that is about to begin: where the child is when it is not heard of again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<Box<Report>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<Failure>,
}

/// What a line says.
pub(super) enum Message {
    Begin(Step),
    Report(Box<Report>),
    Failed(Error),
}

impl Message {
    /// Writes the line. It begins on a line of its own, whatever the program has printed before.
    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Line { nacp_probe: VERSION, begin: None, report: None, failed: None };
        match self {
            Self::Begin(step) => line.begin = Some(step),
            Self::Report(report) => line.report = Some(report),
            Self::Failed(error) => line.failed = Some(Failure::from(&error)),
        }
        let json = serde_json::to_string(&line)?;
        writeln!(out, "\n{json}")?;
        out.flush()
    }

    /// Reads a line of a child; nothing where it is none of a probe.
    pub(super) fn read(text: &str) -> Option<Result<Self, String>> {
        text.starts_with(MARK).then(|| Self::parse(text))
    }

    /// Reads a line that begins with [`MARK`]; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match line {
            Line { nacp_probe, .. } if nacp_probe != VERSION => Err(format!("version {nacp_probe}, not {VERSION}")),
            Line { begin: Some(step), .. } => Ok(Self::Begin(step)),
            Line { report: Some(report), .. } => Ok(Self::Report(report)),
            Line { failed: Some(failure), .. } => Ok(Self::Failed(failure.into())),
            _ => Err("it says nothing".to_owned()),
        }
    }
}

/// An [`Error`] on its way to another process.
#[derive(Serialize, Deserialize)]
struct Failure {
    kind: i32,
    operation: String,
    message: String,
    hint: Option<String>,
    later: bool,
    context: Vec<(String, String)>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().code(),
            operation: error.operation().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint_text().map(str::to_owned),
            later: error.retry() == Retry::Later,
            context: error.context().iter().map(|(key, value)| (key.clone().into_owned(), value.clone())).collect(),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = ErrorKind::from_code(failure.kind).unwrap_or(ErrorKind::Internal);
        let mut error = Self::new(kind, failure.operation, failure.message);
        for (key, value) in failure.context {
            error = error.with(key, value);
        }
        if let Some(hint) = failure.hint {
            error = error.hint(hint);
        }
        if failure.later { error.retry_later() } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: Message) -> String {
        let mut out = Vec::new();
        message.write(&mut out).unwrap();
        String::from_utf8(out).unwrap().trim().to_owned()
    }

    #[test]
    fn an_error_arrives_as_it_was() {
        let error = Error::new(ErrorKind::DriverUnavailable, "gpu.open", "no driver")
            .with("library", "libnvidia-ml.so.1")
            .with("cause", "absent")
            .hint("install it")
            .retry_later();
        let text = format!("{error:?}");
        let line = sent(Message::Failed(error));
        assert!(line.starts_with(MARK), "{line}");
        let Ok(Message::Failed(arrived)) = Message::parse(&line) else { panic!("{line}") };
        assert_eq!(format!("{arrived:?}"), text);
        assert_eq!(arrived.get("cause"), Some("absent"));
    }

    #[test]
    fn a_line_of_another_version_says_which() {
        let wrong = |text: &str| Message::parse(text).err().unwrap();
        assert_eq!(wrong("{\"nacp_probe\":2,\"begin\":\"open\"}"), "version 2, not 1");
        assert_eq!(wrong("{\"nacp_probe\":1}"), "it says nothing");
        assert!(wrong("{\"nacp_probe\":1,\"begin\":\"dance\"}").contains("unknown variant `dance`"));
    }
}
