//! The file of a lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Lock;
use crate::error::{Error, ErrorKind, Result};

/// More than any lock has, in bytes.
const MOST: u64 = 16 << 20;
/// So many left-over files of programs that were killed are passed over.
const NAMES: u32 = 1000;

/// What writing a lock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// There was none, and now there is.
    Created,
    /// It replaced one that pins something else.
    Replaced,
    /// The file pins the same already, and was left as it is with the time that stands in it.
    Unchanged,
}

impl Lock {
    /// Reads a lock from a file.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied), and those of
    /// [`parse`](Self::parse), each with the path.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = text(path).map_err(|error| refused("host.lock.read", "cannot read the lock", path, error))?;
        Self::parse(&text).map_err(|error| error.with_first("path", path.display()))
    }

    /// Writes it to a file, whole or not at all: whoever reads meanwhile sees the old lock or the new one, and so does
    /// whoever reads after a crash. Of several that write at once the last one stays. A link is followed. Where the file
    /// pins the same already, it is left as it is.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) where the path holds something that is no lock of this version: it is not
    /// overwritten. [`NotFound`](ErrorKind::NotFound) where the folder is missing,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) where it may not be written to,
    /// [`ResourceExhausted`](ErrorKind::ResourceExhausted) where the disk is full.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<Written> {
        let path = path.as_ref();
        let failed = |error| refused("host.lock.write", "cannot write the lock", path, error);
        // A link stays a link: what it leads to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let written = match text(&target) {
            Ok(text) => match Self::parse(&text) {
                Ok(there) if there.pins_the_same(self) => return Ok(Written::Unchanged),
                Ok(_) => Written::Replaced,
                Err(error) => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        "host.lock.write",
                        "what is there is no lock of this version",
                    )
                    .with("path", path.display())
                    .with("reason", format_args!("{:?}", error.to_string()))
                    .hint("move it away to write a new one")
                    .caused_by(error));
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Written::Created,
            Err(error) => return Err(failed(error)),
        };
        replace(&target, self.to_yaml().as_bytes()).map_err(failed)?;
        Ok(written)
    }
}

/// A text file, read as far as a lock goes. Only regular files are read: a pipe would never end.
fn text(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("it is too large for a lock"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text in UTF-8"))
}

/// Puts a file with these bytes in place of whatever is there, in one step.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let (beside, mut file) = new_file(folder, path)?;
    let moved = (|| {
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        // What is not on the disk when its name is may be empty after a loss of power.
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if moved.is_err() {
        // The first error counts.
        let _ = fs::remove_file(&beside);
        return moved;
    }
    // The new name is on the disk once the folder is; not every file system can be told to.
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// A new file in the same folder, so that it can be moved in one step; hidden, and of a name that no other writer has.
fn new_file(folder: &Path, path: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?.to_string_lossy();
    let mut last = io::Error::other("no name is free");
    for _ in 0..NAMES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let beside = folder.join(format!(".{name}.{}-{number}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn refused(operation: &'static str, message: &str, path: &Path, error: io::Error) -> Error {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "write one with `nacp lock`"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::PermissionDenied, "the file and its folder must be open to this user")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::ResourceExhausted, "make room on the disk")
        }
        _ => (ErrorKind::InvalidArgument, "name a file for the lock"),
    };
    let hint = match (kind, operation) {
        (ErrorKind::NotFound, "host.lock.write") => "make its folder first",
        _ => hint,
    };
    Error::new(kind, operation, message).with("path", path.display()).with("reason", &error).hint(hint).caused_by(error)
}
