//! Where a command reads and writes.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind as IoErrorKind, IsTerminal, Read, Write};

use nacp_core::{Error, ErrorKind};

use crate::failure::{Failure, Outcome};

/// The width of what no terminal shows: that of most terminals' windows.
const WIDTH: u16 = 100;
/// Narrower than this no table can be read.
const NARROWEST: u16 = 40;

/// The standard streams of a command, or what a test or a host program has in their place.
pub struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    input: Box<dyn Read + Send>,
    terminal: Terminal,
    /// Whether the reader of the output has gone away.
    unheard: bool,
}

/// Which of the streams a person looks at, and how wide that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns of the output.
    pub width: u16,
    /// Whether the errors go to a terminal: progress is shown there only.
    pub err: bool,
    /// Whether the input comes from a terminal.
    pub input: bool,
}

impl Streams {
    /// The streams of this process. Tables are as wide as the terminal; elsewhere as `COLUMNS` says, or 100 columns.
    pub fn system() -> Self {
        let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
        let shown = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        let width = shown.or_else(columns).unwrap_or(WIDTH).max(NARROWEST);
        let terminal = Terminal { width, err: io::stderr().is_terminal(), input: io::stdin().is_terminal() };
        Self::new(io::stdout(), io::stderr(), io::stdin(), terminal)
    }

    /// Streams of one's own.
    pub fn new(
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
        input: impl Read + Send + 'static,
        terminal: Terminal,
    ) -> Self {
        Self { out: Box::new(out), err: Box::new(err), input: Box::new(input), terminal, unheard: false }
    }

    pub(crate) fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// Whether nobody reads the output any more, as after `| head`.
    pub(crate) fn unheard(&self) -> bool {
        self.unheard
    }

    /// Writes one text to the output. A reader that has gone away is no failure.
    pub(crate) fn print(&mut self, text: impl Display) -> Outcome<()> {
        let mut text = text.to_string();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(cause) if cause.kind() == IoErrorKind::BrokenPipe => {
                self.unheard = true;
                Ok(())
            }
            Err(cause) => {
                let error = Error::new(ErrorKind::Unsupported, "cli.output", "the output cannot be written");
                Err(Failure::from(error.with("reason", &cause).caused_by(cause)))
            }
            Ok(()) => Ok(()),
        }
    }

    /// Tells something beside the output. What cannot be told is not missed.
    pub(crate) fn note(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{text}").and_then(|()| self.err.flush());
    }

    /// Shows how far it is in one line that the next one replaces, in a terminal only; an empty one clears it.
    pub(crate) fn progress(&mut self, text: impl Display) {
        if self.terminal.err {
            let _ = write!(self.err, "\r\x1b[K{text}").and_then(|()| self.err.flush());
        }
    }

    /// Reads at most so many bytes of the input as text.
    pub(crate) fn read(&mut self, most: u64) -> io::Result<String> {
        let mut bytes = Vec::new();
        (&mut self.input).take(most).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}
