//! The standard input of a child.

use std::io;
#[cfg(unix)]
use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

/// The writing end of a child's standard input. A child that does not read holds nobody up.
///
/// On Unix it is a socket and no pipe: writing to a child that has died is an error then, also in a program that has
/// not told the system to ignore SIGPIPE, and a write has a limit. Elsewhere a thread writes to the pipe: a write that
/// does not end ends with the child.
#[derive(Debug)]
pub(super) struct Stdin {
    #[cfg(unix)]
    socket: std::os::unix::net::UnixStream,
    #[cfg(not(unix))]
    to_write: Option<std::sync::mpsc::Sender<String>>,
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

    #[expect(clippy::unnecessary_wraps, reason = "a thread is started elsewhere")]
    pub(super) fn attach(&mut self, _: Option<ChildStdin>) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        self.socket.write_all(text.as_bytes())
    }
}

#[cfg(not(unix))]
impl Stdin {
    pub(super) fn prepare(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::piped());
        Ok(Self { to_write: None })
    }

    pub(super) fn attach(&mut self, pipe: Option<ChildStdin>) -> io::Result<()> {
        let (to_write, texts) = std::sync::mpsc::channel();
        if let Some(pipe) = pipe {
            std::thread::Builder::new().name("nacp-child-in".into()).spawn(move || write_all(pipe, &texts))?;
        }
        self.to_write = Some(to_write);
        Ok(())
    }

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        let to_write = self.to_write.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        to_write.send(text.to_owned()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Writes each text until nobody sends one any more or the child has closed its end.
#[cfg(any(test, not(unix)))]
fn write_all(mut pipe: impl io::Write, texts: &std::sync::mpsc::Receiver<String>) {
    while let Ok(text) = texts.recv()
        && pipe.write_all(text.as_bytes()).and_then(|()| pipe.flush()).is_ok()
    {}
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn every_text_is_written_and_the_end_ends_it() {
        let (to_write, texts) = channel();
        for text in ["one\n", "two\n"] {
            to_write.send(text.to_owned()).unwrap();
        }
        drop(to_write);
        let mut written = Vec::new();
        write_all(&mut written, &texts);
        assert_eq!(written, b"one\ntwo\n");
    }

    #[test]
    fn a_closed_end_ends_it_and_is_told() {
        struct Closed;
        impl io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (to_write, texts) = channel();
        to_write.send("one".to_owned()).unwrap();
        write_all(Closed, &texts);
        drop(texts);
        assert!(to_write.send("two".to_owned()).is_err());
    }
}
