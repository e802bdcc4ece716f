//! The distribution, and who starts its services.

use super::{Given, Put};
use crate::host::Seen;
use crate::host::root::Root;
use crate::host::survey::System;

pub(super) fn read(given: &Given) -> Put {
    let system = system(&given.root);
    Box::new(move |survey| survey.system = system)
}

fn system(root: &Root) -> System {
    let release = match root.text("/etc/os-release") {
        Seen::Absent => root.text("/usr/lib/os-release"),
        text => text,
    };
    let like = release.found().and_then(|text| value(text, "ID_LIKE")).unwrap_or_default();
    System {
        distribution: release.then(|text| value(&text, "ID").ok_or_else(|| "it does not tell an ID".into())),
        like: like.split_whitespace().map(str::to_owned).collect(),
        systemd: match root.presence("/run/systemd/system") {
            Seen::Found(()) => Seen::Found(true),
            Seen::Absent => Seen::Found(false),
            other => other.map(|()| false),
        },
    }
}

/// A value in lines of `NAME=value`, with or without quotes.
fn value(text: &str, name: &str) -> Option<String> {
    let written = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(written.trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_quotes_or_none() {
        let text = "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID='22'\nEMPTY=\n";
        assert_eq!(value(text, "ID").as_deref(), Some("linuxmint"));
        assert_eq!(value(text, "ID_LIKE").as_deref(), Some("ubuntu debian"));
        assert_eq!(value(text, "VERSION_ID").as_deref(), Some("22"));
        assert_eq!((value(text, "EMPTY"), value(text, "I"), value("", "ID")), (None, None, None));
    }
}
