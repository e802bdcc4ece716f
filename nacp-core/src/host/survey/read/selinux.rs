//! What SELinux kept containers from: auditd takes the refusals from the kernel's log into a file of its own.

use super::{Given, Put};
use crate::host::Seen;
use crate::host::survey::Selinux;

const ENFORCE: &str = "/sys/fs/selinux/enforce";
const LOG: &str = "/var/log/audit/audit.log";
const USE_DEVICES: &str = "/sys/fs/selinux/booleans/container_use_devices";
/// So much of the end of the log is read, in bytes.
const TAIL: u64 = 256 << 10;
/// So many refusals are kept, and so many characters of each.
const MOST: usize = 20;
const LINE: usize = 512;

pub(super) fn read(given: &Given) -> Put {
    let root = &given.root;
    if !root.exists(ENFORCE) {
        let absent = Selinux { denials: Seen::Absent, use_devices: Seen::Absent };
        return Box::new(move |survey| survey.selinux = absent);
    }
    let facts = Selinux {
        denials: root.tail(LOG, TAIL).map(|text| denials(&text)),
        use_devices: root.text_within(USE_DEVICES, 16).then(|text| switch(&text)),
    };
    Box::new(move |survey| survey.selinux = facts)
}

/// The refusals that name an NVIDIA device.
fn denials(text: &str) -> Vec<String> {
    let about = |line: &&str| line.contains("avc:") && line.contains("denied") && line.contains("nvidia");
    let lines: Vec<&str> = text.lines().filter(about).collect();
    let newest = &lines[lines.len().saturating_sub(MOST)..];
    newest.iter().map(|line| line.chars().filter(|it| !it.is_control()).take(LINE).collect()).collect()
}

/// The first number of a boolean is what counts now, the second what was asked for.
fn switch(text: &str) -> Result<bool, String> {
    match text.split_whitespace().next() {
        Some("1") => Ok(true),
        Some("0") => Ok(false),
        _ => Err("it is neither 0 nor 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_refusals_of_a_gpu_are_kept_and_the_newest_of_many() {
        let gpu = "type=AVC msg=audit(1.0:1): avc:  denied  { read } for comm=\"x\" name=\"nvidiactl\"";
        let text = format!("type=AVC avc: denied name=\"fuse\"\ntype=SYSCALL exe=\"/usr/bin/nvidia-smi\"\n{gpu}\n");
        assert_eq!(denials(&text), [gpu]);
        let many: String = (0..100).map(|number| format!("{gpu} {number}\n")).collect();
        assert_eq!((denials(&many).len(), denials(&many)[0].ends_with(" 80")), (MOST, true));
    }

    #[test]
    fn a_boolean_is_what_it_is_now() {
        assert_eq!((switch("1 1"), switch("0 1\n")), (Ok(true), Ok(false)));
        assert!(switch("").is_err() && switch("yes").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(avc: denied nvidia)?\\PC*") {
            let _ = (denials(&text), switch(&text));
        }
    }
}
