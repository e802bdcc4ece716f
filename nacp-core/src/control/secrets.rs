//! The secrets of a service: read where they lie, put into its containers as files, and told apart without being kept.
//!
//! A secret's value stands in no label, log, plan or message. Whether one has changed since a container was created is
//! told by a digest in the container's label [`SECRETS`](crate::engine::labels::SECRETS): of all secrets of the service
//! together, with a salt beside it, so that equal values do not show.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::engine::FileSpec;
use crate::error::{Error, ErrorKind, Result};
use crate::service::{App, Secret, SecretValue};

/// The folder in which a container finds its secrets.
const FOLDER: &str = "/run/secrets";
/// The most bytes of one secret.
const LIMIT: u64 = 1 << 20;
/// How often the digest is taken of itself: it makes guessing short secrets from a label dearer.
const ROUNDS: u32 = 1000;
/// The form of the digest, for those of a later form to be told apart.
const FORM: &str = "v1";

/// The secrets of one service, with their values. `Debug` shows the names alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<String, SecretValue>,
}

impl Secrets {
    /// Reads the secrets of a service: files, whose relative paths begin at the working directory of this program, and
    /// variables of its environment. A value is taken as it is, with the line end that a file may have.
    ///
    /// It reads files, so call it where a short wait does no harm.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a file or a variable that is not there,
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) for a file that must not be read,
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for what is no regular file, is empty or has more than 1 MiB, and
    /// for a name that is no name of a file. Each names service and secret, none the value.
    pub fn read(service: &str, secrets: &BTreeMap<String, Secret>) -> Result<Self> {
        let read = secrets.iter().map(|(name, secret)| {
            let value = check_name(name).and_then(|()| read(secret));
            let value = value.map_err(|error| error.with("service", service).with("secret", name))?;
            Ok((name.clone(), value))
        });
        Ok(Self { values: read.collect::<Result<_>>()? })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The files of a container: each secret as `/run/secrets/NAME`.
    pub fn files(&self) -> Vec<FileSpec> {
        let file = |(name, value): (&String, &SecretValue)| FileSpec {
            path: format!("{FOLDER}/{name}"),
            content: value.clone(),
        };
        self.values.iter().map(file).collect()
    }

    /// What the label [`SECRETS`](crate::engine::labels::SECRETS) of a container is to say: form, salt and digest.
    /// Nothing where there are no secrets. The salt is made of the container's name and the moment: it need not be
    /// secret, only another one each time.
    pub fn label(&self, container: &str, at: Timestamp) -> Option<String> {
        let salt = Sha256::new().chain_update(at.as_nanosecond().to_le_bytes()).chain_update(container).finalize();
        (!self.is_empty()).then(|| self.written(&hex(&salt[..16])))
    }

    /// Whether a container with this label, or with none, was given these very secrets. The work is the same wherever
    /// two digests differ.
    pub fn matches(&self, label: Option<&str>) -> bool {
        let Some(label) = label else { return self.is_empty() };
        let mut parts = label.splitn(3, ':');
        let (Some(FORM), Some(salt)) = (parts.next(), parts.next()) else { return false };
        if self.is_empty() {
            return false;
        }
        let wanted = self.written(salt);
        let differing = wanted.bytes().zip(label.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
        wanted.len() == label.len() && differing == 0
    }

    fn written(&self, salt: &str) -> String {
        let mut first = Sha256::new();
        // With the lengths, so that no two sets of secrets make one text.
        let mut add = |bytes: &[u8]| {
            first.update((bytes.len() as u64).to_le_bytes());
            first.update(bytes);
        };
        add(salt.as_bytes());
        for (name, value) in &self.values {
            add(name.as_bytes());
            add(value.reveal());
        }
        let digest = (1..ROUNDS)
            .fold(first.finalize(), |digest, _| Sha256::new().chain_update(salt).chain_update(digest).finalize());
        format!("{FORM}:{salt}:{}", hex(&digest))
    }
}

/// The secrets of an app's services, as they were read last.
#[derive(Clone, Debug, Default)]
pub(super) struct LastRead {
    services: BTreeMap<String, (BTreeMap<String, Secret>, Secrets)>,
}

impl LastRead {
    /// Reads all of them again. Those of a service that cannot be read stay what they were, so long as the service names
    /// the same; returns what went wrong, by service.
    pub(super) fn refresh(&mut self, app: &App) -> BTreeMap<String, Error> {
        let mut failures = BTreeMap::new();
        let before = std::mem::take(&mut self.services);
        for (name, service) in app.services.iter().filter(|(_, service)| !service.secrets.is_empty()) {
            let read = match Secrets::read(name, &service.secrets) {
                Ok(values) => Some((service.secrets.clone(), values)),
                Err(error) => {
                    failures.insert(name.clone(), error);
                    before.get(name).filter(|(named, _)| *named == service.secrets).cloned()
                }
            };
            self.services.extend(read.map(|read| (name.clone(), read)));
        }
        failures
    }

    /// The values of each service whose secrets have ever been read.
    pub(super) fn values(&self) -> BTreeMap<String, Secrets> {
        self.services.iter().map(|(name, (_, values))| (name.clone(), values.clone())).collect()
    }
}

fn read(secret: &Secret) -> Result<SecretValue> {
    match secret {
        Secret::File(path) => from_file(path),
        Secret::Env(variable) => from_environment(variable),
    }
}

fn from_file(path: &str) -> Result<SecretValue> {
    let refused = |kind, message: &'static str, hint: &'static str| {
        Error::new(kind, "control.secrets", message).with("path", path).hint(hint)
    };
    let wrong = |message, hint| refused(ErrorKind::InvalidArgument, message, hint);
    let file = open(Path::new(path)).map_err(|error| {
        let told = match error.kind() {
            io::ErrorKind::NotFound => {
                let hint = "make the file, or name it by an absolute path";
                refused(ErrorKind::NotFound, "the file of a secret is not there", hint)
            }
            io::ErrorKind::PermissionDenied => {
                let hint = "let the user of this program read it";
                refused(ErrorKind::PermissionDenied, "the file of a secret cannot be read", hint)
            }
            _ => wrong("the file of a secret cannot be read", "name a regular file"),
        };
        told.caused_by(error)
    })?;
    let about = file
        .metadata()
        .map_err(|error| wrong("the file of a secret cannot be read", "name a regular file").caused_by(error))?;
    if about.is_dir() {
        return Err(wrong("a secret is a file, and this is a folder", "name one file in it"));
    }
    if !about.is_file() {
        return Err(wrong("a secret is a regular file, and this is none", "name a regular file"));
    }
    let mut value = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut value)
        .map_err(|error| wrong("the file of a secret cannot be read", "name a regular file").caused_by(error))?;
    checked(value).map_err(|error| error.with("path", path))
}

/// Opens a file without waiting for whoever writes to it, should it be a pipe.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    match options.open(path) {
        // Windows refuses to open a folder as if it were forbidden.
        Err(_) if path.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        opened => opened,
    }
}

fn from_environment(variable: &str) -> Result<SecretValue> {
    let value = std::env::var_os(variable).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "control.secrets", "the variable of a secret is not set")
            .with("variable", variable)
            .hint("set it in the environment of this program")
    })?;
    checked(value.into_encoded_bytes()).map_err(|error| error.with("variable", variable))
}

fn checked(value: Vec<u8>) -> Result<SecretValue> {
    let wrong = |message, hint| Err(Error::new(ErrorKind::InvalidArgument, "control.secrets", message).hint(hint));
    if value.is_empty() {
        return wrong("a secret is empty", "give it a value, or leave it out");
    }
    if value.len() as u64 > LIMIT {
        return wrong("a secret has more than 1 MiB", "mount a volume for large files");
    }
    Ok(SecretValue::new(value))
}

fn check_name(name: &str) -> Result<()> {
    let file = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.chars().all(file) && !name.is_empty() && name.len() <= 100 && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, "control.secrets", "not a name of a secret")
        .hint("use letters, digits, points, hyphens and underscores, and begin with no point"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _never_fails = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
