//! How a failure is mended.

use serde::{Deserialize, Serialize};

/// How a failure is mended on the layers where a machine stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Remedy {
    /// What to do, in one sentence.
    pub summary: String,
    /// The commands that do it, in order. None of them is run by NACP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// What else to know: what it interrupts, what to do where it does not help.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Other ways to mend it, the better ones first. Each is enough by itself: they are no further steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Remedy>,
}

/// One command of a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The command line, as it is typed.
    pub line: String,
    /// Where it is typed: `here`, `windows`, `host` (the machine on which the containers' daemon runs, outside of this
    /// container), `container`.
    pub place: String,
}

impl Remedy {
    /// What to do, without a command yet.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// The same with a command that is typed on this machine.
    #[must_use]
    pub fn run(self, line: impl Into<String>) -> Self {
        self.at("here", line)
    }

    /// The same with a command that is typed on Windows.
    #[must_use]
    pub fn on_windows(self, line: impl Into<String>) -> Self {
        self.at("windows", line)
    }

    /// The same with a command that is typed on the machine on which the containers' daemon runs: outside of this
    /// container, or where a remote daemon is.
    #[must_use]
    pub fn on_host(self, line: impl Into<String>) -> Self {
        self.at("host", line)
    }

    /// The same with a command that is typed in the container, or stands in the recipe of its image.
    #[must_use]
    pub fn in_container(self, line: impl Into<String>) -> Self {
        self.at("container", line)
    }

    /// The same with what else to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The same with another way, which is enough by itself.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.alternatives.push(other);
        self
    }

    fn at(mut self, place: &str, line: impl Into<String>) -> Self {
        self.commands.push(Command { line: line.into(), place: place.into() });
        self
    }
}
