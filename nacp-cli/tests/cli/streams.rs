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

/// Prose is as wide as `COLUMNS` says; only what is copied, a command or an address, and single words may be longer.
#[test]
fn prose_is_as_wide_as_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("nacp.lock").display().to_string();
    let machine = |name: &str| crate::snapshots::fixtures().join("hosts").join(name).display().to_string();
    let (here, other) = (machine("bare-metal-docker"), machine("wsl2-docker"));
    assert_eq!(nacp(&["lock", "-o", &lock, "--root", &here]).code, Some(0));
    let desktop = machine("docker-desktop-linux");
    for columns in [60, 80, 140] {
        for arguments in [
            &["doctor", "--root", &desktop][..],
            &["explain", "D08", "--root", &here],
            &["decide", "--root", &here],
            &["verify", &lock, "--root", &other],
        ] {
            let done = program(arguments).env("COLUMNS", columns.to_string()).output().unwrap();
            let text = String::from_utf8(done.stdout).unwrap();
            // Commands stand nine columns in, alone.
            let is_copied = |line: &str| line.starts_with("         ") && arguments[0] != "verify";
            let single = |line: &str| line.split_whitespace().filter(|word| !matches!(*word, "-" | "why:")).count() < 2;
            let wide: Vec<&str> = text
                .lines()
                .filter(|line| line.chars().count() > columns && !is_copied(line) && !single(line))
                .collect();
            assert!(wide.is_empty(), "{arguments:?} in {columns}: {wide:#?}");
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest + 20 > columns.min(100), "{arguments:?} in {columns} is only {widest} wide");
        }
    }
}
