//! Machines in folders: healthy ones, and broken ones that are laid over them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nacp_core::host::{Root, Survey};
use tempfile::TempDir;

pub(crate) fn fixtures() -> PathBuf {
    // The benchmark of the workspace's root has this file too.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let core = package.join("nacp-core");
    if core.is_dir() { core.join("tests/fixtures") } else { package.join("tests/fixtures") }
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A machine of the tests.
pub(crate) struct Machine {
    /// Its name, as a message tells it.
    pub(crate) name: String,
    /// Where its files are.
    pub(crate) folder: PathBuf,
    _kept: Option<TempDir>,
}

impl Machine {
    /// The whole machines, healthy but for those that are said not to be.
    pub(crate) fn of_hosts() -> Vec<Self> {
        let hosts = fixtures().join("hosts");
        let machine = |name: String| Self { folder: hosts.join(&name), name, _kept: None };
        names(&hosts).into_iter().map(machine).collect()
    }

    /// One of them.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.into(), folder: fixtures().join("hosts").join(name), _kept: None }
    }

    /// The machines of an entry that are named so: `fires` and `fires-…`, `quiet` and `quiet-…`.
    pub(crate) fn of_entry(id: &str, kind: &str) -> Vec<Self> {
        let folder = fixtures().join("doctor").join(id);
        let wanted = |name: &String| name == kind || name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-'));
        names(&folder).into_iter().filter(wanted).map(|case| Self::overlaid(&folder.join(case))).collect()
    }

    /// The healthy machine that the file `base` names, with the overlay's files on it and without what `absent` lists.
    fn overlaid(overlay: &Path) -> Self {
        let short = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let name = format!("{}/{}", short(overlay.parent().unwrap()), short(overlay));
        let base = fs::read_to_string(overlay.join("base")).unwrap_or_else(|error| panic!("{name}/base: {error}"));
        let base = fixtures().join("hosts").join(base.trim());
        assert!(base.is_dir(), "{name}: no machine {}", base.display());
        let kept = tempfile::tempdir().unwrap();
        copy(&base, kept.path());
        for path in fs::read_to_string(overlay.join("absent")).unwrap_or_default().lines() {
            let path = kept.path().join(path.trim().trim_start_matches('/'));
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.unwrap_or_else(|error| panic!("{name}: its base has no {}: {error}", path.display()));
        }
        copy(overlay, kept.path());
        for own in ["base", "absent"] {
            let _ = fs::remove_file(kept.path().join(own));
        }
        Self { name, folder: kept.path().to_owned(), _kept: Some(kept) }
    }

    /// What is read there. The limit is for a machine that builds something else beside.
    pub(crate) fn survey(&self) -> Survey {
        let root = Root::open(&self.folder).unwrap();
        let builder = Survey::builder().root(root).nvidia_smi(true).cdi_generate(true).limit(Duration::from_secs(60));
        builder.messages(self.messages()).read()
    }

    /// What the user was told of pods, one a line, in the file `messages`.
    fn messages(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("messages")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        let _ = fs::remove_file(&target);
        if kind.is_symlink() {
            link(&fs::read_link(entry.path()).unwrap(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}

#[cfg(not(unix))]
fn link(to: &Path, at: &Path) {
    panic!("{} -> {}: links are for Unix", at.display(), to.display());
}
