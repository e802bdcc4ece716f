use std::collections::VecDeque;
use std::io::{self, Write};

use super::*;
use crate::gpu::kernel_log::What;

const SOON: Duration = Duration::from_millis(40);

fn xid(sequence: u64, code: u32) -> String {
    format!(
        "4,{sequence},1000000,-;NVRM: Xid (PCI:0000:05:00): {code}, Ch 1\n SUBSYSTEM=pci\n DEVICE=+pci:0000:05:00.0\n"
    )
}

fn other(sequence: u64) -> String {
    format!("6,{sequence},1000000,-;usb 1-1: new device\n")
}

fn code(entry: Option<Entry>) -> Option<u32> {
    match entry {
        Some(Entry::Event(KernelEvent { what: What::Xid { code, .. }, .. })) => Some(code),
        None => None,
        Some(entry) => panic!("{entry:?}"),
    }
}

/// A log that gives what it is told, as `/dev/kmsg` does: a record, or an error, at each call.
struct Script(VecDeque<io::Result<Vec<u8>>>);

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let record = self.0.pop_front().unwrap_or_else(|| Err(IoErrorKind::WouldBlock.into()))?;
        buffer[..record.len()].copy_from_slice(&record);
        Ok(record.len())
    }
}

impl Seek for Script {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

fn script(steps: impl IntoIterator<Item = io::Result<String>>) -> KernelLog {
    let steps = steps.into_iter().map(|step| step.map(String::into_bytes)).collect();
    KernelLog::over(Script(steps), Path::new("script"))
}

#[test]
fn a_file_is_read_to_its_end_and_then_on() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all([other(1), xid(2, 31), other(3), xid(4, 79)].concat().as_bytes()).unwrap();
    let mut log = KernelLog::open(file.path()).unwrap();
    assert_eq!(code(log.next(Duration::ZERO).unwrap()), Some(31));
    assert_eq!(code(log.next(Duration::ZERO).unwrap()), Some(79));
    let start = Instant::now();
    assert_eq!(log.next(SOON).unwrap(), None);
    assert!(start.elapsed() >= SOON);
    file.write_all(xid(5, 94).as_bytes()).unwrap();
    assert_eq!(code(log.next(SOON).unwrap()), Some(94));
}

#[test]
fn from_now_leaves_out_what_was_before_and_from_start_brings_it_back() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(xid(1, 31).as_bytes()).unwrap();
    let mut log = KernelLog::open(file.path()).unwrap().from_now().unwrap();
    assert_eq!(log.next(Duration::ZERO).unwrap(), None);
    file.write_all(xid(2, 79).as_bytes()).unwrap();
    assert_eq!(code(log.next(Duration::ZERO).unwrap()), Some(79));
    let mut log = log.from_start().unwrap();
    assert_eq!(code(log.next(Duration::ZERO).unwrap()), Some(31));
}

#[test]
fn a_line_in_pieces_is_put_together() {
    let whole = xid(1, 31);
    let (first, second) = whole.split_at(30);
    let mut log = script([Ok(first.to_owned()), Err(IoErrorKind::WouldBlock.into()), Ok(second.to_owned())]);
    assert_eq!(log.next(Duration::ZERO).unwrap(), None);
    assert_eq!(code(log.next(Duration::ZERO).unwrap()), Some(31));
}

#[test]
fn messages_that_were_overwritten_are_told_and_counted() {
    let lost = || Err(IoErrorKind::BrokenPipe.into());
    let mut log = script([Ok(other(10)), lost(), Ok(xid(15, 79)), Ok(xid(16, 31)), lost(), Ok(other(18))]);
    assert_eq!(log.next(SOON).unwrap(), Some(Entry::Lost { messages: Some(4) }));
    assert_eq!(code(log.next(SOON).unwrap()), Some(79));
    assert_eq!(code(log.next(SOON).unwrap()), Some(31));
    assert_eq!(log.next(SOON).unwrap(), Some(Entry::Lost { messages: Some(1) }));
    assert_eq!(log.next(SOON).unwrap(), None);
    let mut log = script([lost(), Ok(xid(15, 79))]);
    assert_eq!(log.next(SOON).unwrap(), Some(Entry::Lost { messages: None }));
    assert_eq!(code(log.next(SOON).unwrap()), Some(79));
}

#[test]
fn a_gap_that_the_kernel_did_not_make_is_no_loss() {
    let mut log = script([Ok(xid(1, 31)), Ok(xid(900, 79))]);
    assert_eq!(code(log.next(SOON).unwrap()), Some(31));
    assert_eq!(code(log.next(SOON).unwrap()), Some(79));
}

#[test]
fn an_interruption_is_no_end_and_a_broken_log_is_an_error() {
    let mut log = script([Err(IoErrorKind::Interrupted.into()), Ok(xid(1, 31)), Err(io::Error::other("on fire"))]);
    assert_eq!(code(log.next(Duration::ZERO).unwrap()), Some(31));
    let error = log.next(SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "the kernel's log cannot be read: path=script reason=on fire");
}

#[test]
fn a_flood_of_others_ends_at_the_limit() {
    let mut log = script((0..3 * PIECES as u64).map(|sequence| Ok(other(sequence))));
    assert_eq!(log.next(Duration::ZERO).unwrap(), None);
    assert_eq!(log.next.unwrap(), PIECES as u64);
}

#[test]
fn a_line_without_end_takes_no_more_than_its_share() {
    let endless = (0..100).map(|_| Ok("NVRM: x".repeat(1000)));
    let mut log = script(endless.chain([Ok("\n".to_owned()), Ok(xid(1, 31))]));
    assert!(matches!(log.next(SOON).unwrap(), Some(Entry::Event(KernelEvent { what: What::Other, .. }))));
    assert_eq!(code(log.next(SOON).unwrap()), Some(31));
    assert!(log.read.capacity() <= 4 * CHUNK, "{}", log.read.capacity());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_without_waiting_for_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kmsg");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut log = KernelLog::open(&path).unwrap().from_now().unwrap();
    assert_eq!(log.next(SOON).unwrap(), None);
    let mut writer = File::options().write(true).open(&path).unwrap();
    writer.write_all(xid(1, 79).as_bytes()).unwrap();
    assert_eq!(code(log.next(Duration::from_secs(5)).unwrap()), Some(79));
    assert_eq!(log.next(SOON).unwrap(), None);
}

#[test]
fn who_may_not_read_the_log_is_told_what_would_help() {
    let denied = refused(Path::new(KernelLog::PATH), io::Error::from_raw_os_error(1));
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
    assert!(denied.to_string().contains("path=/dev/kmsg; run as root or with the capability CAP_SYSLOG"), "{denied}");
    let absent = KernelLog::open("/nonexistent/kmsg").unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert_eq!(absent.get("path"), Some("/nonexistent/kmsg"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_log_of_this_machine_is_read_or_refused_with_a_reason() {
    match KernelLog::open(KernelLog::PATH) {
        Ok(log) => {
            let mut log = log.from_start().unwrap();
            let first = log.next(Duration::ZERO).unwrap();
            assert!(first.is_some() || log.next.is_some(), "the log of a running kernel has messages");
            log.from_now().unwrap().next(Duration::ZERO).unwrap();
        }
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::Unsupported),
                "{error}"
            );
        }
    }
}
