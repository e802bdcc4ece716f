//! Where the daemon is, how a connection to it is opened, and whether it is on this machine.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::ssh::Ssh;
use super::tls::Tls;

/// The address of a daemon.
#[derive(Clone, Debug)]
pub(super) enum Address {
    /// A Unix socket, or a named pipe of Windows.
    Local(PathBuf),
    /// A TCP port.
    Tcp(String, u16),
    /// A TCP port behind TLS.
    Tls(String, u16, Tls),
    /// The daemon of a machine that is reached with `ssh`.
    Ssh(Ssh),
}

/// A connection of any kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Whether an address can be that of a daemon behind TLS, and whether it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    Never,
    Maybe,
    Always,
}

impl Security {
    pub(super) fn of(host: &str) -> Self {
        match host.split_once("://") {
            Some(("https", _)) => Self::Always,
            Some(("tcp", _)) => Self::Maybe,
            _ => Self::Never,
        }
    }
}

impl Address {
    /// Reads `unix://…`, `npipe://…`, `tcp://…`, `http://…`, `https://…` and `ssh://…`; nothing for anything else. What
    /// is behind TLS is only a port until it is [`secured`](Self::secured).
    pub(super) fn parse(host: &str) -> Option<Self> {
        let (scheme, rest) = host.split_once("://")?;
        match scheme {
            "unix" | "npipe" => Some(Self::Local(rest.into())),
            "ssh" => Ssh::parse(rest).map(Self::Ssh),
            "tcp" => port(rest, 2375),
            "http" => port(rest, 80),
            "https" => port(rest, 443),
            _ => None,
        }
    }

    /// The same port, behind TLS.
    pub(super) fn secured(self, tls: Tls) -> Self {
        match self {
            Self::Tcp(name, port) => Self::Tls(name, port, tls),
            other => other,
        }
    }

    /// Whether the daemon's loopback address is this machine's too, as far as its address tells.
    pub(super) fn is_here(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Ssh(_) => false,
            Self::Tcp(name, _) | Self::Tls(name, ..) => {
                name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        }
    }

    /// What a request names as its host.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Local(_) | Self::Ssh(_) => "localhost",
            Self::Tcp(name, _) | Self::Tls(name, ..) => name,
        }
    }

    /// The same as a part of an address.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Local(_) | Self::Ssh(_) => "localhost".to_owned(),
            Self::Tcp(name, port) | Self::Tls(name, port, _) if name.contains(':') => format!("[{name}]:{port}"),
            Self::Tcp(name, port) | Self::Tls(name, port, _) => format!("{name}:{port}"),
        }
    }

    pub(super) async fn open(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            #[cfg(unix)]
            Self::Local(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(windows)]
            Self::Local(path) => Ok(Box::new(tokio::net::windows::named_pipe::ClientOptions::new().open(path)?)),
            Self::Tcp(name, port) => Ok(Box::new(tcp(name, *port).await?)),
            Self::Tls(name, port, tls) => Ok(Box::new(tls.open(name, tcp(name, *port).await?).await?)),
            Self::Ssh(ssh) => Ok(Box::new(ssh.open()?)),
        }
    }
}

async fn tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((name, port)).await
}

/// A name and a port; no user, whose password would be shown.
fn port(rest: &str, usual: u16) -> Option<Address> {
    let uri: http::Uri = format!("http://{rest}").parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    Some(Address::Tcp(name.to_owned(), authority.port_u16().unwrap_or(usual))).filter(|_| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_and_the_loopback_are_here_and_nothing_else_is() {
        for (host, here) in [
            ("unix:///var/run/docker.sock", true),
            ("npipe:////./pipe/docker_engine", true),
            ("tcp://127.0.0.1:2375", true),
            ("tcp://[::1]:2375", true),
            ("http://localhost:2375", true),
            ("https://localhost:2376", true),
            ("tcp://192.0.2.7:2375", false),
            ("tcp://[2001:db8::7]:2375", false),
            ("tcp://gpu.example:2375", false),
            ("tcp://127.0.0.1.example:2375", false),
            ("ssh://ada@localhost", false),
        ] {
            assert_eq!(Address::parse(host).unwrap().is_here(), here, "{host}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for host in ["ftp://host", "/var/run/docker.sock", "tcp://", "tcp://a b", "tcp://ada:secret@host:1", "ssh://"] {
            assert!(Address::parse(host).is_none(), "{host}");
        }
        for (host, authority) in [
            ("tcp://[::1]:9", "[::1]:9"),
            ("tcp://gpu-7", "gpu-7:2375"),
            ("http://gpu-7/", "gpu-7:80"),
            ("https://gpu-7", "gpu-7:443"),
            ("unix:///run/docker.sock", "localhost"),
        ] {
            assert_eq!(Address::parse(host).unwrap().authority(), authority, "{host}");
        }
    }
}
