//! Text forms of Compose: commands, sizes, times.

use std::time::Duration;

use super::tree::{Node, Value};
use super::wrong::Wrong;
use crate::error::Result;
use crate::units::Bytes;

/// Splits a command as a shell does: blanks separate, quotes and backslashes hold together. No variables, no pipes.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            '\n' => {}
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => match letters.next()? {
                '\n' => {}
                other => word.get_or_insert_default().push(other),
            },
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// A command or an entrypoint: a list as it stands, a text split as a shell does.
pub(super) fn command(node: &Node) -> Result<Vec<String>> {
    match &node.value {
        Value::List(items) => items.iter().map(Node::text).collect(),
        Value::Null => Ok(Vec::new()),
        _ => {
            let text = node.text()?;
            split(&text).ok_or_else(|| {
                node.wrong("a quote or a backslash is left open").hint("close it, or write the command as a list")
            })
        }
    }
}

/// A size: a number with `b`, `k`, `m`, `g` or `t` (also `kb`, `kib`), each 1024 times the one before.
pub(super) fn size(node: &Node) -> Result<Bytes> {
    let text = node.text()?;
    let wrong = || {
        let error = node.wrong("not a size").with("value", format_args!("{text:?}"));
        error.hint("write for example 512m or 2gb")
    };
    let trimmed = text.trim().to_lowercase();
    let digits = trimmed.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(trimmed.len());
    let unit = match trimmed[digits..].trim() {
        "" | "b" => "B",
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        "t" | "tb" | "tib" => "TiB",
        _ => return Err(wrong()),
    };
    format!("{}{unit}", &trimmed[..digits]).parse().map_err(|_| wrong())
}

/// A size as Compose reads it exactly.
pub(super) fn size_text(size: Bytes) -> String {
    for (unit, bytes) in [("g", 1u64 << 30), ("m", 1 << 20), ("k", 1 << 10)] {
        if size.0 != 0 && size.0.is_multiple_of(bytes) {
            return format!("{}{unit}", size.0 / bytes);
        }
    }
    format!("{}b", size.0)
}

const TIMES: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("m", 60_000_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("s", 1_000_000_000),
];

/// A time such as `1m30s`, `500ms` or `1.5s`; a bare number counts microseconds in Compose and is refused here.
pub(super) fn time(node: &Node) -> Result<Duration> {
    let text = node.text()?;
    parse_time(&text).ok_or_else(|| {
        let error = node.wrong("not a time").with("value", format_args!("{text:?}"));
        error.hint("write a number and a unit, for example 30s or 1m30s")
    })
}

fn parse_time(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut sum: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(digits);
        let (unit, each) = TIMES.iter().find(|(unit, _)| after.starts_with(unit))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.len() > 9 || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
        let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let scaled = digits(whole)?.checked_mul(scale)?.checked_add(digits(fraction)?)?;
        sum = sum.checked_add(scaled.checked_mul(*each)? / scale)?;
        rest = &after[unit.len()..];
    }
    Some(Duration::from_nanos(u64::try_from(sum).ok()?))
}

/// A time as Compose reads it exactly.
pub(super) fn time_text(time: Duration) -> String {
    let nanos = time.as_nanos();
    for (unit, each) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if nanos.is_multiple_of(each) {
            return format!("{}{unit}", nanos / each);
        }
    }
    format!("{nanos}ns")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::compose::tree;

    #[test]
    fn a_command_is_split_as_a_shell_does_it() {
        for (text, words) in [
            ("serve --port 80", vec!["serve", "--port", "80"]),
            ("a 'b c' \"d \\\"e\\\" \\x\" f\\ g", vec!["a", "b c", "d \"e\" \\x", "f g"]),
            ("--json='{\"a\": 1}'", vec!["--json={\"a\": 1}"]),
            ("  a\n\\\n b '' ", vec!["a", "b", ""]),
            ("", vec![]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
        for open in ["a 'b", "a \"b", "a\\", "\"\\"] {
            assert_eq!(split(open), None, "{open}");
        }
    }

    #[test]
    fn sizes_are_binary_as_in_compose() {
        let of = |text: &str| size(tree::read(&format!("a: '{text}'")).unwrap().get("a").unwrap());
        for (text, bytes) in [("64m", 64 << 20), ("2gb", 2 << 30), ("1.5G", 3 << 29), ("512", 512), ("1 kib", 1024)] {
            assert_eq!(of(text).unwrap(), Bytes(bytes), "{text}");
        }
        for wrong in ["", "m", "1q", "-1m", "1.2.3g"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        for bytes in [0, 1, 1023, 1024, 3 << 20, (3 << 20) + 1, 7 << 30, u64::MAX] {
            assert_eq!(of(&size_text(Bytes(bytes))).unwrap(), Bytes(bytes));
        }
    }

    #[test]
    fn times_add_up_and_come_back() {
        for (text, nanos) in [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            ("2h", 7_200_000_000_000),
            ("500ms", 500_000_000),
            ("0", 0),
            ("3us", 3_000),
        ] {
            assert_eq!(parse_time(text), Some(Duration::from_nanos(nanos)), "{text}");
            assert_eq!(parse_time(&time_text(Duration::from_nanos(nanos))), Some(Duration::from_nanos(nanos)));
        }
        for wrong in ["", "30", "s", "1x", "1m30", "-1s", "1..5s", "99999999999999h"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }
}
