//! One question to a daemon: `GET`, and its answer, within a limit of time and of bytes.
//!
//! This is no HTTP client. It sends one request without a body and reads to the end of the connection, so that a
//! diagnosis works without a runtime, and where a client library would refuse an answer for a field that it does not
//! know.
#![expect(clippy::disallowed_methods, reason = "an exchange has a limit of time and a thread of its own")]

use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Seen;

/// The most that is read of an answer, in bytes.
const MOST: u64 = 8 << 20;
/// How much of a daemon's message is told.
const MESSAGE: usize = 200;

/// What a daemon answers to `GET path`: the body of a success.
pub(in crate::host) fn get(endpoint: &str, path: &str, limit: Duration) -> Seen<Vec<u8>> {
    let address = match Address::of(endpoint) {
        Ok(address) => address,
        Err(reason) => return Seen::Unreadable(reason),
    };
    let until = Instant::now() + limit;
    let request = format!("GET {path} HTTP/1.0\r\nHost: docker\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    // Connecting to a socket that nobody serves, looking up a name and reading a pipe of Windows have no limit of their
    // own: a thread that hangs there is left to itself.
    let (said, heard) = channel();
    let exchange = move || said.send(address.exchange(&request, until));
    if let Err(error) = thread::Builder::new().name("nacp-ask".into()).spawn(exchange) {
        return Seen::Unreadable(format!("no thread to ask with: {error}"));
    }
    match heard.recv_timeout(limit) {
        Ok(Ok(answer)) => body(&answer),
        Ok(Err(error)) => refused(&error, limit),
        Err(_) => Seen::Unreadable(silent(limit)),
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
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("unix", endpoint));
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
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 << 10]);
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
        if complete(&answer) {
            return Ok(answer);
        }
    }
}

/// The head and the body of an answer.
fn parted(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Whether all of it is there although the connection is still open.
fn complete(answer: &[u8]) -> bool {
    let Some((head, body)) = parted(answer) else { return false };
    if is_chunked(head) {
        return without_chunks(body).is_some();
    }
    field(head, "content-length")
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: usize| body.len() >= length)
}

fn is_chunked(head: &str) -> bool {
    field(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
}

/// The body of a success; anything else is why there is none.
fn body(answer: &[u8]) -> Seen<Vec<u8>> {
    let garbled = || Seen::Unreadable("what answers there is no HTTP server".into());
    let Some((head, body)) = parted(answer) else { return garbled() };
    let mut words = head.lines().next().unwrap_or_default().split_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let Some(status) = words.next().and_then(|status| status.parse::<u16>().ok()).filter(|_| is_http) else {
        return garbled();
    };
    let body = if is_chunked(head) { without_chunks(body) } else { Some(body.to_vec()) };
    let length = field(head, "content-length").and_then(|length| length.parse::<usize>().ok());
    match body {
        Some(body) if length.is_some_and(|length| body.len() < length) => {
            Seen::Unreadable(format!("the answer ends after {} bytes", body.len()))
        }
        Some(body) if (200..300).contains(&status) => Seen::Found(body),
        Some(body) => Seen::Unreadable(format!("the daemon answers {status}: {}", message(&body))),
        None => Seen::Unreadable("the answer ends in the middle".into()),
    }
}

/// The message of an error: Docker's field `message`, Podman's `cause` with it, or the text itself.
fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let told = serde_json::from_str::<serde_json::Value>(&text).ok();
    let told = told.as_ref().and_then(|error| error["message"].as_str()).unwrap_or(&text);
    told.trim().chars().take(MESSAGE).collect()
}

/// A body without the lengths between its pieces.
fn without_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&body[..end]).ok()?.split(';').next()?.trim();
        let length = usize::from_str_radix(length, 16).ok()?;
        body = &body[end + 2..];
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(..length)?);
        body = body.get(length..)?.strip_prefix(b"\r\n")?;
    }
}

/// A log as text. Where a container has no terminal, its two streams come in frames: eight bytes, the stream and the
/// length, before each piece.
pub(in crate::host) fn without_frames(log: &[u8]) -> String {
    let mut pieces = Vec::new();
    let mut rest = log;
    while let [0..=2, 0, 0, 0, a, b, c, d, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX).min(after.len());
        pieces.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    pieces.extend_from_slice(rest);
    String::from_utf8_lossy(&pieces).into_owned()
}
