//! What the kernel wrote about GPUs.

use super::{Given, Put};
use crate::error::ErrorKind;
use crate::gpu::kernel_log::{KernelEvent, KernelLog, parse};
use crate::host::Seen;

/// So many lines are kept, the newest.
const MOST: usize = 200;
/// So much is kept of a line, in bytes.
const LINE: usize = 512;

pub(super) fn read(given: &Given) -> Put {
    let root = &given.root;
    let text = match root.answer("kernel.log") {
        Seen::NotAsked if root.is_this_machine() => here(),
        text => text,
    };
    let (log, events) = match text.map(|text| of(&text)) {
        Seen::Found((lines, events)) => (Seen::Found(lines), events),
        other => (other.map(|(lines, _)| lines), Vec::new()),
    };
    Box::new(move |survey| {
        survey.kernel.log = log;
        survey.kernel.events = events;
    })
}

fn here() -> Seen<String> {
    match KernelLog::open(KernelLog::PATH).and_then(|mut log| log.lines()) {
        Ok(lines) => Seen::Found(lines.join("\n")),
        Err(error) if error.kind() == ErrorKind::NotFound => Seen::Absent,
        Err(error) => Seen::Unreadable(error.to_string()),
    }
}

/// The lines that speak of a GPU or of a module that was refused, and what they say.
fn of(text: &str) -> (Vec<String>, Vec<KernelEvent>) {
    let about = |line: &&str| ["NVRM", "nvidia", "nouveau", "Key was rejected"].iter().any(|word| line.contains(word));
    // A line that begins with a blank belongs to the record before it and names its device.
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(' ')).filter(about).collect();
    let newest = &lines[lines.len().saturating_sub(MOST)..];
    let events = newest.iter().filter_map(|line| parse(line)).collect();
    (newest.iter().map(|line| message(line)).collect(), events)
}

/// A line without what the log puts in front of the message: a record's numbers, or a time with the machine's name.
fn message(line: &str) -> String {
    let numbers = |head: &str| {
        head.contains(',') && head.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-' | b'c'))
    };
    let message = match line.split_once(';') {
        Some((head, message)) if numbers(head) => message,
        _ => line.split_once(" kernel: ").map_or(line, |(_, message)| message),
    };
    let end = message.char_indices().map(|(at, it)| at + it.len_utf8()).take_while(|end| *end <= LINE).last();
    message[..end.unwrap_or(0)].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gpu::kernel_log::What;

    #[test]
    fn only_lines_about_gpus_are_kept_without_the_machine_s_name() {
        let text = "6,1,2,-;usb 1-1: new device\n\
            4,1907,96642233,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=812, name=python, GPU has fallen off the bus.\n\
            Nov 24 10:00:00 workstation-of-ada kernel: nouveau 0000:01:00.0: enabled\n\
            [    8.1] nvidia: loading out-of-tree module taints kernel.\n\
            6,9,9,-;Loading of module with unavailable key is rejected; modprobe: Key was rejected by service\n";
        let (lines, events) = of(text);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "nouveau 0000:01:00.0: enabled");
        assert!(lines[0].starts_with("NVRM: Xid"), "{}", lines[0]);
        assert!(lines[3].starts_with("Loading of module"), "{}", lines[3]);
        assert!(matches!(events[..], [KernelEvent { what: What::Xid { code: 79, .. }, .. }]), "{events:?}");
    }

    #[test]
    fn the_newest_lines_of_a_long_log_are_kept() {
        let text: String = (0..1000).map(|number| format!("NVRM: message {number}\n")).collect();
        let (lines, _) = of(&text);
        assert_eq!((lines.len(), lines[0].as_str()), (MOST, "NVRM: message 800"));
        assert_eq!(of(&format!("NVRM: {}", "é".repeat(LINE))).0[0].len(), LINE);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(6,1,2,-;)?(NVRM|nvidia)?\\PC*") {
            of(&text);
        }
    }
}
