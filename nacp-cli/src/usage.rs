//! What is said of a command line that was not understood: one line, with what was most likely meant.

use clap::error::{ContextKind, ContextValue, ErrorKind as ClapKind};

use crate::failure::Failure;

/// Help or the version, which are no failure.
pub(crate) fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ClapKind::DisplayHelp | ClapKind::DisplayVersion)
}

/// Whether there was no command at all: then help is what helps.
pub(crate) fn is_nothing(error: &clap::Error) -> bool {
    error.kind() == ClapKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// What is wrong with a command line.
pub(crate) fn failure(error: &clap::Error) -> Failure {
    if is_nothing(error) {
        return Failure::usage("no command").hint("see nacp --help");
    }
    let suggestion = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| words(error.get(kind)?));
    let hint = match suggestion {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("see {} --help", command(error)),
    };
    let message = message(error);
    // What a parser of ours says brings its own way to mend it.
    match message.contains("; ") {
        true => Failure::usage(message),
        false => Failure::usage(message).hint(hint),
    }
}

/// What clap says first, in one line.
fn message(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let said = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = said.lines().take_while(|line| !line.starts_with("Usage:") && !line.trim_start().starts_with("tip:"));
    lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("For more")).collect::<Vec<_>>().join(" ")
}

/// The command whose help helps.
fn command(error: &clap::Error) -> String {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let words = usage.trim_start_matches("Usage:").split_whitespace();
    let named: Vec<&str> =
        words.take_while(|word| word.chars().all(|letter| letter.is_ascii_lowercase())).take(2).collect();
    if named.is_empty() { "nacp".to_owned() } else { named.join(" ") }
}

fn words(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(word) => Some(word.clone()),
        ContextValue::Strings(words) => words.first().cloned(),
        _ => None,
    }
}
