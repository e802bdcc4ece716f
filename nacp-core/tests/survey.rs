//! Surveys: what is read of machines that were laid down in folders, of this one, and of simulated ones.
#![cfg(all(feature = "doctor", target_os = "linux"))]
#![expect(clippy::disallowed_methods, reason = "a test measures real time")]

#[path = "survey/broken.rs"]
mod broken;
#[path = "survey/here.rs"]
mod here;
#[path = "survey/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::{fs, io};

use nacp_core::host::{Root, Survey};

/// The folder of the machine of this name.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hosts").join(name)
}

/// The names of all machines.
fn machines() -> Vec<String> {
    let entries = fs::read_dir(fixture("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn survey_of(folder: &Path) -> Survey {
    Survey::builder().root(Root::open(folder).unwrap()).read()
}

fn survey(name: &str) -> Survey {
    survey_of(&fixture(name))
}

/// A copy of a machine's folder, links as links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
