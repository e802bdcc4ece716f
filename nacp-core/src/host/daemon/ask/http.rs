//! What an HTTP server answers to one request, read from bytes. Pure.

use crate::host::Seen;

/// How much of a daemon's message is told, in characters.
const MESSAGE: usize = 200;
/// The longest head of an answer, in bytes.
const HEAD: usize = 64 << 10;

/// The head and the body of an answer.
fn parted(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer[..answer.len().min(HEAD)].windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]))
}

/// A field of the head of an answer.
pub(in crate::host) fn header<'a>(answer: &'a [u8], name: &str) -> Option<&'a str> {
    field(parted(answer)?.0, name)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Tells when all of an answer is there although the connection is still open. It goes on where it stopped: an answer that
/// comes in many pieces is looked at once.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// How far it has looked for the end of the head.
    searched: usize,
    end: Option<End>,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug)]
enum End {
    /// By the end of the connection.
    Closed,
    /// By its length: so many bytes with the head.
    Length(usize),
    /// By its last piece; the next piece begins here.
    Chunks(usize),
}

impl Watch {
    /// Whether all is there, or nothing more needs to be heard. `answer` is what it was the last time, and more.
    pub(super) fn complete(&mut self, answer: &[u8]) -> bool {
        let end = match self.end {
            Some(end) => end,
            None => match self.head(answer) {
                Some(end) => end,
                // What has no head by now is no answer of an HTTP server, and there is no need to hear more of it.
                None => return answer.len() > HEAD,
            },
        };
        match end {
            End::Closed => false,
            End::Length(length) => answer.len() >= length,
            End::Chunks(next) => {
                let (next, complete) = chunks(answer, next);
                self.end = Some(End::Chunks(next));
                complete
            }
        }
    }

    fn head(&mut self, answer: &[u8]) -> Option<End> {
        let until = answer.len().min(HEAD);
        let from = self.searched.saturating_sub(3).min(until);
        self.searched = until;
        let body = from + answer[from..until].windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&answer[..body - 4]).unwrap_or_default();
        let length = || field(head, "content-length").and_then(|length| length.parse::<usize>().ok());
        let end = match length() {
            _ if is_chunked(head) => End::Chunks(body),
            Some(length) => End::Length(body.saturating_add(length)),
            None => End::Closed,
        };
        self.end = Some(end);
        Some(end)
    }
}

/// Goes over the pieces that are whole: where the next one begins, and whether the last one was there.
fn chunks(answer: &[u8], mut next: usize) -> (usize, bool) {
    loop {
        let rest = answer.get(next..).unwrap_or_default();
        let Some(end) = rest[..rest.len().min(HEAD)].windows(2).position(|two| two == b"\r\n") else {
            return (next, rest.len() >= HEAD);
        };
        match size(&rest[..end]) {
            // What follows the last piece ends with an empty line.
            Some(0) => return (next, rest[end..].windows(4).any(|four| four == b"\r\n\r\n")),
            Some(length) => {
                let Some(after) = next.checked_add(end + 4).and_then(|after| after.checked_add(length)) else {
                    return (next, true);
                };
                if after > answer.len() {
                    return (next, false);
                }
                next = after;
            }
            None => return (next, true),
        }
    }
}

/// The length of a piece, from the line before it.
fn size(line: &[u8]) -> Option<usize> {
    usize::from_str_radix(std::str::from_utf8(line).ok()?.split(';').next()?.trim(), 16).ok()
}

fn is_chunked(head: &str) -> bool {
    field(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
}

/// The body of a success; anything else is why there is none.
pub(in crate::host) fn body(answer: &[u8]) -> Seen<Vec<u8>> {
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
        let length = size(&body[..end])?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(answer: &str) -> Seen<String> {
        body(answer.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_body_is_found_however_it_is_sent() {
        for answer in [
            "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
        ] {
            assert_eq!(text(answer), Seen::Found("{}".into()), "{answer:?}");
        }
        assert_eq!(text("HTTP/1.1 204 No Content\r\n\r\n"), Seen::Found(String::new()));
    }

    #[test]
    fn anything_else_says_why_there_is_no_body() {
        for (answer, why) in [
            ("", "what answers there is no HTTP server"),
            ("SSH-2.0-OpenSSH_9.2p1\r\n\r\n\r\n", "what answers there is no HTTP server"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "the answer ends after 2 bytes"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}", "the answer ends in the middle"),
            (
                "HTTP/1.1 400 Bad Request\r\n\r\n{\"message\":\"client version 1.24 is too old\"}\n",
                "the daemon answers 400: client version 1.24 is too old",
            ),
            (
                "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                "the daemon answers 400: Client sent an HTTP request to an HTTPS server.",
            ),
        ] {
            assert_eq!(text(answer), Seen::Unreadable(why.into()), "{answer:?}");
        }
    }

    #[test]
    fn it_is_known_when_all_is_there() {
        for (answer, whole) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\n{}", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", true),
            // What looks like the end stands in the middle of a piece.
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{0\r\n\r\n", false),
        ] {
            assert_eq!(Watch::default().complete(answer.as_bytes()), whole, "{answer:?}");
        }
        let trailed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\n";
        assert!(Watch::default().complete(trailed.as_bytes()));
        assert!(!Watch::default().complete(&trailed.as_bytes()[..trailed.len() - 2]));
        let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
        assert!(Watch::default().complete(endless.as_bytes()));
    }

    #[test]
    fn what_was_looked_at_is_not_looked_at_again() {
        for head in ["Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "Content-Length: 4\r\n\r\n{}"] {
            let mut answer = format!("HTTP/1.1 200 OK\r\n{head}").into_bytes();
            let mut watch = Watch::default();
            assert!(!watch.complete(&answer));
            answer.fill(b'x');
            answer.extend_from_slice(b"0\r\n\r\n");
            assert!(watch.complete(&answer), "{head:?}");
        }
    }

    #[test]
    fn a_log_is_read_with_and_without_frames() {
        let framed = b"\x01\0\0\0\0\0\0\x03up\n\x02\0\0\0\0\0\0\xc8a long line that was cut";
        assert_eq!(without_frames(framed), "up\na long line that was cut");
        assert_eq!(without_frames(b"plain\nlines\n"), "plain\nlines\n");
        assert_eq!(without_frames(b""), "");
    }

    proptest! {
        #[test]
        fn nothing_panics_on_garbage(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in "HTTP/1[.]1 200 OK(\r\n[a-zA-Z-]{0,20}: ?[a-z0-9]{0,9}){0,3}\r\n\r\n") {
            let answer = [head.as_bytes(), &bytes].concat();
            for answer in [&bytes, &answer] {
                let _ = (body(answer), without_frames(answer));
                let (mut watch, mut told) = (Watch::default(), false);
                for end in 0..=answer.len() {
                    told |= watch.complete(&answer[..end]);
                }
                prop_assert_eq!(told, (0..=answer.len()).any(|end| Watch::default().complete(&answer[..end])));
            }
        }
    }
}
