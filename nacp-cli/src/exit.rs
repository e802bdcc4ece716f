//! How the program ends.

use std::process::ExitCode;

use nacp_core::ErrorKind;

macro_rules! exits {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// How the program ends: what a script or a CI job may conclude from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Exit {
            $(#[doc = $meaning] $name = $code,)*
        }

        impl Exit {
            /// Every way to end, in the order of its number.
            pub const ALL: &'static [Exit] = &[$(Exit::$name),*];

            /// What it means, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Exit::$name => $meaning),* }
            }
        }
    };
}

exits! {
    Fine = 0, "what was asked for is so, or is done";
    NotSo = 1, "it is not so: a check fails, something is broken or missing, or drifts";
    NotUnderstood = 2, "the command line, or a file that it names, was not understood";
    NotKnown = 3, "it could not be found out, or not in time";
    Failed = 4, "the machine failed: driver, container engine, file system";
    Interrupted = 130, "stopped by Ctrl-C";
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// How the program ends on an error of this kind.
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => Self::NotUnderstood,
            ErrorKind::NotFound | ErrorKind::ResourceExhausted | ErrorKind::ServiceFailed => Self::NotSo,
            ErrorKind::Timeout => Self::NotKnown,
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// The table of all of them, for `--help`.
    pub(crate) fn table() -> String {
        let rows = Self::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
        format!("Ends with:\n{}", rows.collect::<Vec<_>>().join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
