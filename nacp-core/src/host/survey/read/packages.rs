//! The package database, and the services of systemd.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Given, Put};
use crate::host::Seen;
use crate::host::root::Root;

/// The most that is read of the package database, in bytes: a large desktop has 10 MiB.
const MOST: u64 = 64 << 20;
/// How long systemd may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Services that GPUs depend on.
const UNITS: [&str; 5] = [
    "nvidia-cdi-refresh.service",
    "nvidia-fabricmanager.service",
    "nvidia-persistenced.service",
    "docker.service",
    "podman.service",
];

/// NVIDIA's packages that dpkg lists as installed.
pub(super) fn read(root: &Root) -> Seen<BTreeMap<String, String>> {
    root.text_within("/var/lib/dpkg/status", MOST).map(|text| installed(&text))
}

/// The version of the toolkit's package, without the distribution's part.
pub(super) fn toolkit(packages: &BTreeMap<String, String>) -> Option<String> {
    let version = packages.get("nvidia-container-toolkit-base").or_else(|| packages.get("nvidia-container-toolkit"))?;
    let version = version.rsplit_once(':').map_or(version.as_str(), |(_, version)| version);
    Some(version.split(['-', '~']).next().unwrap_or(version).to_owned())
}

/// Whether a package is NVIDIA's: its drivers, its toolkit, its fabric manager, its forward compatibility.
fn is_nvidia(name: &str) -> bool {
    name.contains("nvidia") || name.starts_with("cuda-compat") || name.starts_with("cuda-drivers")
}

/// The packages in the form of `/var/lib/dpkg/status`: paragraphs of `Field: value`.
fn installed(text: &str) -> BTreeMap<String, String> {
    let paragraphs = text.split("\n\n").filter_map(|paragraph| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let name = field("Package:").filter(|name| is_nvidia(name))?;
        let is_installed = field("Status:")?.split_whitespace().last() == Some("installed");
        is_installed.then_some((name.to_owned(), field("Version:")?.to_owned()))
    });
    paragraphs.collect()
}

/// How the services stand, where systemd runs.
pub(super) fn units(given: &Given) -> Put {
    if !given.root.exists("/run/systemd/system") {
        return Box::new(|survey| survey.toolkit.refresh_unit = Seen::Absent);
    }
    // One after the other would take their times together.
    let states = std::thread::scope(|scope| {
        let asked: Vec<_> = UNITS.iter().map(|unit| scope.spawn(move || state(given, unit))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    Box::new(move |survey| {
        survey.toolkit.refresh_unit = states.first().cloned().unwrap_or_default();
        let found =
            UNITS.iter().zip(&states).filter_map(|(unit, state)| Some(((*unit).to_owned(), state.found()?.clone())));
        survey.units = found.collect();
    })
}

fn state(given: &Given, unit: &str) -> Seen<String> {
    let outcome = given.run("systemctl", &["show", "--property=LoadState,ActiveState,Result", unit], LIMIT);
    match outcome.then(|outcome| active(&outcome.output)) {
        Seen::Found(Some(state)) => Seen::Found(state),
        Seen::Found(None) => Seen::Absent,
        other => other.map(|_| String::new()),
    }
}

/// The state in lines of `Property=value`; nothing for a unit that systemd does not find.
fn active(text: &str) -> Result<Option<String>, String> {
    let property = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    match (property("LoadState"), property("ActiveState")) {
        (Some("not-found"), _) => Ok(None),
        (Some(_), Some(state)) => Ok(Some(state.to_owned())),
        _ => Err(format!("systemctl says something else: {}", text.lines().next().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_installed_packages_of_nvidia_count() {
        let text = "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n\
            Package: nvidia-container-toolkit-base\nStatus: install ok installed\nVersion: 1:1.18.0~rc.2-1\nDescription: x\n more\n\n\
            Package: nvidia-driver-550\nStatus: deinstall ok config-files\nVersion: 550.1\n\n\
            Package: cuda-compat-13-0\nStatus: install ok installed\nVersion: 580.95.05-1\n";
        let found = installed(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["cuda-compat-13-0", "nvidia-container-toolkit-base"]);
        assert_eq!(toolkit(&found).as_deref(), Some("1.18.0"));
        assert_eq!(installed("Package: nvidia\n"), BTreeMap::new());
    }

    #[test]
    fn a_unit_that_is_not_there_is_told_from_one_that_rests() {
        assert_eq!(active("LoadState=loaded\nActiveState=failed\nResult=exit-code"), Ok(Some("failed".into())));
        assert_eq!(active("LoadState=not-found\nActiveState=inactive"), Ok(None));
        assert!(active("System has not been booted with systemd").is_err());
        assert!(active("").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(Package: nvidia\\n)?(Status: |Version: |LoadState=)?(\\PC|\\n)*") {
            installed(&text);
            let _ = active(&text);
        }
    }
}
