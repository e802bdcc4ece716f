//! One error type for the whole library, and the one table of its kinds.
//!
//! An [`Error`] says what failed ([`Error::operation`]), why ([`Error::message`]), with which values
//! ([`Error::context`]), and whether trying again can help ([`Error::retry`]). Its [`ErrorKind`] tells a program what
//! to do next; there are few of them, and a new one is added only where a caller would act differently.
//!
//! The kinds are the same in all three languages. [`ErrorKind::ALL`] is the table: name, stable number, Python class
//! and C status; the Python and C doors are tested against it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of everything in NACP that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $c_status:literal;)*) => {
        /// What kind of failure an [`Error`] is: what the caller can do about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum ErrorKind {
            $($(#[$doc])* $name = $number,)*
        }

        impl ErrorKind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name),*];

            /// The kind's name, the same in Rust, in JSON and in logs.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name)),* }
            }

            /// The name of the kind's `nacp_status` in C.
            pub const fn c_status(self) -> &'static str {
                match self { $(ErrorKind::$name => $c_status),* }
            }
        }
    };
}

kinds! {
    /// The caller passed something that cannot be right; trying again with the same values cannot help.
    InvalidArgument = 1, "NACP_E_INVALID_ARGUMENT";
    /// The named thing is not there.
    NotFound = 2, "NACP_E_NOT_FOUND";
    /// Something else has what was asked for: a name, a port, a generation.
    Conflict = 3, "NACP_E_CONFLICT";
    /// The operating system, the driver or the engine refuses this user.
    PermissionDenied = 4, "NACP_E_PERMISSION_DENIED";
    /// This driver, engine or build cannot do what was asked.
    Unsupported = 5, "NACP_E_UNSUPPORTED";
    /// No usable NVIDIA driver: not installed, not loaded, broken, or too old.
    DriverUnavailable = 6, "NACP_E_DRIVER_UNAVAILABLE";
    /// No usable container engine: not installed, not running, or out of reach.
    EngineUnavailable = 7, "NACP_E_ENGINE_UNAVAILABLE";
    /// A GPU stopped answering and needs a reset or a restart of the machine.
    DeviceLost = 8, "NACP_E_DEVICE_LOST";
    /// Not enough memory, GPUs, ports or capacity for what was asked.
    ResourceExhausted = 9, "NACP_E_RESOURCE_EXHAUSTED";
    /// The time limit passed first.
    Timeout = 10, "NACP_E_TIMEOUT";
    /// The caller, or the program's end, stopped the operation.
    Cancelled = 11, "NACP_E_CANCELLED";
    /// A defect of NACP itself, a caught panic included.
    Internal = 12, "NACP_E_INTERNAL";
    /// A service's own program ended or broke; its log says why. The same app may work once the service is mended.
    ServiceFailed = 13, "NACP_E_SERVICE_FAILED";
}

impl ErrorKind {
    /// The kind's stable number: the `code` of the Python exception and the value of the C status. Never reused.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The kind with this number, if there is one.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// The name of the kind's exception in Python.
    pub const fn python_class(self) -> &'static str {
        match self {
            Self::Internal => "InternalError",
            kind => kind.name(),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the same call may succeed later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// Trying again cannot help until somebody changes something.
    #[default]
    Never,
    /// The cause may pass by itself: try again after a while.
    Later,
}

/// What failed, why, with which values, and whether to try again.
///
/// `Display` is one line, lower case, with the variables last:
///
/// ```
/// use nacp_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "engine.image", "image is not on this machine").with("image", "busybox:2");
/// assert_eq!(error.to_string(), "image is not on this machine: image=busybox:2");
/// assert_eq!(error.kind().code(), 2);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Cow<'static, str>,
    message: String,
    hint: Option<String>,
    retry: Retry,
    context: Vec<(Cow<'static, str>, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` raised by `operation` (dotted, such as `engine.create`), with a message in lower case.
    ///
    /// Operation and keys may also be owned text, for an engine or a source whose author names them at run time:
    ///
    /// ```
    /// # use nacp_core::{Error, ErrorKind};
    /// let engine = "lima";
    /// let error = Error::new(ErrorKind::Timeout, format!("{engine}.start"), "no answer").with(format!("{engine}_vm"), 3);
    /// assert_eq!((error.operation(), error.get("lima_vm")), ("lima.start", Some("3")));
    /// ```
    pub fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            message: message.into(),
            hint: None,
            retry: Retry::Never,
            context: Vec::new(),
            source: None,
        }))
    }

    /// Adds one variable; they are printed as `key=value` in the order in which they were added.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.0.context.push((key.into(), value.to_string()));
        self
    }

    /// Adds one variable in front of the others: what an outer operation knows.
    #[must_use]
    pub fn with_first(mut self, key: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.0.context.insert(0, (key.into(), value.to_string()));
        self
    }

    /// Adds how the user can mend it: a full sentence fragment in lower case, printed after a semicolon.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Marks the error as one that may pass by itself.
    #[must_use]
    pub fn retry_later(mut self) -> Self {
        self.0.retry = Retry::Later;
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which operation failed, dotted: `gpu.discover`, `engine.start`.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// What failed, without the variables.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How to mend it, where the user can.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The variables of the failure, in the order in which they are printed.
    pub fn context(&self) -> &[(Cow<'static, str>, String)] {
        &self.0.context
    }

    /// The value of one variable of the failure.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.context.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            let separator = if index == 0 { ": " } else { " " };
            write!(f, "{separator}{key}={value}")?;
        }
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} (kind={} code={} operation={} retry={:?})",
            self,
            self.0.kind,
            self.0.kind.code(),
            self.0.operation,
            self.0.retry
        )?;
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            writeln!(f, "  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Finds the candidate that a user most likely meant, for messages such as "did you mean `image`?".
///
/// Returns nothing when no candidate is near enough to be a help.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(given.len()) / 3)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_numbers_are_dense_and_never_move() {
        let table: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.code(), kind.name())).collect();
        assert_eq!(
            table,
            [
                (1, "InvalidArgument"),
                (2, "NotFound"),
                (3, "Conflict"),
                (4, "PermissionDenied"),
                (5, "Unsupported"),
                (6, "DriverUnavailable"),
                (7, "EngineUnavailable"),
                (8, "DeviceLost"),
                (9, "ResourceExhausted"),
                (10, "Timeout"),
                (11, "Cancelled"),
                (12, "Internal"),
                (13, "ServiceFailed"),
            ]
        );
        assert!(ErrorKind::ALL.iter().all(|kind| ErrorKind::from_code(kind.code()) == Some(*kind)));
        assert_eq!(ErrorKind::from_code(14), None);
    }

    #[test]
    fn c_status_is_the_name_in_capitals() {
        for kind in ErrorKind::ALL {
            let words = kind.name().chars().fold(String::new(), |mut out, letter| {
                if letter.is_uppercase() {
                    out.push('_');
                }
                out.extend(letter.to_uppercase());
                out
            });
            assert_eq!(kind.c_status(), format!("NACP_E{words}"));
        }
    }

    #[test]
    fn message_then_variables_then_remedy() {
        let error = Error::new(ErrorKind::Conflict, "gateway.bind", "port is taken")
            .with("address", "127.0.0.1:80")
            .with("try", 3)
            .hint("choose port 0 for any free one");
        assert_eq!(error.to_string(), "port is taken: address=127.0.0.1:80 try=3; choose port 0 for any free one");
        assert_eq!(error.get("try"), Some("3"));
    }

    #[test]
    fn debug_shows_every_cause() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::new(ErrorKind::Internal, "x.y", "cannot write").caused_by(io);
        assert_eq!(
            format!("{error:?}"),
            "cannot write (kind=Internal code=12 operation=x.y retry=Never)\n  caused by: disk on fire\n"
        );
    }

    #[test]
    fn nearest_helps_only_when_it_is_near() {
        assert_eq!(nearest("imgae", ["image", "model"]), Some("image"));
        assert_eq!(nearest("Replica", ["replicas", "ready"]), Some("replicas"));
        assert_eq!(nearest("zzz", ["image", "model"]), None);
    }
}
