//! A daemon on a machine that is reached with `ssh`: each connection is one `ssh HOST docker system dial-stdio`, as the
//! command `docker` does it. Keys, known hosts and aliases are those of the user's own `ssh`.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A machine as `ssh` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ssh {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    socket: Option<String>,
}

impl Ssh {
    /// Reads `[user@]host[:port][/path/of/a.sock]`; nothing for anything else, such as a password.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (authority, socket) = text.split_at(text.find('/').unwrap_or(text.len()));
        let (user, machine) = match authority.split_once('@') {
            Some((user, machine)) => (Some(user), machine),
            None => (None, authority),
        };
        let (host, port) = match machine.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (machine, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let word = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%:".contains(&byte);
            !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain)
        };
        if !word(host) || user.is_some_and(|user| !word(user) || user.contains(':')) {
            return None;
        }
        let path = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if !socket.bytes().all(path) {
            return None;
        }
        let socket = (socket.len() > 1).then(|| socket.to_owned());
        Some(Self { user: user.map(str::to_owned), host: host.to_owned(), port, socket })
    }

    /// The arguments of `ssh`. It asks for no password: nobody is there to type it.
    fn arguments(&self) -> Vec<String> {
        let mut all =
            vec!["-o".to_owned(), "BatchMode=yes".to_owned(), "-o".to_owned(), "ConnectTimeout=30".to_owned()];
        let mut option = |name: &str, value: String| all.extend([name.to_owned(), value]);
        if let Some(user) = &self.user {
            option("-l", user.clone());
        }
        if let Some(port) = self.port {
            option("-p", port.to_string());
        }
        all.extend(["-T", "--", &self.host, "docker"].map(str::to_owned));
        if let Some(socket) = &self.socket {
            all.extend(["--host".to_owned(), format!("unix://{socket}")]);
        }
        all.extend(["system", "dial-stdio"].map(str::to_owned));
        all
    }

    /// A connection: it ends when it is dropped, and `ssh` with it.
    pub(super) fn open(&self) -> io::Result<Dialled> {
        let mut child = Command::new("ssh")
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    io::Error::new(io::ErrorKind::Unsupported, "the program ssh is not installed")
                }
                _ => error,
            })?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Dialled { _child: child, input, output }),
            _ => Err(io::Error::other("ssh has no pipes")),
        }
    }
}

/// What a program reads and writes, as one connection.
#[derive(Debug)]
pub(super) struct Dialled {
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl AsyncRead for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, into)
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_called_as_docker_calls_it() {
        for (address, called) in [
            ("gpu-7", "-T -- gpu-7 docker system dial-stdio"),
            ("ada@gpu-7:2222", "-l ada -p 2222 -T -- gpu-7 docker system dial-stdio"),
            ("[fe80::1]:22", "-p 22 -T -- fe80::1 docker system dial-stdio"),
            (
                "gpu-7/run/user/7/docker.sock",
                "-T -- gpu-7 docker --host unix:///run/user/7/docker.sock system dial-stdio",
            ),
        ] {
            let told = Ssh::parse(address).unwrap().arguments().join(" ");
            assert_eq!(told, format!("-o BatchMode=yes -o ConnectTimeout=30 {called}"));
        }
    }

    #[test]
    fn nothing_becomes_an_option_or_a_command() {
        for address in ["", "-oProxyCommand=x", "ada:secret@gpu-7", "@gpu-7", "-l@x", "gpu-7;ls", "gpu 7", "gpu-7/a;b"]
        {
            assert_eq!(Ssh::parse(address), None, "{address}");
        }
        assert_eq!(Ssh::parse("gpu-7:many"), None);
    }
}
