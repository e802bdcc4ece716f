//! Leases between the programs of one machine: a locked file each.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
#[cfg(unix)]
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Lease, Leases};
use crate::error::{Error, ErrorKind, Result};

/// How often a file is opened that others are making or removing at the same time.
const OPENINGS: u32 = 20;
/// How often, and after which pause, a holder is asked for its name that has just taken the lease.
const QUESTIONS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);
/// A holder's note is not longer than this.
const NOTE: u64 = 4096;

/// Leases that every program of this machine respects, whoever runs it: advisory locks on files.
///
/// The kernel gives a lease back when the process that holds it ends, however it ends: there is nothing to clean up
/// after `kill -9`, and no lease outlives a restart of the machine. Two control planes of one process exclude each other
/// as well. The file itself stays, and tells who holds it while it is held.
///
/// On Unix the files lie in `/run/lock` and in `/tmp`, in each of them that the user may write to: a lease is a lock in
/// all of them, so that users who may write to different ones exclude each other all the same. On Windows they lie in
/// `%ProgramData%\nacp\leases`. Programs in containers with folders of their own do not see each other's leases, unless
/// both use one folder ([`at`](Self::at)).
///
/// A program that the holder starts does not get the lease. A copy of the holder that goes on without starting a program
/// (`fork` alone, as Python's `multiprocessing` can) shares the lock: dropping the lease in the first process frees it, in
/// the copy it does nothing; but when the first process is killed the lease is held until the copy ends too.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nacp_core::control::{FileLeases, Leases};
///
/// # let folder = std::env::temp_dir().join(format!("nacp-doc-{}", std::process::id()));
/// # let leases = FileLeases::at(&folder).named("first");
/// let lease = leases.take("engine-1", "demo").await?.expect("nobody holds it");
/// let holder = leases.take("engine-1", "demo").await?.unwrap_err();
/// assert!(holder.starts_with("first (process "), "{holder}");
/// drop(lease);
/// assert!(leases.take("engine-1", "demo").await?.is_ok());
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), nacp_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FileLeases {
    folders: Vec<PathBuf>,
    /// Whether a folder that cannot be written to is left out.
    any: bool,
    program: String,
}

impl FileLeases {
    /// Leases in the folders that all users of this machine share.
    pub fn new() -> Self {
        #[cfg(unix)]
        let folders = vec![PathBuf::from("/run/lock"), PathBuf::from("/tmp")];
        #[cfg(not(unix))]
        let folders = {
            let data = std::env::var_os("ProgramData").map_or_else(std::env::temp_dir, PathBuf::from);
            vec![data.join("nacp").join("leases")]
        };
        Self { folders, any: true, program: program() }
    }

    /// Leases in this folder alone, which is made where it is missing. Programs that are to exclude each other use the
    /// same one. Nobody but those who may take leases should be able to write to it.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folders: vec![folder.into()], any: false, program: program() }
    }

    /// The name under which others read who holds a lease; that of the program's file if it is not set.
    #[must_use]
    pub fn named(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// Takes the lock in every folder, or tells in which file somebody else has it.
    fn lock_all(&self, name: &str) -> Result<std::result::Result<FileLease, PathBuf>> {
        let (mut locks, mut refused) = (Vec::new(), Vec::new());
        for folder in &self.folders {
            match lock(folder, name) {
                Ok(Ok(file)) => locks.push(file),
                Ok(Err(path)) => return Ok(Err(path)),
                Err(error) if self.any && error.kind() == io::ErrorKind::InvalidInput => {
                    return Err(refusal(folder, name, &[(folder, error)]));
                }
                Err(error) => refused.push((folder.as_path(), error)),
            }
        }
        if locks.is_empty() || (!self.any && !refused.is_empty()) {
            let folder = self.folders.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
            return Err(refusal(folder, name, &refused));
        }
        let lease = FileLease { locks, process: std::process::id() };
        for file in &lease.locks {
            // The lock is what counts; without the note others only do not learn who has it.
            if let Err(error) = file.write(&Note { program: self.program.clone(), process: lease.process }) {
                tracing::debug!(path = %file.path.display(), %error, "the lease does not say who holds it");
            }
        }
        Ok(Ok(lease))
    }
}

impl Default for FileLeases {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Leases for FileLeases {
    async fn take(&self, engine: &str, app: &str) -> Result<Result<Box<dyn Lease>, String>> {
        let name = file_name(engine, app);
        let mut last = None;
        for _ in 0..QUESTIONS {
            match self.lock_all(&name)? {
                Ok(lease) => return Ok(Ok(Box::new(lease))),
                Err(path) => match Note::read(&path) {
                    Some(note) if note.lives() => return Ok(Err(note.words(&path))),
                    // It was left by an earlier holder; the present one is about to write its own.
                    note => last = note.map(|note| (note, path)),
                },
            }
            #[expect(clippy::disallowed_methods, reason = "whoever has just taken it writes its name in a moment")]
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Err(match last {
            Some((note, path)) => {
                format!("a copy of {}, which has ended or cannot be seen from here", note.words(&path))
            }
            None => "a program that does not say its name".to_owned(),
        }))
    }
}

/// A file that this process has locked.
#[derive(Debug)]
struct Locked {
    file: File,
    path: PathBuf,
}

#[derive(Debug)]
struct FileLease {
    locks: Vec<Locked>,
    process: u32,
}

impl Lease for FileLease {}

impl Drop for FileLease {
    fn drop(&mut self) {
        // In a copy of the process that took it, the lock is still that process's: closing leaves it alone.
        if std::process::id() == self.process {
            for locked in &self.locks {
                drop(locked.clear());
                drop(locked.file.unlock());
            }
        }
    }
}

/// Locks a file of this name; `Err` inside when somebody else has it.
fn lock(folder: &Path, name: &str) -> io::Result<std::result::Result<Locked, PathBuf>> {
    let path = folder.join(name);
    for _ in 0..OPENINGS {
        let file = match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match make(folder, &path) {
                // Somebody else was faster, or the folder was removed in between.
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                    continue;
                }
                made => made?,
            },
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(path)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever tidies the folder up may have removed it in between; a lock on a file that nobody finds is none.
        if is_at(&file, &path) {
            return Ok(Ok(Locked { file, path }));
        }
    }
    Err(io::Error::other("the file is removed as fast as it is made"))
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

    use super::*;

    /// Opens a lease that is there. In a folder that everybody may write to, somebody may have put something else in its
    /// place: a link to a file that we may write to and they may not, or a pipe that never answers.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        // Not with O_CREAT: in a shared folder the kernel may refuse that for a file that is another user's.
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(|error| {
                match error.raw_os_error() {
                    Some(libc::ELOOP) => odd("a symbolic link"),
                    _ => error,
                }
            })?;
        let seen = file.metadata()?;
        match (seen.is_file(), seen.nlink()) {
            (false, _) => Err(odd("no regular file")),
            (true, 2..) => Err(odd("a file of several names")),
            (true, _) => Ok(file),
        }
    }

    fn odd(what: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{what} is in its place"))
    }

    /// Makes a new lease, which every user may open.
    pub(super) fn make(folder: &Path, path: &Path) -> io::Result<File> {
        if !folder.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o1777).create(folder)?;
            // The user's mask has taken rights away.
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o1777))?;
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o666).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o666))?;
        Ok(file)
    }

    pub(super) fn is_at(file: &File, path: &Path) -> bool {
        let of = |seen: std::fs::Metadata| (seen.dev(), seen.ino());
        match (file.metadata(), std::fs::symlink_metadata(path)) {
            (Ok(ours), Ok(there)) => of(ours) == of(there),
            _ => false,
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;

    pub(super) fn open(path: &Path) -> io::Result<File> {
        if !std::fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file is in its place"));
        }
        OpenOptions::new().read(true).write(true).open(path)
    }

    pub(super) fn make(folder: &Path, path: &Path) -> io::Result<File> {
        std::fs::create_dir_all(folder)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// An open file cannot be removed.
    pub(super) fn is_at(_file: &File, _path: &Path) -> bool {
        true
    }
}

use system::{is_at, make, open};

/// Who holds a lease, as its file tells.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    program: String,
    process: u32,
}

impl Note {
    fn read(path: &Path) -> Option<Self> {
        let mut text = String::new();
        open(&beside(path)).ok()?.take(NOTE).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Whether the holder is there, as far as this can be told.
    fn lives(&self) -> bool {
        !cfg!(target_os = "linux") || Path::new(&format!("/proc/{}", self.process)).exists()
    }

    fn words(&self, path: &Path) -> String {
        let written = std::fs::metadata(beside(path)).and_then(|seen| seen.modified()).ok();
        let since = written
            .and_then(|written| Timestamp::try_from(written).ok())
            .map_or_else(String::new, |since| format!(", since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ")));
        let program: String = self.program.chars().filter(|letter| !letter.is_control()).take(100).collect();
        format!("{program} (process {}{since})", self.process)
    }
}

impl Locked {
    #[cfg(unix)]
    fn write(&self, note: &Note) -> io::Result<()> {
        self.clear()?;
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(serde_json::to_string(note)?.as_bytes())
    }

    #[cfg(unix)]
    fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    #[cfg(not(unix))]
    fn write(&self, note: &Note) -> io::Result<()> {
        std::fs::write(beside(&self.path), serde_json::to_string(note)?)
    }

    #[cfg(not(unix))]
    fn clear(&self) -> io::Result<()> {
        std::fs::remove_file(beside(&self.path))
    }
}

/// Where the note stands: in the locked file, except on Windows, where nobody else can read what is locked.
fn beside(path: &Path) -> PathBuf {
    if cfg!(unix) { path.to_owned() } else { path.with_extension("holder") }
}

/// The name of a lease's file: the app's as far as it is one, and a digest of both names, which may be anything.
fn file_name(engine: &str, app: &str) -> String {
    let digest = Sha256::new().chain_update((engine.len() as u64).to_le_bytes()).chain_update(engine);
    let digest: String = digest.chain_update(app).finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let readable: String = app.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').take(40).collect();
    format!("nacp-{readable}-{digest}.lock")
}

fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "a program".to_owned())
}

fn refusal(folder: &Path, name: &str, refused: &[(&Path, io::Error)]) -> Error {
    let odd = refused.iter().any(|(_, error)| error.kind() == io::ErrorKind::InvalidInput);
    let denied = refused.iter().any(|(_, error)| error.kind() == io::ErrorKind::PermissionDenied);
    let kind = if denied || odd { ErrorKind::PermissionDenied } else { ErrorKind::Unsupported };
    let why: Vec<_> = refused.iter().map(|(folder, error)| format!("{}: {error}", folder.display())).collect();
    let error = Error::new(kind, "control.lease", "no lease can be had on this machine")
        .with("file", folder.join(name).display())
        .with("why", format_args!("{:?}", why.join("; ")));
    if odd {
        return error.hint("remove what is in the place of that file: NACP did not put it there");
    }
    error.hint("let the user of this program write to that folder, or use leases in another one")
}
