//! What a survey does not tell: whose machine it is.

use serde_json::Value;

use super::Survey;
use crate::host::Host;

/// What stands before a user's name in a path.
const HOMES: [&str; 4] = ["/home/", "/Users/", "\\Users\\", "\\\\Users\\\\"];
/// What begins a path of a user that is nobody's name.
const NOBODY: [&str; 3] = ["Public", "Default", "…"];

/// The same with the names of users in paths left out, wherever they stand: in endpoints, in messages, in logs.
pub(super) fn without_names(survey: Survey, home: Option<&str>) -> Survey {
    let home = home.filter(|home| home.len() > 1 && *home != "/root");
    let changed = serde_json::to_value(&survey).and_then(|mut value| {
        walk(&mut value, &|text| discreet(text, home));
        serde_json::from_value(value)
    });
    // Every survey can be written and read again; of one that could not, nothing is told but the layers, which have no
    // names.
    changed.unwrap_or_else(|_| Survey::of_host(Host { daemons: Vec::new(), ..survey.host }))
}

fn walk(value: &mut Value, change: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(changed) = change(text) {
                *text = changed;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| walk(value, change)),
        Value::Object(all) => all.values_mut().for_each(|value| walk(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text without names, where it has any.
fn discreet(text: &str, home: Option<&str>) -> Option<String> {
    let mut changed = home.filter(|home| text.contains(home)).map(|home| without_home(text, home));
    for mark in HOMES {
        let text = changed.as_deref().unwrap_or(text);
        if text.contains(mark) {
            changed = Some(without(text, mark));
        }
    }
    changed.filter(|changed| changed != text)
}

/// The text with `~` for the home, where it is not the beginning of another name.
fn without_home(text: &str, home: &str) -> String {
    let goes_on = |after: &str| after.starts_with(|next: char| next.is_alphanumeric() || matches!(next, '_' | '-'));
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(home) {
        kept.push_str(before);
        kept.push_str(if goes_on(after) { home } else { "~" });
        rest = after;
    }
    kept + rest
}

/// How long the name is with which a text begins that follows `mark`. Names of Windows may have blanks: one goes on to
/// the next part of the path, and where none follows, as far as it may.
fn name_of(text: &str, mark: &str) -> usize {
    const ENDS: [char; 10] = ['/', '\\', ':', ';', '"', ',', '\n', '<', '>', '|'];
    let quote = |at: usize| !text[at + 1..].starts_with(char::is_alphanumeric);
    let end = text.char_indices().find(|(at, it)| ENDS.contains(it) || (*it == '\'' && quote(*at)));
    let end = end.map_or(text.len(), |(at, _)| at);
    let name = &text[..end];
    if mark == "/home/" {
        return name.find([' ', '\'']).unwrap_or(end);
    }
    // A path that follows after a blank is another one.
    name.trim_end().len()
}

fn without(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        kept.push_str(before);
        kept.push_str(mark);
        let end = name_of(after, mark);
        let name = &after[..end];
        kept.push_str(if name.is_empty() || NOBODY.contains(&name) { name } else { "…" });
        rest = &after[end..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_users_are_left_out_of_paths() {
        for (text, kept) in [
            ("unix:///home/ada/.docker/desktop/docker.sock", "unix:///home/…/.docker/desktop/docker.sock"),
            ("/lib:/home/ada/lib:/home/bob", "/lib:/home/…/lib:/home/…"),
            ("C:\\Users\\ada\\kernel", "C:\\Users\\…\\kernel"),
            ("kernel=C:\\\\Users\\\\ada\\\\kernel", "kernel=C:\\\\Users\\\\…\\\\kernel"),
            ("/mnt/c/Users/ada/x and /mnt/c/Users/Public", "/mnt/c/Users/…/x and /mnt/c/Users/Public"),
            (r"C:\Users\Ada Lovelace\x", r"C:\Users\…\x"),
            (r"C:\\Users\\Ada Lovelace\\x", r"C:\\Users\\…\\x"),
            (r"C:\Users\Ada Lovelace", r"C:\Users\…"),
            (r"C:\Users\Ada O'Brien\x", r"C:\Users\…\x"),
            (r"'C:\Users\Ada Lovelace' is not there", r"'C:\Users\…' is not there"),
            ("/mnt/c/Users/Ada Lovelace/x:/usr/lib", "/mnt/c/Users/…/x:/usr/lib"),
            ("/mnt/c/Users/Ada Lovelace /usr/lib", "/mnt/c/Users/… /usr/lib"),
            ("no space left in /home/ada of this machine", "no space left in /home/… of this machine"),
        ] {
            assert_eq!(discreet(text, None).as_deref(), Some(kept));
        }
        assert_eq!(discreet("/data/ada/lib", Some("/data/ada")).as_deref(), Some("~/lib"));
        assert_eq!(discreet("/usr/lib", Some("/data/ada")), None);
        assert_eq!(discreet("/data/adam/lib", Some("/data/ada")), None);
        let both = discreet("/data/adam:/data/ada:/data/ada.", Some("/data/ada"));
        assert_eq!(both.as_deref(), Some("/data/adam:~:~."));
        assert_eq!(discreet("/home/…/x", None), None);
    }

    proptest! {
        #[test]
        fn no_name_is_left_whatever_stands_around_it(before in "[^/\\\\]*", after in "(/\\PC*)?") {
            let kept = discreet(&format!("{before}/home/ada{after}"), None).unwrap();
            let start = format!("{before}/home/…");
            prop_assert!(kept.starts_with(&start));
        }
    }
}
