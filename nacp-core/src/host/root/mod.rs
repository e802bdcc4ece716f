//! The reading side: what is known of a machine, of this one or of one that was laid down in a folder.

mod files;
mod memory;
mod program;
mod recorded;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use self::memory::memory;
pub use self::program::CommandOutcome;

use super::Seen;
use super::daemon::ask;
use crate::error::{Error, ErrorKind, Result};

/// The machine to look at: this one, or one that was laid down in a folder.
///
/// A folder is laid out like the root of a machine (`proc/…`, `sys/…`, `dev/…`). What is no file of a machine stands in
/// three more places of it: `env` has its environment, a line `NAME=value` for each variable, `answers/os` the operating
/// system that a program there knows, and `answers` what programs and daemons there have answered. On a folder nothing
/// is executed and no daemon is asked.
#[derive(Clone, Debug)]
pub struct Root {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    This,
    Folder { folder: PathBuf, environment: BTreeMap<String, String>, os: Option<String> },
}

impl Root {
    /// This machine, as this process sees it.
    pub fn system() -> Self {
        Self { place: Place::This }
    }

    /// A folder laid out like the root of a machine, with the environment of a process there. The operating system is
    /// known only by its files.
    pub fn at(folder: impl Into<PathBuf>, environment: BTreeMap<String, String>) -> Self {
        Self { place: Place::Folder { folder: folder.into(), environment, os: None } }
    }

    /// A machine in a folder, with the environment in its file `env` and the operating system in `answers/os`, where
    /// they are there.
    ///
    /// The folder may be a stranger's: links that lead out of it lead to its own root, only regular files are read, and
    /// none without a limit.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) where there is no such folder, and
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) where one of the two files is there and cannot be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        if !folder.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, "host.root", "there is no such folder")
                .with("folder", folder.display())
                .hint("name a folder that is laid out like the root of a machine, with proc, sys and dev in it"));
        }
        let read = |parts: &[&str]| match recorded::read(&folder, parts) {
            Seen::Found(bytes) => Ok(Some(files::as_text(bytes))),
            Seen::Unreadable(why) => {
                let what = format!("the folder's {} cannot be read: {why}", parts.join("/"));
                Err(Error::new(ErrorKind::InvalidArgument, "host.root", what).with("folder", folder.display()))
            }
            Seen::Absent | Seen::NotAsked => Ok(None),
        };
        let environment = read(&["env"])?.unwrap_or_default();
        let variables = environment.lines().filter_map(|line| line.split_once('='));
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let os = read(&["answers", "os"])?.map(|os| os.trim().to_owned());
        Ok(Self { place: Place::Folder { folder, environment, os } })
    }

    /// Whether it is the machine on which this process runs, and no folder.
    pub fn is_this_machine(&self) -> bool {
        matches!(self.place, Place::This)
    }

    /// The operating system, where the program itself knows it: `linux`, `windows`, `macos`.
    pub(crate) fn os(&self) -> Option<&str> {
        match &self.place {
            Place::This => Some(std::env::consts::OS),
            Place::Folder { os, .. } => os.as_deref(),
        }
    }

    /// A variable of the environment; none where it is not set. What is no Unicode in it is replaced.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match &self.place {
            Place::This => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
            Place::Folder { environment, .. } => environment.get(name).cloned(),
        }
    }

    /// The variables whose names `keep` accepts.
    pub(crate) fn variables(&self, keep: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
        match &self.place {
            Place::This => std::env::vars_os()
                .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
                .filter(|(name, _)| keep(name))
                .collect(),
            Place::Folder { environment, .. } => {
                let kept = environment.iter().filter(|(name, _)| keep(name));
                kept.map(|(name, value)| (name.clone(), value.clone())).collect()
            }
        }
    }

    /// How a program ended that was started with these arguments and waited for until `limit`, and what it wrote. It is
    /// searched for in the search path unless it is a path, and no shell is used. Absent where there is no such program.
    /// On a folder it is what was recorded of that command line, and nobody looked where nothing was.
    pub(crate) fn run(&self, program: &str, args: &[&str], limit: Duration) -> Seen<CommandOutcome> {
        self.run_raw(program, args, limit).map(CommandOutcome::from)
    }

    /// The same with all that it wrote, as bytes.
    pub(super) fn run_raw(&self, program: &str, args: &[&str], limit: Duration) -> Seen<program::Ended> {
        match &self.place {
            Place::This => program::run(program, args, limit),
            Place::Folder { folder, .. } => recorded::run(folder, program, args),
        }
    }

    /// What a container daemon answers to `GET path`, the body as text, within `limit` for the whole exchange. Absent
    /// where nothing is at that address; any answer but a success is unreadable, with the daemon's message. A `~` in the
    /// address is the user's home.
    pub(crate) fn ask(&self, endpoint: &str, path: &str, limit: Duration) -> Seen<String> {
        self.ask_raw(endpoint, path, limit).map(|body| String::from_utf8_lossy(&body).into_owned())
    }

    /// The last lines that a container wrote since a second, `most` at most, both of its streams. A folder does not tell
    /// when a line was written.
    pub(crate) fn container_log(
        &self,
        endpoint: &str,
        container: &str,
        since: i64,
        most: usize,
        limit: Duration,
    ) -> Seen<Vec<String>> {
        let path = format!("/containers/{container}/logs?stdout=1&stderr=1&since={since}&tail={most}");
        self.ask_raw(endpoint, &path, limit).map(|body| {
            let text = ask::without_frames(&body);
            let lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines[lines.len().saturating_sub(most)..].to_vec()
        })
    }

    fn ask_raw(&self, endpoint: &str, path: &str, limit: Duration) -> Seen<Vec<u8>> {
        self.ask_all(&[(endpoint, path)], limit).pop().unwrap_or_default()
    }

    /// The answers to several questions, `endpoint` and `path`, that are asked at the same time.
    pub(super) fn ask_all(&self, questions: &[(&str, &str)], limit: Duration) -> Vec<Seen<Vec<u8>>> {
        match &self.place {
            Place::This => {
                let begin = |(endpoint, path): &(&str, &str)| ask::begin(&self.expanded(endpoint), path, limit);
                let pending: Vec<_> = questions.iter().map(begin).collect();
                pending.into_iter().map(ask::Pending::wait).collect()
            }
            Place::Folder { folder, .. } => {
                let daemons: Vec<_> = recorded::daemons(folder)
                    .into_iter()
                    .map(|(endpoint, daemon)| (self.identity(&endpoint), daemon))
                    .collect();
                let answer = |(endpoint, path): &(&str, &str)| {
                    let known = daemons.iter().find(|(known, _)| *known == self.identity(endpoint));
                    match known {
                        Some((_, daemon)) => recorded::ask(folder, daemon, path),
                        None => ask::never(endpoint).map_or(Seen::Absent, Seen::Unreadable),
                    }
                };
                questions.iter().map(answer).collect()
            }
        }
    }

    /// The folder of the user's own files.
    pub(super) fn home(&self) -> Option<String> {
        let name = if self.os() == Some("windows") { "USERPROFILE" } else { "HOME" };
        self.variable(name).map(|home| home.trim_end_matches(['/', '\\']).to_owned()).filter(|home| !home.is_empty())
    }

    /// An address as it is shown: the home of the user, whose name may be theirs, is `~` in it.
    pub(super) fn shortened(&self, endpoint: &str) -> String {
        let whole = self.home().map(|home| format!("unix://{home}/"));
        match whole.and_then(|home| endpoint.strip_prefix(&home).map(str::to_owned)) {
            Some(rest) => format!("unix://~/{rest}"),
            None => endpoint.to_owned(),
        }
    }

    /// An address as it is used.
    pub(super) fn expanded(&self, endpoint: &str) -> String {
        match (endpoint.strip_prefix("unix://~/"), self.home()) {
            (Some(rest), Some(home)) => format!("unix://{home}/{rest}"),
            _ => endpoint.to_owned(),
        }
    }

    /// What tells two addresses of daemons apart: of a socket the file to which its links lead.
    pub(super) fn identity(&self, endpoint: &str) -> String {
        let endpoint = self.expanded(endpoint);
        let Some(path) = endpoint.strip_prefix("unix://") else { return endpoint.trim_end_matches('/').to_owned() };
        match self.canonical(path) {
            Seen::Found(path) => path,
            // A link to the other on every system that has both.
            _ => path.strip_prefix("/var/run/").map_or_else(|| path.to_owned(), |rest| format!("/run/{rest}")),
        }
    }

    /// The addresses of the daemons whose answers were recorded in a folder, in order; none of this machine.
    pub(super) fn recorded_daemons(&self) -> Vec<String> {
        match &self.place {
            Place::This => Vec::new(),
            Place::Folder { folder, .. } => {
                recorded::daemons(folder).into_iter().map(|(endpoint, _)| endpoint).collect()
            }
        }
    }

    /// A recorded answer of a library, such as `nvml.json`. Nobody looked on this machine, whose libraries are asked
    /// themselves, and where it was not recorded.
    pub(crate) fn answer(&self, name: &str) -> Seen<String> {
        match &self.place {
            Place::This => Seen::NotAsked,
            Place::Folder { folder, .. } => recorded::read(folder, &["answers", name]).map(files::as_text),
        }
    }

    /// Where a path of that machine is on this one. A drive of Windows is a folder of its letter: `C:\Windows` is
    /// `C/Windows`. Any other colon is `%3A`, since not every system can hold one in a name.
    fn place_of(&self, absolute: &str) -> PathBuf {
        match &self.place {
            Place::This => absolute.into(),
            Place::Folder { folder, .. } => below(folder, absolute),
        }
    }
}

fn below(folder: &Path, absolute: &str) -> PathBuf {
    let parts = absolute.split(['/', '\\']).filter(|part| !part.is_empty());
    parts.fold(folder.to_owned(), |path, part| path.join(part.trim_end_matches(':').replace(':', files::COLON)))
}
