//! One question to a daemon and its answer, within a limit of time and of bytes.
//!
//! This is no HTTP client. It sends one request and reads to the end of the connection, so that a diagnosis works without
//! a runtime, and where a client library would refuse an answer for a field that it does not know.
#![expect(clippy::disallowed_methods, reason = "an exchange has a limit of time and a thread of its own")]

mod http;
#[cfg(test)]
mod tests;

use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(in crate::host) use self::http::{body, header, without_frames};
use crate::host::Seen;

/// The most that is read of an answer, in bytes.
const MOST: u64 = 8 << 20;
/// The longest limit; a longer one is this one.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A question that is under way.
pub(in crate::host) struct Pending {
    heard: Result<Receiver<Result<Vec<u8>, IoError>>, String>,
    until: Instant,
    limit: Duration,
}

/// Begins to ask a daemon: `GET path`, within `limit` from now.
pub(in crate::host) fn begin(endpoint: &str, path: &str, limit: Duration) -> Pending {
    begin_with(endpoint, "GET", path, None, limit)
}

/// Asks a daemon to do something, with a body of JSON where there is one, and waits for what it answers. `method` and
/// `path` go into the request as they are.
#[cfg(feature = "doctor")]
pub(in crate::host) fn exchange(
    endpoint: &str,
    method: &str,
    path: &str,
    json: Option<&str>,
    limit: Duration,
) -> Seen<Vec<u8>> {
    begin_with(endpoint, method, path, json, limit).wait()
}

fn begin_with(endpoint: &str, method: &str, path: &str, json: Option<&str>, limit: Duration) -> Pending {
    let limit = limit.min(LONGEST);
    let until = Instant::now() + limit;
    let heard = Address::of(endpoint).and_then(|address| {
        let body = json.map_or_else(String::new, |json| {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}", json.len())
        });
        let end = if body.is_empty() { "Content-Length: 0\r\n\r\n" } else { &body };
        let end = if method == "GET" { "\r\n" } else { end };
        let head = format!("{method} {path} HTTP/1.0\r\nHost: docker\r\nAccept: */*\r\nConnection: close\r\n");
        send(address, head + end, until)
    });
    Pending { heard, until, limit }
}

/// Why nobody at this address is ever asked.
pub(in crate::host) fn never(endpoint: &str) -> Option<String> {
    Address::of(endpoint).err()
}

/// Sends a request in a thread of its own. Connecting to a socket that nobody serves, looking up a name and reading a
/// pipe of Windows have no limit of their own: a thread that hangs there is left to itself.
fn send(address: Address, request: String, until: Instant) -> Result<Receiver<Result<Vec<u8>, IoError>>, String> {
    let (said, heard) = channel();
    let exchange = move || said.send(address.exchange(&request, until));
    match thread::Builder::new().name("nacp-ask".into()).spawn(exchange) {
        Ok(_) => Ok(heard),
        Err(error) => Err(format!("no thread to ask with: {error}")),
    }
}

/// Any exchange with a server at an address.
pub(in crate::host) struct Exchange(Option<Receiver<Result<Vec<u8>, IoError>>>, Instant);

/// Begins to send a request, to be answered until a moment.
pub(in crate::host) fn send_to(address: SocketAddr, request: String, until: Instant) -> Exchange {
    Exchange(send(Address::Tcp(address.to_string()), request, until).ok(), until)
}

impl Exchange {
    /// Waits for the whole answer; none where there is none in time.
    pub(in crate::host) fn wait(self) -> Option<Vec<u8>> {
        self.0?.recv_timeout(self.1.saturating_duration_since(Instant::now())).ok()?.ok()
    }
}

impl Pending {
    /// Waits for what it answers: the body of a success.
    pub(in crate::host) fn wait(self) -> Seen<Vec<u8>> {
        let heard = match self.heard {
            Ok(heard) => heard,
            Err(reason) => return Seen::Unreadable(reason),
        };
        match heard.recv_timeout(self.until.saturating_duration_since(Instant::now())) {
            Ok(Ok(answer)) => http::body(&answer),
            Ok(Err(error)) => refused(&error, self.limit),
            Err(_) => Seen::Unreadable(silent(self.limit)),
        }
    }
}

fn silent(limit: Duration) -> String {
    format!("it does not answer within {} ms", limit.as_millis())
}

fn refused(error: &IoError, limit: Duration) -> Seen<Vec<u8>> {
    match error.kind() {
        IoErrorKind::NotFound => Seen::Absent,
        IoErrorKind::PermissionDenied => {
            Seen::Unreadable("no permission to use the socket; is this user in its group, such as docker?".into())
        }
        IoErrorKind::ConnectionRefused => Seen::Unreadable("nobody listens there; is the daemon running?".into()),
        IoErrorKind::WouldBlock | IoErrorKind::TimedOut => Seen::Unreadable(silent(limit)),
        _ => Seen::Unreadable(error.to_string()),
    }
}

/// Where a daemon listens.
#[derive(Debug, PartialEq, Eq)]
enum Address {
    Unix(String),
    Tcp(String),
    Pipe(String),
}

impl Address {
    /// The address, or why it is not asked.
    fn of(endpoint: &str) -> Result<Self, String> {
        // Docker takes what has no scheme for a machine, unless it is a path.
        let bare = if endpoint.starts_with('/') { "unix" } else { "tcp" };
        let (scheme, rest) = endpoint.split_once("://").unwrap_or((bare, endpoint));
        match scheme {
            "unix" => Ok(Self::Unix(rest.to_owned())),
            "npipe" => Ok(Self::Pipe(rest.replace('/', "\\"))),
            "tcp" | "http" => {
                let authority = rest.split('/').next().unwrap_or_default();
                // A colon within brackets belongs to an address.
                let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
                match port {
                    _ if authority.is_empty() => Err(format!("{endpoint} names no machine")),
                    Some("2376") => Err(format!("{endpoint} is not asked: its port is the one for TLS")),
                    Some(_) => Ok(Self::Tcp(authority.to_owned())),
                    None => Ok(Self::Tcp(format!("{authority}:2375"))),
                }
            }
            "https" => Err(format!("{endpoint} is not asked: it wants TLS")),
            "ssh" => Err(format!("{endpoint} is not asked: it wants a login over ssh")),
            _ => Err(format!("{endpoint} is not asked: {scheme} is no way to a daemon that NACP knows")),
        }
    }

    fn exchange(&self, request: &str, until: Instant) -> Result<Vec<u8>, IoError> {
        match self {
            Self::Unix(path) => unix(path, request, until),
            Self::Pipe(path) => pipe(path, request, until),
            Self::Tcp(authority) => {
                let mut last = IoError::from(IoErrorKind::NotFound);
                for address in authority.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, left(until)?) {
                        Ok(stream) => {
                            let limit = |stream: &TcpStream, time| {
                                stream.set_read_timeout(Some(time))?;
                                stream.set_write_timeout(Some(time))
                            };
                            return converse(stream, limit, request, until);
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

/// The time that is left; an error where there is none.
fn left(until: Instant) -> Result<Duration, IoError> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(IoErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(unix)]
fn unix(path: &str, request: &str, until: Instant) -> Result<Vec<u8>, IoError> {
    use std::os::unix::net::UnixStream;
    let limit = |stream: &UnixStream, time| {
        stream.set_read_timeout(Some(time))?;
        stream.set_write_timeout(Some(time))
    };
    converse(UnixStream::connect(path)?, limit, request, until)
}

#[cfg(not(unix))]
fn unix(_: &str, _: &str, _: Instant) -> Result<Vec<u8>, IoError> {
    Err(IoError::other("sockets of Unix are not asked on this system"))
}

/// All instances of the pipe may be taken: then it is there and busy, and is tried again.
#[cfg(windows)]
fn pipe(path: &str, request: &str, until: Instant) -> Result<Vec<u8>, IoError> {
    const ERROR_PIPE_BUSY: i32 = 231;
    loop {
        match std::fs::OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => return converse(file, |_, _| Ok(()), request, until),
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                thread::sleep(left(until)?.min(Duration::from_millis(10)));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(not(windows))]
fn pipe(_: &str, _: &str, _: Instant) -> Result<Vec<u8>, IoError> {
    Err(IoError::other("pipes of Windows are not asked on this system"))
}

/// Sends the request and reads to the end, `limit` telling the stream how long each step may take.
fn converse<S: Read + Write>(
    mut stream: S,
    limit: impl Fn(&S, Duration) -> Result<(), IoError>,
    request: &str,
    until: Instant,
) -> Result<Vec<u8>, IoError> {
    limit(&stream, left(until)?)?;
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut buffer, mut watch) = (Vec::new(), [0; 16 << 10], http::Watch::default());
    loop {
        limit(&stream, left(until)?)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            // Windows says so where the other end has closed a pipe.
            Err(error) if error.kind() == IoErrorKind::BrokenPipe => return Ok(answer),
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > MOST {
            return Err(IoError::other(format!("it answers with more than {MOST} bytes")));
        }
        if watch.complete(&answer) {
            return Ok(answer);
        }
    }
}
