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

    /// What to do about a failure of before: nothing, until it comes back.
    pub(super) fn again() -> Self {
        Self::new("start the container again, or remove it").note(
            "Nothing has to be mended as far as this machine shows. If it fails again, its error is a new one and will be \
             found as such.",
        )
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

/// A word of a shell's line (POSIX) that means this text and nothing else; none where there is no such word that can be
/// typed: a text with control characters, one that would be read as an option, and no text.
pub(super) fn quoted(text: &str) -> Option<String> {
    if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
        return None;
    }
    // What a shell makes of a `~` is meant.
    let (home, rest) = text.strip_prefix("~/").map_or(("", text), |rest| ("~/", rest));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if rest.bytes().all(plain) {
        return Some(text.to_owned());
    }
    Some(format!("{home}'{}'", rest.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_a_shell_would_read_otherwise_is_quoted() {
        for (text, word) in [
            ("/etc/cdi/nvidia.yaml", "/etc/cdi/nvidia.yaml"),
            ("llm-1_a.b", "llm-1_a.b"),
            ("/etc/cdi/a b.yaml", "'/etc/cdi/a b.yaml'"),
            ("/etc/cdi/x;reboot.yaml", "'/etc/cdi/x;reboot.yaml'"),
            ("/etc/cdi/$(reboot).yaml", "'/etc/cdi/$(reboot).yaml'"),
            ("it's", "'it'\\''s'"),
            ("~/.config/cdi/a.yaml", "~/.config/cdi/a.yaml"),
            ("~/a b", "~/'a b'"),
            ("a~b", "'a~b'"),
        ] {
            assert_eq!(quoted(text).as_deref(), Some(word));
        }
    }

    #[test]
    fn what_cannot_be_typed_as_one_word_is_no_word() {
        for text in ["", "a\nreboot", "a\rb", "\u{1b}[2J", "-rf", "--output"] {
            assert_eq!(quoted(text), None, "{text:?}");
        }
    }

    proptest! {
        #[cfg(unix)]
        #[test]
        fn a_shell_reads_a_word_as_the_text_that_it_was(text in "[ -~é]{1,20}") {
            if let Some(word) = quoted(&text).filter(|_| !text.starts_with("~/")) {
                let read = std::process::Command::new("sh").args(["-c", &format!("printf %s {word}")]).output();
                let read = read.expect("a shell");
                prop_assert_eq!(String::from_utf8(read.stdout).unwrap_or_default(), text);
            }
        }
    }
}
