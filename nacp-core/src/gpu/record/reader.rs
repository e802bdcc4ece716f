//! Reading a recording, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use zstd::stream::read::Decoder;

use super::format::{FORMAT, Header, Kind, LONGEST, Line, VERSION, WINDOW};
use crate::error::{Error, ErrorKind, Result};

/// How a file that zstd has compressed begins.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// A recording that is being read. It holds one line in memory at a time.
pub(in crate::gpu) struct Reader {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    line: u64,
    text: Vec<u8>,
}

/// What is wrong with a line.
#[derive(Clone, Debug)]
pub(in crate::gpu) struct Damage {
    line: u64,
    message: &'static str,
    reason: String,
}

/// A line as bytes, or that there is no whole one any more.
enum Text {
    Whole,
    /// The file ends in the middle of a line, or before the last one.
    Cut,
}

impl Reader {
    /// Opens a recording and reads its first line.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied),
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for what is no recording or a damaged one,
    /// [`Unsupported`](ErrorKind::Unsupported) for one of a newer format.
    pub(in crate::gpu) fn open(path: &Path) -> Result<(Header, Self)> {
        let input = input(path).map_err(|error| unreadable(path, error))?;
        let mut reader = Self { path: path.to_path_buf(), input, line: 0, text: Vec::new() };
        let foreign = || {
            Error::new(ErrorKind::InvalidArgument, "gpu.replay", "not a recording of GPUs")
                .with("path", path.display())
                .hint("recordings of GPUs are JSON lines, as a rule compressed with zstd")
        };
        match reader.text() {
            Ok(Text::Whole) => {}
            Ok(Text::Cut) if reader.text.starts_with(b"{\"format\":") => {
                return Err(reader.error(&reader.damage("the recording is cut off within its first line", &"no end")));
            }
            Ok(Text::Cut) => return Err(foreign()),
            Err(damage) => return Err(reader.error(&damage)),
        }
        let kind: Kind = reader.parse().map_err(|_| foreign())?;
        if kind.format != FORMAT {
            return Err(foreign().with("format", format_args!("{:?}", kind.format)));
        }
        if !(1..=VERSION).contains(&kind.version) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "gpu.replay",
                "this recording has a format of another version",
            )
            .with("path", path.display())
            .with("version", kind.version)
            .with("known", VERSION)
            .hint(format!("it was written by NACP {}: replay it with that version", kind.nacp)));
        }
        let header = reader.parse().map_err(|damage| reader.error(&damage))?;
        Ok((header, reader))
    }

    /// The next line; nothing where the file is cut off before its end. Before the last line is given out, the checksum
    /// of everything is looked at.
    pub(in crate::gpu) fn next(&mut self) -> Result<Option<Line>, Damage> {
        let line = match self.text()? {
            Text::Whole => self.parse()?,
            Text::Cut => return Ok(None),
        };
        if matches!(line, Line::End { .. }) {
            self.text()?;
            if !self.text.is_empty() {
                return Err(self.damage("the recording is damaged", &"something stands after its end"));
            }
        }
        Ok(Some(line))
    }

    pub(in crate::gpu) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the line that was read last, from 1.
    pub(in crate::gpu) fn line(&self) -> u64 {
        self.line
    }

    /// The error for a line of this file.
    pub(in crate::gpu) fn error(&self, damage: &Damage) -> Error {
        Error::new(ErrorKind::InvalidArgument, "gpu.replay", damage.message)
            .with("path", self.path.display())
            .with("line", damage.line)
            .with("reason", &damage.reason)
            .hint("what stands before this line can be read: cut the file there, or record anew")
    }

    /// Something wrong with the line that was read last.
    pub(in crate::gpu) fn damage(&self, message: &'static str, reason: &dyn ToString) -> Damage {
        Damage { line: self.line, message, reason: reason.to_string() }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, Damage> {
        serde_json::from_slice(&self.text)
            .map_err(|error| self.damage("a line of the recording is not as expected", &error))
    }

    fn text(&mut self) -> Result<Text, Damage> {
        self.line += 1;
        self.text.clear();
        let limit = LONGEST as u64 + 1;
        match self.input.by_ref().take(limit).read_until(b'\n', &mut self.text) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Text::Cut),
            Err(error) => Err(self.damage("the recording is damaged", &error)),
            Ok(_) if self.text.last() == Some(&b'\n') => Ok(Text::Whole),
            Ok(_) if self.text.len() > LONGEST => {
                Err(self.damage("a line of the recording is too long", &format_args!("more than {LONGEST} bytes")))
            }
            Ok(_) => Ok(Text::Cut),
        }
    }
}

/// The text of a recording, decompressed where it is compressed.
fn input(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(File::open(path)?);
    if !file.fill_buf()?.starts_with(&MAGIC) {
        return Ok(Box::new(file));
    }
    let mut decoder = Decoder::with_buffer(file)?;
    decoder.window_log_max(WINDOW)?;
    Ok(Box::new(BufReader::new(decoder)))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::InvalidArgument,
    };
    Error::new(kind, "gpu.replay", "cannot read the recording")
        .with("path", path.display())
        .with("reason", &error)
        .caused_by(error)
}
