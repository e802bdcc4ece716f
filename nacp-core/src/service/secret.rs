//! Values that stand in no label, log, plan or message.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the value of a secret comes from. The container finds it in the file `/run/secrets/NAME`, in memory or in a
/// volume that goes with the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Written")]
#[non_exhaustive]
pub enum Secret {
    /// A file that the program that applies the app can read.
    File(String),
    /// A variable of that program's environment.
    Env(String),
}

impl Secret {
    /// The content of a file.
    pub fn file(path: impl Into<String>) -> Self {
        Self::File(path.into())
    }

    /// The value of a variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self::Env(name.into())
    }
}

/// A secret as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    env: Option<String>,
}

impl TryFrom<Written> for Secret {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match (written.file, written.env) {
            (Some(path), None) => Ok(Self::File(path)),
            (None, Some(name)) => Ok(Self::Env(name)),
            (None, None) => Err("a secret has a source; add `file` or `env`"),
            (Some(_), Some(_)) => Err("a secret has one source; keep one of `file` and `env`"),
        }
    }
}

/// The value of a secret: it prints as `<hidden>` and is never serialised.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Hides a value.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// The value, for whoever writes it where it belongs.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}
