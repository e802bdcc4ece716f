//! Streams that go away, and that nobody looks at.

use std::process::Stdio;

use crate::common::{nacp, program};

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child =
        program(&["metrics", "--node", "h100x8"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = program(&["gpus", "--node", "t4"]).stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(4));
    assert!(
        String::from_utf8_lossy(&done.stderr).starts_with("nacp: the output cannot be written: reason=No space left")
    );
}

#[test]
fn no_colour_and_no_progress_goes_into_a_pipe() {
    for arguments in [&["gpus", "--node", "broken"][..], &["check", "--node", "t4"], &["--help"], &["gpu"]] {
        let done = nacp(arguments);
        assert!(!done.out.contains('\x1b') && !done.err.contains('\x1b'), "{arguments:?}");
        assert!(!done.err.contains('\r'), "{arguments:?}");
    }
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    for node in nacp_core::sim::Node::names() {
        let done = nacp(&["gpus", "--node", node]);
        let rows = done.out.lines().skip_while(|line| !line.starts_with("GPU ")).take_while(|line| !line.is_empty());
        let wide: Vec<&str> = rows.filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
}
