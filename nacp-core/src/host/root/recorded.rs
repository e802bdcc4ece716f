//! What programs and daemons of a machine in a folder have answered.

use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::program::Ended;
use crate::host::Seen;

/// What was recorded of a command line: a file of its name, whose first line says how it ended (`exit 0`, `signal 11`,
/// `timeout`, or `absent` where there is no such program), and then what it wrote.
pub(super) fn run(folder: &Path, program: &str, args: &[&str]) -> Seen<Ended> {
    let line = [&[program], args].concat().join(" ").replace('/', "%2F");
    let bytes = match fs::read(folder.join("answers/run").join(line)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Seen::NotAsked,
        Err(error) => return Seen::Unreadable(error.to_string()),
    };
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let stdout = bytes.get(first + 1..).unwrap_or_default().to_vec();
    let head = String::from_utf8_lossy(&bytes[..first]);
    let (code, signal) = match head.split_whitespace().collect::<Vec<_>>()[..] {
        ["absent"] => return Seen::Absent,
        ["exit", code] => (code.parse().ok(), None),
        ["signal", signal] => (None, signal.parse().ok()),
        ["timeout"] => (None, None),
        _ => return Seen::Unreadable(format!("the recording begins with {head:?}, not with how the program ended")),
    };
    Seen::Found(Ended { code, signal, stdout, stderr: Vec::new() })
}

/// The recorded daemons: the address and the folder of each.
pub(super) fn daemons(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder.join("answers/daemons")) else { return Vec::new() };
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let known = folders.into_iter().filter_map(|folder| {
        let endpoint = fs::read_to_string(folder.join("endpoint")).ok()?;
        Some((endpoint.trim().to_owned(), folder))
    });
    known.collect()
}

/// What the daemon in this folder answered to `GET path`.
pub(super) fn ask(daemon: &Path, path: &str) -> Seen<Vec<u8>> {
    if let Ok(error) = fs::read_to_string(daemon.join("error")) {
        return Seen::Unreadable(error.trim().to_owned());
    }
    let path = path.split('?').next().unwrap_or_default();
    match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        ["version"] => read(&daemon.join("version.json")),
        ["info"] => read(&daemon.join("info.json")),
        ["containers", "json"] => containers(daemon).map(|all| {
            let listed: Vec<_> = all.iter().map(in_list).collect();
            Value::from(listed).to_string().into_bytes()
        }),
        ["containers", name, "json"] => match one(daemon, name) {
            Seen::Found(container) => Seen::Found(container.to_string().into_bytes()),
            other => other.map(|_| Vec::new()),
        },
        ["containers", name, "logs"] => match one(daemon, name) {
            Seen::Found(container) => {
                let name = container["Name"].as_str().unwrap_or_default().trim_start_matches('/');
                read(&daemon.join("logs").join(name))
            }
            other => other.map(|_| Vec::new()),
        },
        ["images", ref name @ .., "json"] => image(daemon, &name.join("/")),
        _ => Seen::NotAsked,
    }
}

fn read(path: &Path) -> Seen<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => Seen::Found(bytes),
        Err(error) if error.kind() == IoErrorKind::NotFound => Seen::NotAsked,
        Err(error) => Seen::Unreadable(error.to_string()),
    }
}

fn containers(daemon: &Path) -> Seen<Vec<Value>> {
    match read(&daemon.join("containers.json")) {
        Seen::Found(bytes) => match serde_json::from_slice(&bytes) {
            Ok(all) => Seen::Found(all),
            Err(error) => Seen::Unreadable(format!("containers.json: {error}")),
        },
        other => other.map(|_| Vec::new()),
    }
}

fn one(daemon: &Path, name: &str) -> Seen<Value> {
    let is = |container: &Value| {
        container["Id"] == name || container["Name"].as_str().map(|known| known.trim_start_matches('/')) == Some(name)
    };
    match containers(daemon) {
        Seen::Found(all) => match all.into_iter().find(is) {
            Some(container) => Seen::Found(container),
            None => Seen::Unreadable(format!("the daemon answers 404: No such container: {name}")),
        },
        other => other.map(|_| Value::Null),
    }
}

/// What was recorded of an image: `images.json` has the answer for each name.
fn image(daemon: &Path, name: &str) -> Seen<Vec<u8>> {
    let all = match read(&daemon.join("images.json")) {
        Seen::Found(bytes) => serde_json::from_slice::<Value>(&bytes).map_err(|error| format!("images.json: {error}")),
        other => return other,
    };
    match all {
        Ok(all) => match all.get(name) {
            Some(answer) => Seen::Found(answer.to_string().into_bytes()),
            None => Seen::Unreadable(format!("the daemon answers 404: No such image: {name}")),
        },
        Err(error) => Seen::Unreadable(error),
    }
}

/// A container as the list of all of them shows it.
fn in_list(container: &Value) -> Value {
    let id = container.get("Id").unwrap_or(&container["Name"]);
    json!({
        "Id": id,
        "Names": [container["Name"]],
        "Image": container["Config"]["Image"],
        "ImageID": container["Image"],
        "State": container["State"]["Status"],
        "Labels": container["Config"]["Labels"],
    })
}
