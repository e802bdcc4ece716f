//! What a daemon says of itself, picked from its JSON. Pure.

use serde_json::Value;

use super::DaemonInfo;
use crate::host::Seen;

/// More names of one kind than this are cut: nobody reads them, and a daemon could send any number.
const MOST: usize = 512;

/// Picks from `GET /version` and `GET /info` what is used; the reason of the first that has none where neither has an
/// answer. With it comes what tells the daemon and its machine from others, which is not kept.
pub(super) fn read(version: Seen<String>, info: Seen<String>) -> (Seen<DaemonInfo>, Identity) {
    let (version, info) = (object(version, "/version"), object(info, "/info"));
    let incomplete = match (&version, &info) {
        (Seen::Found(_), Seen::Found(_)) => None,
        (Seen::Found(_), other) => Some(("/info", other)),
        (other, Seen::Found(_)) => Some(("/version", other)),
        _ => return (version.map(|_| DaemonInfo::default()), Identity::default()),
    };
    let incomplete =
        incomplete.map(|(path, seen)| format!("GET {path}: {}", seen.open().unwrap_or("nothing is there")));
    let (version, info) = (version.found().cloned().unwrap_or_default(), info.found().cloned().unwrap_or_default());
    let identity = Identity {
        id: text(&info["ID"]),
        name: text(&info["Name"]),
        memory: info["MemTotal"].as_u64().filter(|bytes| *bytes > 0),
        processors: info["NCPU"].as_u64().filter(|count| *count > 0),
    };
    (Seen::Found(DaemonInfo { incomplete, ..picked(&version, &info) }), identity)
}

/// What tells a daemon and its machine from others. It is compared and forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// The number that the daemon gave itself.
    pub(super) id: Option<String>,
    /// The name of its machine.
    pub(super) name: Option<String>,
    /// The memory of its machine, in bytes.
    pub(super) memory: Option<u64>,
    /// How many processors it may use.
    pub(super) processors: Option<u64>,
}

fn object(answer: Seen<String>, path: &str) -> Seen<Value> {
    match answer {
        Seen::Found(text) => match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => Seen::Found(value),
            _ => Seen::Unreadable(format!("what answers to GET {path} there is no container daemon")),
        },
        other => other.map(|_| Value::Null),
    }
}

fn picked(version: &Value, info: &Value) -> DaemonInfo {
    let platform = text(&version["Platform"]["Name"]);
    let components = version["Components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let podman = components.iter().find(|part| part["Name"] == "Podman Engine");
    let operating_system = text(&info["OperatingSystem"]);
    let hostname = text(&info["Name"]).filter(|name| name == "docker-desktop");
    let desktop = platform.as_deref().is_some_and(|name| name.starts_with("Docker Desktop"))
        || operating_system.as_deref() == Some("Docker Desktop")
        || hostname.is_some();
    let name = match podman {
        Some(_) => "Podman",
        None if desktop => "Docker Desktop",
        None => "Docker Engine",
    };
    let own = podman.and_then(|part| text(&part["Version"]));
    let number = own.or_else(|| text(&version["Version"])).or_else(|| text(&info["ServerVersion"]));
    DaemonInfo {
        name: name.into(),
        version: number.unwrap_or_default(),
        platform,
        api: text(&version["ApiVersion"]),
        min_api: text(&version["MinAPIVersion"]),
        podman: podman.is_some(),
        operating_system,
        kernel: text(&info["KernelVersion"]).or_else(|| text(&version["KernelVersion"])),
        os_type: text(&info["OSType"]).or_else(|| text(&version["Os"])),
        hostname,
        cgroup_driver: text(&info["CgroupDriver"]),
        cgroup_version: text(&info["CgroupVersion"]),
        security: texts(&info["SecurityOptions"]).unwrap_or_default(),
        runtimes: names(&info["Runtimes"]),
        default_runtime: text(&info["DefaultRuntime"]),
        cdi_spec_dirs: texts(&info["CDISpecDirs"]),
        cdi_devices: devices(&info["DiscoveredDevices"]),
        root_dir: text(&info["DockerRootDir"]).map(|path| crate::host::facts::without_homes(&path)),
        live_restore: info["LiveRestoreEnabled"].as_bool(),
        incomplete: None,
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    Some(value.as_array()?.iter().filter_map(text).take(MOST).collect())
}

fn names(value: &Value) -> Vec<String> {
    value.as_object().map(|members| members.keys().take(MOST).cloned().collect()).unwrap_or_default()
}

/// The devices that came by CDI: `[{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]`.
fn devices(value: &Value) -> Option<Vec<String>> {
    let by_cdi = |device: &&Value| device["Source"].as_str().is_none_or(|source| source == "cdi");
    Some(value.as_array()?.iter().filter(by_cdi).filter_map(|device| text(&device["ID"])).take(MOST).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(version: &str, info: &str) -> DaemonInfo {
        let (info, _) = read(Seen::Found(version.into()), Seen::Found(info.into()));
        info.found().cloned().unwrap()
    }

    #[test]
    fn who_answers_is_told_by_its_parts() {
        let podman = r#"{"Components": [{"Name": "Podman Engine", "Version": "5.4.0"}], "Version": "5.4.0", "ApiVersion": "1.41"}"#;
        let desktop = r#"{"Platform": {"Name": "Docker Desktop 4.37.1 (178610)"}, "Version": "27.4.0"}"#;
        for (version, info, name, number) in [
            (r#"{"Version": "26.1.5+dfsg1"}"#, "{}", "Docker Engine", "26.1.5+dfsg1"),
            (podman, r#"{"OperatingSystem": "fedora"}"#, "Podman", "5.4.0"),
            (desktop, "{}", "Docker Desktop", "27.4.0"),
            (
                "{}",
                r#"{"OperatingSystem": "Docker Desktop", "ServerVersion": "20.10.24"}"#,
                "Docker Desktop",
                "20.10.24",
            ),
            ("{}", r#"{"Name": "docker-desktop"}"#, "Docker Desktop", ""),
        ] {
            let info = of(version, info);
            assert_eq!((info.name.as_str(), info.version.as_str()), (name, number), "{version}");
            assert_eq!(info.podman, name == "Podman");
        }
    }

    #[test]
    fn what_is_not_said_stays_unknown_and_what_is_empty_is_empty() {
        let silent = of("{}", "{}");
        assert_eq!((silent.cdi_spec_dirs, silent.cdi_devices, silent.api, silent.kernel), (None, None, None, None));
        let off = of("{}", r#"{"CDISpecDirs": [], "DiscoveredDevices": null}"#);
        assert_eq!((off.cdi_spec_dirs, off.cdi_devices), (Some(Vec::new()), None));
        let on = of(
            "{}",
            r#"{"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}, {"Source": "x", "ID": "y"}]}"#,
        );
        assert_eq!(on.cdi_devices, Some(vec!["nvidia.com/gpu=0".into()]));
    }

    #[test]
    fn what_identifies_a_machine_is_not_kept() {
        let info = r#"{"ID": "AAAA:BBBB", "Name": "ada-laptop", "HttpProxy": "http://user:secret@proxy", "Labels": ["team=x"],
            "RegistryConfig": {"Mirrors": ["https://mirror.internal"]}, "DockerRootDir": "/home/ada/.local/share/docker"}"#;
        let (found, id) = read(Seen::Found("{}".into()), Seen::Found(info.into()));
        let kept = serde_json::to_string(&found).unwrap();
        for own in ["AAAA", "ada", "secret", "team", "mirror"] {
            assert!(!kept.contains(own), "{own} is kept: {kept}");
        }
        assert_eq!(id.id.as_deref(), Some("AAAA:BBBB"));
        assert_eq!(found.found().unwrap().root_dir.as_deref(), Some("/home/…/.local/share/docker"));
    }

    #[test]
    fn half_an_answer_says_what_is_missing() {
        let (half, _) = read(Seen::Found(r#"{"Version": "28.2.2"}"#.into()), Seen::Unreadable("it hangs".into()));
        let half = half.found().unwrap();
        assert_eq!((half.version.as_str(), half.incomplete.as_deref()), ("28.2.2", Some("GET /info: it hangs")));
        let (none, _) = read(Seen::Unreadable("it hangs".into()), Seen::Absent);
        assert_eq!(none, Seen::Unreadable("it hangs".into()));
        let (other, _) = read(Seen::Found("<html>".into()), Seen::Found("[]".into()));
        assert_eq!(other, Seen::Unreadable("what answers to GET /version there is no container daemon".into()));
    }

    proptest! {
        #[test]
        fn nothing_panics_on_garbage(version in ".{0,80}", info in any::<Vec<u8>>()) {
            let info = String::from_utf8_lossy(&info).into_owned();
            let _ = read(Seen::Found(version), Seen::Found(info));
        }

        #[test]
        fn fields_of_other_kinds_are_unknown(name in "(Platform|Components|Version|SecurityOptions|Runtimes|CDISpecDirs|DiscoveredDevices|Name|ID)", value in "(1|null|\"x\"|\\[1,null\\]|\\{\"Name\":\\[\\]\\}|true)") {
            let answer = format!("{{\"{name}\": {value}}}");
            let (found, _) = read(Seen::Found(answer.clone()), Seen::Found(answer));
            prop_assert!(found.found().is_some());
        }
    }
}
