//! Files that are put into a container between its creation and its start.

use std::collections::BTreeSet;

use bollard::query_parameters as query;
use tar::{Builder, EntryType, Header};

use super::{CALL_LIMIT, Docker, failure, limited};
use crate::engine::{ContainerId, ContainerSpec, FileSpec, lies_in, plain};
use crate::error::{Error, ErrorKind, Result};
use crate::service::RootAccess;

/// The folders that get a volume for files: as few as hold all of them.
///
/// # Errors
/// [`InvalidArgument`](ErrorKind::InvalidArgument) for a file directly in a root that cannot be written.
pub(super) fn folders(spec: &ContainerSpec) -> Result<BTreeSet<String>> {
    let mut folders = BTreeSet::<String>::new();
    let parents: BTreeSet<_> = spec
        .files
        .iter()
        .filter_map(|file| Some((file.path.rsplit_once('/')?.0, file)))
        .map(|(parent, file)| (parent.to_owned(), file.path.clone()))
        .collect();
    for (parent, path) in parents {
        if parent.is_empty() && spec.root != RootAccess::Writable {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "engine.create",
                "a file cannot be put into a read-only root",
            )
            .with("container", &spec.name)
            .with("path", path)
            .hint("choose a folder for it, such as /run/secrets"));
        }
        if !parent.is_empty() && !folders.iter().any(|folder| lies_in(&parent, folder)) {
            folders.insert(parent);
        }
    }
    Ok(folders)
}

/// Who may read the files: the user whose program runs, where its number is known; everybody in the container where it
/// is not, or where it is root that may become somebody else: without `CAP_DAC_OVERRIDE` nobody opens another's file.
fn access(user: &str, changes: bool) -> (u64, u64, u32) {
    let (uid, gid) = user.split_once(':').unwrap_or((user, ""));
    let uid = if matches!(uid, "" | "root") { Some(0) } else { uid.parse().ok() };
    match uid {
        Some(0) if changes => (0, 0, 0o444),
        Some(uid) => (uid, gid.parse().unwrap_or(if uid == 0 { 0 } else { uid }), 0o400),
        None => (0, 0, 0o444),
    }
}

/// An archive of the files below a folder, by their paths in it.
fn archive(folder: &str, files: &[&FileSpec], access: (u64, u64, u32)) -> std::io::Result<Vec<u8>> {
    let (uid, gid, mode) = access;
    let head = |kind, size: usize, mode| {
        let mut head = Header::new_gnu();
        head.set_entry_type(kind);
        head.set_size(size as u64);
        head.set_mode(mode);
        head.set_uid(uid);
        head.set_gid(gid);
        head
    };
    let (mut builder, mut made) = (Builder::new(Vec::new()), BTreeSet::new());
    for file in files {
        let path = file.path.strip_prefix(folder).unwrap_or(&file.path).trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            if made.insert(&path[..end]) {
                builder.append_data(&mut head(EntryType::Directory, 0, 0o755), &path[..end], std::io::empty())?;
            }
        }
        let content = file.content.reveal();
        builder.append_data(&mut head(EntryType::Regular, content.len(), mode), path, content)?;
    }
    builder.into_inner()
}

impl Docker {
    /// Puts the files of a specification into a container that has not been started. What is in them goes nowhere else.
    pub(super) async fn furnish(
        &self,
        id: &ContainerId,
        spec: &ContainerSpec,
        folders: &BTreeSet<String>,
        user: &str,
    ) -> Result<()> {
        let changes = spec.capabilities.iter().any(|name| plain(name) == "SETUID");
        let access = access(user, changes);
        let mut rest: Vec<_> = spec.files.iter().collect();
        let targets = folders.iter().map(String::as_str).filter(|_| !rest.is_empty()).chain(["/"]).collect::<Vec<_>>();
        for folder in targets {
            let (here, others) = rest.into_iter().partition::<Vec<_>, _>(|file| lies_in(&file.path, folder));
            rest = others;
            if here.is_empty() {
                continue;
            }
            let archive = archive(folder, &here, access).map_err(|cause| {
                Error::new(ErrorKind::InvalidArgument, "engine.create", "a file cannot be put into the container")
                    .with("container", &spec.name)
                    .with("folder", folder)
                    .hint("shorten its path")
                    .caused_by(cause)
            })?;
            let options = query::UploadToContainerOptionsBuilder::new().path(folder).build();
            let body = bollard::body_full(archive.into());
            let put = limited(CALL_LIMIT, self.client.upload_to_container(&id.0, Some(options), body)).await;
            put.map_err(|error| failure::files(spec, folder, error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::service::SecretValue;

    #[test]
    fn only_the_user_reads_a_file_where_his_number_is_known() {
        for (user, wanted) in [
            ("", (0, 0, 0o400)),
            ("root", (0, 0, 0o400)),
            ("1000", (1000, 1000, 0o400)),
            ("1000:100", (1000, 100, 0o400)),
            ("app", (0, 0, 0o444)),
            ("app:app", (0, 0, 0o444)),
        ] {
            assert_eq!(access(user, false), wanted, "{user}");
        }
    }

    #[test]
    fn a_program_that_gives_root_up_can_still_read_its_files() {
        assert_eq!(access("", true), (0, 0, 0o444));
        assert_eq!(access("0:5", true), (0, 0, 0o444));
        assert_eq!(access("1000", true), (1000, 1000, 0o400));
    }

    #[test]
    fn an_archive_holds_the_files_and_the_folders_on_the_way() {
        let file = |path: &str| FileSpec { path: path.into(), content: SecretValue::new(path) };
        let long = format!("/run/secrets/{}", "x".repeat(150));
        let files = [file("/run/secrets/key"), file("/run/secrets/tls/a"), file("/run/secrets/tls/b"), file(&long)];
        let bytes = archive("/run/secrets", &files.iter().collect::<Vec<_>>(), access("1000", false)).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let head = entry.header();
            seen.push((path, head.mode().unwrap(), head.uid().unwrap(), text));
        }
        let told: Vec<_> =
            seen.iter().map(|(path, mode, uid, text)| (path.as_str(), *mode, *uid, text.as_str())).collect();
        assert_eq!(
            told,
            [
                ("key", 0o400, 1000, "/run/secrets/key"),
                ("tls", 0o755, 1000, ""),
                ("tls/a", 0o400, 1000, "/run/secrets/tls/a"),
                ("tls/b", 0o400, 1000, "/run/secrets/tls/b"),
                (long.trim_start_matches("/run/secrets/"), 0o400, 1000, long.as_str()),
            ]
        );
    }
}
