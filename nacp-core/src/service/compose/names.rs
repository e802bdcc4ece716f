//! Names that NACP takes, made of those that Compose takes.

use std::collections::BTreeMap;

/// The longest name that an app, a service, a volume or a network may have.
const LIMIT: usize = 40;

/// The name in lower-case letters, digits and inner hyphens; nothing when none of it is left.
pub(super) fn plain(name: &str) -> Option<String> {
    let mut plain = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            plain.push(letter);
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    plain.truncate(LIMIT);
    let plain = plain.trim_end_matches('-');
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// A name that is not among those there, made of a path or of another name.
pub(super) fn free<T>(wanted: &str, taken: &BTreeMap<String, T>) -> String {
    let wanted = plain(wanted).unwrap_or_else(|| "mount".into());
    if !taken.contains_key(&wanted) {
        return wanted;
    }
    let cut = &wanted[..wanted.len().min(LIMIT - 5)];
    let mut numbered = (2..).map(|number: u32| format!("{}-{number}", cut.trim_end_matches('-')));
    numbered.find(|name| !taken.contains_key(name)).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_it_can() {
        for (name, expected) in [
            ("open_webui", "open-webui"),
            ("Open.WebUI", "open-webui"),
            ("__a__", "a"),
            ("/root/.cache/huggingface", "root-cache-huggingface"),
            ("ok-1", "ok-1"),
        ] {
            assert_eq!(plain(name).as_deref(), Some(expected));
        }
        assert_eq!(plain("__"), None);
        assert_eq!(plain(&format!("{}-{}", "a".repeat(39), "b")), Some("a".repeat(39)));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let taken: BTreeMap<String, ()> = [("data".into(), ()), ("data-2".into(), ())].into();
        assert_eq!(free("/data", &taken), "data-3");
        assert_eq!(free("/", &taken), "mount");
    }
}
