//! Where the daemon is, and whether that is this machine.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The address of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A Unix socket, or a named pipe of Windows.
    Local(PathBuf),
    /// A TCP port.
    Tcp(String, u16),
}

/// A connection of either kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Address {
    /// Reads `unix://…`, `npipe://…`, `tcp://…` and `http://…`; nothing for anything else.
    pub(super) fn parse(host: &str) -> Option<Self> {
        let (scheme, rest) = host.split_once("://")?;
        match scheme {
            "unix" | "npipe" => Some(Self::Local(rest.into())),
            "tcp" | "http" => {
                let uri: http::Uri = format!("http://{rest}").parse().ok()?;
                let name = uri.host()?.trim_start_matches('[').trim_end_matches(']');
                Some(Self::Tcp(name.to_owned(), uri.port_u16().unwrap_or(80)))
            }
            _ => None,
        }
    }

    /// Whether the daemon's loopback address is this machine's too, as far as its address tells.
    pub(super) fn is_here(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Tcp(name, _) => {
                name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        }
    }

    /// What a request names as its host.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Local(_) => "localhost",
            Self::Tcp(name, _) => name,
        }
    }

    pub(super) async fn open(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            #[cfg(unix)]
            Self::Local(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(windows)]
            Self::Local(path) => Ok(Box::new(tokio::net::windows::named_pipe::ClientOptions::new().open(path)?)),
            Self::Tcp(name, port) => Ok(Box::new(TcpStream::connect((name.as_str(), *port)).await?)),
        }
    }
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
            ("tcp://192.0.2.7:2375", false),
            ("tcp://[2001:db8::7]:2375", false),
            ("tcp://gpu.example:2375", false),
            ("tcp://127.0.0.1.example:2375", false),
        ] {
            assert_eq!(Address::parse(host).unwrap().is_here(), here, "{host}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for host in ["ssh://user@host", "/var/run/docker.sock", "tcp://", "tcp://a b"] {
            assert_eq!(Address::parse(host), None, "{host}");
        }
        assert_eq!(Address::parse("tcp://[::1]:9"), Some(Address::Tcp("::1".to_owned(), 9)));
    }
}
