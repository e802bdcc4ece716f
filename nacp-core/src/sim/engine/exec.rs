//! The programs that a made-up container has.

use super::World;
use super::held::{Held, environment};
use crate::engine::{ContainerId, ExecOutput, lies_in};
use crate::error::{Error, ErrorKind, Result};
use crate::service::RootAccess;

/// The folders that can be written where the root cannot.
const WRITABLE: [&str; 3] = ["/tmp", "/run", "/var/tmp"];

/// Runs one of `true`, `false` and `env`, or a tool of the simulated service's own program, which is at `/sim-service`:
/// `env`, `read PATH`, `write PATH TEXT` and `get URL`.
pub(super) fn run(world: &mut World, id: &ContainerId, command: &[String]) -> Result<ExecOutput> {
    let held = world.held("engine.exec", id)?;
    if !held.runs() {
        return Err(Error::new(ErrorKind::Conflict, "engine.exec", "the container does not run").with("container", id));
    }
    let words: Vec<_> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["true"] => Ok(ended(0, "")),
        ["false"] => Ok(ended(1, "")),
        ["env"] | ["/sim-service", "env"] => {
            let lines: Vec<_> =
                environment(&held.spec).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            Ok(ended(0, &lines.concat()))
        }
        ["/sim-service", "read", path] => Ok(read(held, path)),
        ["/sim-service", "write", path, text] => Ok(write(held, path, text)),
        ["/sim-service", "get", url] => Ok(get(world, id, url)),
        _ => Err(Error::new(ErrorKind::NotFound, "engine.exec", "the program is not in the container")
            .with("container", id)
            .with("program", words.first().copied().unwrap_or_default())
            .hint("the simulated engine has only `true`, `false` and `env`")),
    }
}

fn ended(code: i64, stdout: &str) -> ExecOutput {
    ExecOutput { code, stdout: stdout.to_owned(), stderr: String::new() }
}

fn failed(why: &str) -> ExecOutput {
    ExecOutput { code: 1, stdout: String::new(), stderr: format!("simulated: {why}\n") }
}

fn read(held: &Held, path: &str) -> ExecOutput {
    let put = held.spec.files.iter().find(|file| file.path == path);
    let put = put.map(|file| String::from_utf8_lossy(file.content.reveal()).into_owned());
    put.or_else(|| held.written.get(path).cloned()).map_or_else(|| failed("no such file"), |text| ended(0, &text))
}

fn write(held: &mut Held, path: &str, text: &str) -> ExecOutput {
    let mount = held.spec.mounts.iter().filter(|mount| lies_in(path, &mount.path)).max_by_key(|mount| mount.path.len());
    let can = match mount {
        Some(mount) => !mount.read_only,
        None => held.spec.root == RootAccess::Writable || WRITABLE.iter().any(|folder| lies_in(path, folder)),
    };
    if !can {
        return failed("read-only file system");
    }
    held.written.insert(path.to_owned(), text.to_owned());
    ended(0, "")
}

/// Whether a container of this alias or name runs in one of the networks of the one that asks.
fn get(world: &World, id: &ContainerId, url: &str) -> ExecOutput {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split([':', '/']).next()).unwrap_or_default();
    let Some(asking) = world.containers.get(id) else { return failed("no such container") };
    let named = |held: &&Held| held.spec.alias.as_deref() == Some(host) || held.spec.name == host;
    let together = |held: &&Held| !held.spec.networks.is_disjoint(&asking.spec.networks);
    match world.containers.values().find(|held| named(held) && together(held) && held.runs()) {
        Some(_) => ended(0, "HTTP/1.1 200 OK\n"),
        None => failed("no such host"),
    }
}
