//! What programs and daemons of a machine in a folder have answered.
//!
//! The folder may be a stranger's. Nothing that it says leads out of it, and nothing in it is read without a limit.

use std::path::Path;

use serde_json::{Value, json};

use super::files::{as_text, names_within, seen, within};
use super::program::Ended;
use crate::host::Seen;

/// What was recorded of a command line: a file of its name, whose first line says how it ended (`exit 0`, `signal 11`,
/// `timeout`, or `absent` where there is no such program), and then what it wrote.
pub(super) fn run(folder: &Path, program: &str, args: &[&str]) -> Seen<Ended> {
    let line = [&[program], args].concat().join(" ").replace('/', "%2F");
    let bytes = match read(folder, &["answers", "run", &line]) {
        Seen::Found(bytes) => bytes,
        other => return other.map(|_| Ended::default()),
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

/// A recorded answer, below the folder of the machine; nobody asked where there is none.
pub(super) fn read(folder: &Path, parts: &[&str]) -> Seen<Vec<u8>> {
    match seen(within(folder, parts)) {
        Seen::Absent => Seen::NotAsked,
        other => other,
    }
}

/// The recorded daemons: the address and the folder's name of each.
pub(super) fn daemons(folder: &Path) -> Vec<(String, String)> {
    let names = names_within(folder, &["answers", "daemons"]).unwrap_or_default();
    let known = names.into_iter().filter_map(|name| {
        let endpoint = as_text(within(folder, &["answers", "daemons", &name, "endpoint"]).ok()?);
        Some((endpoint.trim().to_owned(), name))
    });
    known.collect()
}

/// The answers of one daemon.
struct Answers<'a> {
    folder: &'a Path,
    daemon: &'a str,
}

/// What a daemon answered to `GET path`, by the name of its folder.
pub(super) fn ask(folder: &Path, daemon: &str, path: &str) -> Seen<Vec<u8>> {
    let answers = Answers { folder, daemon };
    match answers.file("error") {
        Seen::NotAsked => {}
        error => return error.then(|error| Err(as_text(error).trim().to_owned())),
    }
    let path = path.split('?').next().unwrap_or_default();
    match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        ["version"] => answers.file("version.json"),
        ["info"] => answers.file("info.json"),
        ["containers", "json"] => answers.containers().map(|all| {
            let listed: Vec<_> = all.iter().map(in_list).collect();
            Value::from(listed).to_string().into_bytes()
        }),
        ["containers", name, "json"] => answers.one(name).map(|container| container.to_string().into_bytes()),
        ["containers", name, "logs"] => match answers.one(name) {
            Seen::Found(container) => {
                let name = container["Name"].as_str().unwrap_or_default().trim_start_matches('/');
                read(folder, &["answers", "daemons", daemon, "logs", name])
            }
            other => other.map(|_| Vec::new()),
        },
        ["images", ref name @ .., "json"] => answers.image(&name.join("/")),
        _ => Seen::NotAsked,
    }
}

impl Answers<'_> {
    fn file(&self, name: &str) -> Seen<Vec<u8>> {
        read(self.folder, &["answers", "daemons", self.daemon, name])
    }

    fn containers(&self) -> Seen<Vec<Value>> {
        let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(|error| format!("containers.json: {error}"));
        self.file("containers.json").then(read)
    }

    fn one(&self, name: &str) -> Seen<Value> {
        let is = |container: &Value| {
            container["Id"] == name
                || container["Name"].as_str().map(|known| known.trim_start_matches('/')) == Some(name)
        };
        let missing = || format!("the daemon answers 404: No such container: {name}");
        self.containers().then(|all| all.into_iter().find(is).ok_or_else(missing))
    }

    /// What was recorded of an image: `images.json` has the answer for each name.
    fn image(&self, name: &str) -> Seen<Vec<u8>> {
        let read = |bytes: Vec<u8>| {
            let all: Value = serde_json::from_slice(&bytes).map_err(|error| format!("images.json: {error}"))?;
            let missing = || format!("the daemon answers 404: No such image: {name}");
            all.get(name).map(|answer| answer.to_string().into_bytes()).ok_or_else(missing)
        };
        self.file("images.json").then(read)
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
