//! Files of `/proc`, read up to a limit, and what the formats of some of them say.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::ProcessState;
use crate::gpu::{Reading, Unknown};

/// At most `limit` bytes of a file.
pub(super) fn bytes(path: &Path, limit: u64) -> Reading<Vec<u8>> {
    let mut read = Vec::new();
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut read)) {
        Ok(_) => Reading::Known(read),
        Err(error) => Reading::Unknown(refusal(&error)),
    }
}

/// At most `limit` bytes of a file, as text.
pub(super) fn text(path: &Path, limit: u64) -> Reading<String> {
    bytes(path, limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn refusal(error: &io::Error) -> Unknown {
    match error.kind() {
        ErrorKind::PermissionDenied => Unknown::NoPermission,
        // Not there, or gone while it was read.
        _ => Unknown::NotAvailable,
    }
}

/// What `/proc/PID/stat` says: who it is and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) command: String,
    pub(super) state: ProcessState,
    pub(super) ticks: u64,
}

impl Stat {
    /// The name stands in brackets and may hold brackets and blanks itself; the state follows it, and the start is the
    /// twentieth field from there.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (head, fields) = text.rsplit_once(") ")?;
        let (_, command) = head.split_once('(')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = ProcessState::of(fields.next()?.chars().next()?);
        Some(Self { command: command.to_owned(), state, ticks: fields.nth(18)?.parse().ok()? })
    }
}

/// The effective user id in `/proc/PID/status`.
pub(super) fn uid(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The name of a user in `/etc/passwd`.
pub(super) fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The arguments in `/proc/PID/cmdline`. The zeros at the end are what a title has left of a longer command line.
pub(super) fn arguments(bytes: &[u8]) -> Option<Vec<String>> {
    let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    Some(bytes[..end].split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect())
}

/// A variable in `/proc/PID/environ`, where it has a value.
pub(super) fn variable(environ: &[u8], name: &str) -> Option<String> {
    environ.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (VLLM::Engine) 0) S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 91 0 123456 1 2";

    // EPERM, ENOENT, ESRCH and EACCES, as Linux numbers them.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_may_not_be_read_differs_from_what_is_gone() {
        for (code, reason) in [
            (1, Unknown::NoPermission),
            (2, Unknown::NotAvailable),
            (3, Unknown::NotAvailable),
            (13, Unknown::NoPermission),
        ] {
            assert_eq!(refusal(&io::Error::from_raw_os_error(code)), reason, "{code}");
        }
    }

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        let stat = Stat::parse(STAT).unwrap();
        assert_eq!(
            (stat.command.as_str(), stat.state, stat.ticks),
            ("VLLM::Engine) 0", ProcessState::Sleeping, 123_456)
        );
        for cut in ["", "4242", "4242 (x", "4242 (x) ", "4242 (x) S 1 2 3"] {
            assert_eq!(Stat::parse(cut), None, "{cut:?}");
        }
    }

    #[test]
    fn the_effective_user_counts() {
        assert_eq!(uid("Name:\tx\nUid:\t1000\t0\t1000\t1000\nGid:\t7\t7\t7\t7\n"), Some(0));
        assert_eq!(uid("Name:\tx\n"), None);
        let passwd = "root:x:0:0:root:/root:/bin/sh\n+::\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(user_name(passwd, 7), None);
    }

    #[test]
    fn arguments_end_at_zeros_and_may_be_empty() {
        assert_eq!(arguments(b"python\0-c\0\0x\0").unwrap(), ["python", "-c", "", "x"]);
        assert_eq!(arguments(b"ray::train\0\0\0\0").unwrap(), ["ray::train"]);
        assert_eq!(arguments(b"\0\0"), None);
        assert_eq!(arguments(b""), None);
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environ = b"XHOSTNAME=a\0HOSTNAME2=b\0HOSTNAME=trainer-0\0POD_NAME=\0";
        assert_eq!(variable(environ, "HOSTNAME").as_deref(), Some("trainer-0"));
        assert_eq!(variable(environ, "POD_NAME"), None);
    }
}
