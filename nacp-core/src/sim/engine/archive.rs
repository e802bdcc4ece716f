//! The names of the images in an archive, as `docker save` writes it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// The length of a part of such an archive.
const BLOCK: usize = 512;
/// The most bytes that the list of images may have.
const MOST: u64 = 8 << 20;
/// The most files that an archive is looked through for the list.
const FILES: usize = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    repo_tags: Option<Vec<String>>,
}

/// The tags in the archive's `manifest.json`. Nothing else of it is read.
pub(super) fn names(path: &Path) -> Result<Vec<String>> {
    let refused = |kind, message: &str| Error::new(kind, "engine.load", message).with("file", path.display());
    let no_archive = || {
        refused(ErrorKind::InvalidArgument, "the file is no archive of images")
            .hint("write it with `docker save IMAGE -o FILE`")
    };
    let file = File::open(path);
    let mut file = file.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => refused(ErrorKind::NotFound, "there is no such file").caused_by(cause),
        std::io::ErrorKind::PermissionDenied => {
            refused(ErrorKind::PermissionDenied, "no permission to read the file").caused_by(cause)
        }
        _ => refused(ErrorKind::InvalidArgument, "the file cannot be opened").caused_by(cause),
    })?;
    let text = manifest(&mut file).map_err(|cause| no_archive().caused_by(cause))?.ok_or_else(no_archive)?;
    let entries: Vec<Entry> = serde_json::from_slice(&text).map_err(|cause| no_archive().caused_by(cause))?;
    Ok(entries.into_iter().filter_map(|entry| entry.repo_tags).flatten().collect())
}

/// The content of `manifest.json`, if it is there.
fn manifest(file: &mut File) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = [0; BLOCK];
    for _ in 0..FILES {
        if file.read_exact(&mut head).is_err() || &head[257..262] != b"ustar" {
            return Ok(None);
        }
        let field = |from: usize, to: usize| {
            let text = String::from_utf8_lossy(&head[from..to]);
            text.split('\0').next().unwrap_or_default().trim().to_owned()
        };
        let Ok(size) = u64::from_str_radix(&field(124, 136), 8) else { return Ok(None) };
        if field(0, 100) == "manifest.json" {
            let mut text = Vec::new();
            file.take(size.min(MOST)).read_to_end(&mut text)?;
            return Ok(Some(text));
        }
        let padded = size.next_multiple_of(BLOCK as u64);
        file.seek(SeekFrom::Current(i64::try_from(padded).unwrap_or(i64::MAX)))?;
    }
    Ok(None)
}
