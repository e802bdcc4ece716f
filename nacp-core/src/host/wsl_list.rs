//! The distributions that Windows Subsystem for Linux has, as Windows sees them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Root, Seen};

/// A distribution of Windows Subsystem for Linux.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WslDistribution {
    /// Its name, such as `Ubuntu-24.04` or `docker-desktop`.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// 1 or 2.
    pub version: u32,
    /// Whether it is the one that `wsl` starts unless it is told.
    pub default: bool,
}

/// The distributions by `wsl.exe -l -v`, which may take its time: a machine without any offers to install one. Nobody
/// looks elsewhere than on Windows.
pub(super) fn distributions(root: &Root, limit: Duration) -> Seen<Vec<WslDistribution>> {
    if root.os() != Some("windows") {
        return Seen::NotAsked;
    }
    match root.run_raw("wsl.exe", &["-l", "-v"], limit) {
        Seen::Found(ended) if ended.code == Some(0) => Seen::Found(parse(&text(&ended.stdout))),
        Seen::Found(ended) => match text(&ended.stdout).trim() {
            "" => Seen::Unreadable("wsl.exe -l -v says nothing".into()),
            said => Seen::Unreadable(format!("wsl.exe -l -v says: {}", said.chars().take(200).collect::<String>())),
        },
        other => other.map(|_| Vec::new()),
    }
}

/// It writes UTF-16, with or without a mark at its beginning, unless the variable `WSL_UTF8` is set.
fn text(bytes: &[u8]) -> String {
    let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.get(1) == Some(&0);
    if !wide {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned()
}

/// Lines of `NAME STATE VERSION`, the default with an asterisk. The heading, which is in the language of the system, has no
/// number at its end. A state in another language than English is told apart by nothing else, so it counts as not running.
fn parse(text: &str) -> Vec<WslDistribution> {
    let lines = text.lines().filter_map(|line| {
        let (default, rest) = match line.trim_start().strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [name, .., version] = words[..] else { return None };
        let version = version.parse().ok().filter(|version| matches!(version, 1 | 2))?;
        Some(WslDistribution { name: name.into(), running: words[1] == "Running", version, default })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = "  NAME                   STATE           VERSION\r\n* Ubuntu-24.04           Running         2\r\n  docker-desktop         Stopped         2\r\n  old                    Stopped         1\r\n";

    fn wide(text: &str, mark: bool) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn the_list_is_read_in_each_of_its_spellings() {
        for bytes in [wide(LIST, false), wide(LIST, true), LIST.as_bytes().to_vec()] {
            let found = parse(&text(&bytes));
            let short: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.running, it.version, it.default)).collect();
            let expected =
                [("Ubuntu-24.04", true, 2, true), ("docker-desktop", false, 2, false), ("old", false, 1, false)];
            assert_eq!(short, expected);
        }
    }

    #[test]
    fn headings_and_advice_are_no_distributions() {
        let german = "  NAME      STATUS      VERSION\r\n* Debian    Wird ausgeführt    2\r\n";
        assert_eq!(parse(german).len(), 1);
        assert_eq!(parse("There are no distributions. Run: wsl --install\r\n"), []);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn a_machine_in_a_folder_answers_what_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("answers/run")).unwrap();
        std::fs::write(at("answers/os"), "windows").unwrap();
        let limit = Duration::from_secs(1);
        let of = || distributions(&Root::open(folder.path()).unwrap(), limit);
        assert_eq!(of(), Seen::NotAsked);
        std::fs::write(at("answers/run/wsl.exe -l -v"), [b"exit 0\n".to_vec(), wide(LIST, false)].concat()).unwrap();
        assert_eq!(of().found().unwrap().len(), 3);
        std::fs::write(
            at("answers/run/wsl.exe -l -v"),
            [b"exit 1\n".to_vec(), wide("no distributions", false)].concat(),
        )
        .unwrap();
        assert_eq!(of(), Seen::Unreadable("wsl.exe -l -v says: no distributions".into()));
        std::fs::write(at("answers/os"), "linux").unwrap();
        assert_eq!(of(), Seen::NotAsked);
    }

    proptest! {
        #[test]
        fn nothing_panics_on_garbage(bytes in any::<Vec<u8>>()) {
            let _ = parse(&text(&bytes));
        }
    }
}
