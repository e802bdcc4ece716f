//! The standard input of a child.

use std::io::{self, Write};
use std::process::{ChildStdin, Command, Stdio};

/// The writing end of a child's standard input.
///
/// On Unix it is a socket and no pipe: writing to a child that has died is an error then, also in a program that has
/// not told the system to ignore SIGPIPE, and a child that does not read cannot hold up its parent for ever.
#[derive(Debug)]
pub(super) struct Stdin {
    #[cfg(unix)]
    socket: std::os::unix::net::UnixStream,
    #[cfg(not(unix))]
    pipe: Option<ChildStdin>,
}

#[cfg(unix)]
impl Stdin {
    /// How long a child that does not read may hold up who writes.
    const LIMIT: std::time::Duration = std::time::Duration::from_millis(100);

    pub(super) fn prepare(command: &mut Command) -> io::Result<Self> {
        let (socket, theirs) = std::os::unix::net::UnixStream::pair()?;
        socket.set_write_timeout(Some(Self::LIMIT))?;
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        Ok(Self { socket })
    }

    pub(super) fn attach(&mut self, _: Option<ChildStdin>) {}

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        self.socket.write_all(text.as_bytes())
    }
}

#[cfg(not(unix))]
impl Stdin {
    pub(super) fn prepare(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::piped());
        Ok(Self { pipe: None })
    }

    pub(super) fn attach(&mut self, pipe: Option<ChildStdin>) {
        self.pipe = pipe;
    }

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        let pipe = self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(text.as_bytes())?;
        pipe.flush()
    }
}
