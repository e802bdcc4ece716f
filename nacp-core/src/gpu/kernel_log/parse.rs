//! One line of the kernel's log.

use std::borrow::Cow;
use std::time::Duration;

use super::{KernelEvent, What, pci};

/// More than a message of the kernel can have; of a longer line the rest is left out.
pub(super) const LINE: usize = 8 * 1024;
/// The level *error*; lower is worse.
const ERROR: u8 = 3;
/// The level *warning*, which a message has that was given none, such as those of the module `nvidia`.
const WARNING: u8 = 4;

/// What a line of the kernel's log tells of NVIDIA's modules; nothing for a line of anybody else, for a good tiding, and
/// for a line that continues a record of `/dev/kmsg`.
///
/// A line is a record of `/dev/kmsg` (`priority,sequence,microseconds,flags;message`), a line of `dmesg` with or without
/// a time (`[ 12.345678] message`), or one of the journal or a syslog file (`… host kernel: message`). In a log of
/// programs only the kernel's own lines count.
pub fn parse(line: &str) -> Option<KernelEvent> {
    let line = line[..line.floor_char_boundary(LINE)].lines().next()?;
    let (head, message) = record(line).or_else(|| printed(line))?;
    let what = told(&message, head.level)?;
    Some(KernelEvent {
        sequence: head.sequence,
        since_boot: head.since_boot,
        injected: head.injected,
        message: message.into_owned(),
        what,
    })
}

/// What the log puts in front of a message.
#[derive(Default)]
pub(super) struct Head {
    pub(super) sequence: Option<u64>,
    since_boot: Option<Duration>,
    injected: bool,
    level: Option<u8>,
}

/// A record of `/dev/kmsg`. The facility is the kernel's own, 0, unless a program has written the message.
pub(super) fn record(line: &str) -> Option<(Head, Cow<'_, str>)> {
    let (head, message) = line.split_once(';')?;
    let mut fields = head.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let head = Head {
        sequence: Some(fields.next()?.parse().ok()?),
        since_boot: Some(Duration::from_micros(fields.next()?.parse().ok()?)),
        injected: priority >> 3 != 0,
        level: u8::try_from(priority & 7).ok(),
    };
    Some((head, unescaped(message)))
}

/// The message of a record, where `\x0a` and the like stand for bytes that are not printed.
fn unescaped(message: &str) -> Cow<'_, str> {
    if !message.contains("\\x") {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.strip_prefix(b"x").filter(|_| *first == b'\\').and_then(|digits| digits.first_chunk::<2>());
        let code = code.filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        let byte = code.and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// A line as `dmesg`, the journal or a syslog file has it.
fn printed(line: &str) -> Option<(Head, Cow<'_, str>)> {
    let mut head = Head::default();
    let mut rest = match line.split_once(" kernel: ") {
        // A blank after a colon ends the name of the program that wrote the line: then it was not the kernel.
        Some((before, after)) if !before.contains(": ") && !before.starts_with('[') => after,
        _ => line,
    };
    if let Some((level, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        head.level = level.parse::<u32>().ok().and_then(|priority| u8::try_from(priority & 7).ok());
        rest = after;
    }
    if let Some((time, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        // Some kernels put the thread into brackets of its own after the time.
        head.since_boot = seconds(time.split(']').next().unwrap_or(time).trim());
        rest = after;
    }
    Some((head, Cow::Borrowed(rest)))
}

/// `966.503025` as a time. A time of day, which `dmesg -T` has, is none from the machine's start.
fn seconds(text: &str) -> Option<Duration> {
    let (seconds, micros) = text.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if micros.len() != 6 || !digits(micros) || !digits(seconds) {
        return None;
    }
    Duration::from_secs(seconds.parse().ok()?).checked_add(Duration::from_micros(micros.parse().ok()?))
}

/// What a message tells, at this level.
fn told(message: &str, level: Option<u8>) -> Option<What> {
    let Some(text) = message.strip_prefix("NVRM: ") else {
        let module = message.strip_prefix("nvidia")?;
        let error = level.is_some_and(|level| level <= ERROR);
        return sxid(module).or((is_module(module) && error).then_some(What::Other));
    };
    if let Some(xid) = xid(text) {
        return Some(xid);
    }
    if text.contains("fallen off the bus") {
        return Some(What::FellOffBus { pci: pci::first(text) });
    }
    if text.contains("API mismatch") {
        let mut versions = text.split("version ").skip(1).filter_map(version);
        return Some(What::ModuleMismatch { client: versions.next(), module: versions.next() });
    }
    let error = level.is_none_or(|level| level <= WARNING) && !text.starts_with("loading ");
    error.then_some(What::Other)
}

/// Whether what follows `nvidia` in a message ends the name of a module or of its device.
fn is_module(after: &str) -> bool {
    after.starts_with([':', ' ']) || (after.starts_with('-') && after.contains(':'))
}

/// `Xid (PCI:0000:3b:00 GPU-I:05 GPU-CI:01): 94, pid=7194, name=python, Contained: …`; without what is not known, and
/// without `PCI:` in old drivers.
fn xid(text: &str) -> Option<What> {
    let (place, rest) = text.strip_prefix("Xid (")?.split_once("): ")?;
    let mut place = place.split(' ');
    let pci = pci::normalised(place.next()?)?;
    let (mut gpu_instance, mut compute_instance) = (None, None);
    for word in place {
        match word.split_once(':') {
            Some(("GPU-I", number)) => gpu_instance = number.parse().ok(),
            Some(("GPU-CI", number)) => compute_instance = number.parse().ok(),
            _ => {}
        }
    }
    let (code, mut rest) = number(rest)?;
    let pid = field(&mut rest, "pid=").and_then(|pid| pid.parse().ok());
    let process = field(&mut rest, "name=").filter(|name| *name != "<unknown>").map(str::to_owned);
    Some(What::Xid { pci, gpu_instance, compute_instance, code, pid, process, detail: rest.to_owned() })
}

/// `-nvswitch3: SXid (PCI:0000:05:00.0): 12028, Non-fatal, Link 32 …`, after `nvidia`.
fn sxid(module: &str) -> Option<What> {
    let (_, text) = module.strip_prefix("-nvswitch")?.split_once(": SXid (")?;
    let (place, rest) = text.split_once("): ")?;
    let pci = pci::normalised(place)?;
    let (code, detail) = number(rest)?;
    let fatal = match detail.split([',', ' ']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "fatal" => Some(true),
        "non-fatal" | "nonfatal" => Some(false),
        _ => None,
    };
    Some(What::Sxid { pci, code, fatal, detail: detail.to_owned() })
}

/// A number and what follows it after a comma.
fn number(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.split_once(',').unwrap_or((text, ""));
    Some((number.trim().parse().ok()?, rest.trim()))
}

/// The value of a field at the beginning of `rest`, which is then cut off.
fn field<'a>(rest: &mut &'a str, name: &str) -> Option<&'a str> {
    let text = rest.strip_prefix(name)?;
    let (value, after) = text.split_once(',').unwrap_or((text, ""));
    *rest = after.trim();
    Some(value.trim())
}

/// The version at the beginning of a text, such as `550.54.14,`.
fn version(text: &str) -> Option<String> {
    let version = text.split_ascii_whitespace().next()?.trim_end_matches(['.', ',']);
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests;
