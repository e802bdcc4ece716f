//! Environment, secrets and mounts.

use std::collections::BTreeMap;

use super::{At, invalid, name, quoted, size};
use crate::error::Result;
use crate::service::{Mount, MountSource, Secret, Service};

/// What NACP sets from the GPUs that it chose; another value would undo the choice.
pub(in super::super) const OWN_VARIABLES: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"];
/// Where secrets are.
const SECRETS: &str = "/run/secrets";
/// What a container cannot do without.
const SYSTEM: [&str; 4] = ["/", "/dev", "/proc", "/sys"];

pub(super) fn check(at: &At, service: &Service) -> Result<()> {
    environment(at, service)?;
    secrets(at, service)?;
    volumes(at, service)
}

fn environment(at: &At, service: &Service) -> Result<()> {
    for (variable, value) in &service.env {
        if !is_variable(variable) {
            return Err(at
                .wrong("env", "not a name of a variable", quoted(variable))
                .hint("write for example LOG_LEVEL, without blanks and `=`"));
        }
        if OWN_VARIABLES.contains(&variable.as_str()) {
            let error = at.wrong("env", "this variable is not the service's to set", variable);
            return Err(error.hint("NACP sets it from `gpu`"));
        }
        if value.contains('\0') {
            return Err(at.error(&format!("env.{variable}"), "a value cannot contain a NUL"));
        }
        if service.secrets.contains_key(variable) {
            return Err(at
                .wrong("env", "this is a secret too, and what is in `env` is no secret", variable)
                .hint(format!("remove it from `env`; the program reads it from {SECRETS}/{variable}")));
        }
    }
    Ok(())
}

fn is_variable(text: &str) -> bool {
    !text.is_empty() && !text.contains(|letter: char| letter == '=' || letter.is_control() || letter.is_whitespace())
}

fn secrets(at: &At, service: &Service) -> Result<()> {
    for (secret, source) in &service.secrets {
        let edge = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let valid = secret.len() <= 64
            && secret.starts_with(edge)
            && secret.chars().all(|letter| edge(letter) || matches!(letter, '.' | '-'));
        if !valid {
            return Err(at
                .wrong("secrets", "not a name of a secret", quoted(secret))
                .hint("it is the name of a file: use letters, digits, `.`, `_` and `-`, 64 at most"));
        }
        let at = at.inner("secrets").inner(secret);
        match source {
            Secret::File(path) if path.trim().is_empty() || path.contains('\0') => {
                return Err(at
                    .wrong("file", "not a path of a file", quoted(path))
                    .hint("write for example ./token.txt"));
            }
            Secret::Env(variable) if !is_variable(variable) => {
                return Err(at
                    .wrong("env", "not a name of a variable", quoted(variable))
                    .hint("write the name of the variable that holds the secret, not the secret itself"));
            }
            Secret::File(_) | Secret::Env(_) => {}
        }
    }
    Ok(())
}

fn volumes(at: &At, service: &Service) -> Result<()> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (volume, mount) in &service.volumes {
        name(&at.path("volumes"), volume)?;
        let at = at.inner("volumes").inner(volume);
        check_mount(&at, mount)?;
        let path = plain(&mount.path);
        if path == "/dev/shm" && service.shm.is_some() {
            return Err(at
                .wrong("path", "`shm` mounts this path already", &mount.path)
                .hint("leave out `shm`, or the mount"));
        }
        if let Some(other) = taken.insert(path, volume) {
            return Err(at
                .wrong("path", "another volume is mounted there", &mount.path)
                .with("volume", other)
                .hint("choose another path for one of them"));
        }
    }
    Ok(())
}

fn check_mount(at: &At, mount: &Mount) -> Result<()> {
    let field = at.path("path");
    absolute(&field, &mount.path, "a volume is mounted at an absolute path")?;
    let path = plain(&mount.path);
    if path == SECRETS || path.starts_with("/run/secrets/") {
        return Err(invalid(&field, "secrets are mounted there")
            .with("value", &mount.path)
            .hint("name it in `secrets`, or choose another path"));
    }
    if SYSTEM.contains(&path.as_str()) || path.starts_with("/proc/") || path.starts_with("/sys/") {
        return Err(invalid(&field, "a container cannot do without what is there")
            .with("value", &mount.path)
            .hint("choose a folder of the program's own, for example /data"));
    }
    match &mount.source {
        MountSource::Volume => Ok(()),
        MountSource::External(volume) => {
            let edge = |letter: char| letter.is_ascii_alphanumeric();
            let inner = |letter: char| edge(letter) || matches!(letter, '_' | '.' | '-');
            if volume.len() > 1 && volume.starts_with(edge) && volume.chars().all(inner) {
                return Ok(());
            }
            Err(at
                .wrong("external", "not a name of a volume", quoted(volume))
                .hint("write the name of a volume of the engine, or `host` for a folder"))
        }
        MountSource::Host(folder) => {
            let mut letters = folder.chars();
            let drive = matches!(
                (letters.next(), letters.next(), letters.next()),
                (Some(letter), Some(':'), Some('/' | '\\')) if letter.is_ascii_alphabetic()
            );
            if drive && !folder.contains('\0') {
                return Ok(());
            }
            absolute(&at.path("host"), folder, "a folder of the engine's machine is an absolute path")
        }
        MountSource::Memory(_) if mount.read_only => {
            Err(at.error("read_only", "memory that cannot be written holds nothing").hint("leave out `read_only`"))
        }
        MountSource::Memory(bytes) => size(&at.path("memory"), "too little memory for a mount", *bytes),
    }
}

/// A path without what does not count: slashes twice or at the end, single points.
fn plain(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

pub(super) fn absolute(field: &str, path: &str, message: &str) -> Result<()> {
    let error = |message: &str| invalid(field, message).with("value", path.escape_debug());
    if !path.starts_with('/') {
        return Err(error(message).hint(format!("did you mean /{}?", path.trim_start_matches(['.', '/', '~']))));
    }
    if path.contains('\0') || path.split('/').any(|part| part == "..") {
        return Err(error("a path cannot contain `..` or a NUL").hint("write the path that is meant"));
    }
    Ok(())
}
