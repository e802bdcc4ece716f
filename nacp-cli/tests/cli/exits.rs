//! How the program ends, and what it says of a command line that it does not understand.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nacp_cli::Exit;

use crate::common::{nacp, program};

#[test]
fn the_numbers_are_those_of_the_table_and_help_has_all_of_them() {
    let table: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
    assert_eq!(table, [0, 1, 2, 3, 4, 130]);
    let help = nacp(&["--help"]).out;
    for exit in Exit::ALL {
        assert!(help.contains(&format!("{:>3}  {}", exit.code(), exit.meaning())), "{exit:?}\n{help}");
    }
}

#[test]
fn the_book_has_the_same_table() {
    let page = std::fs::read_to_string(crate::common::tests().join("../../docs/cli.md")).unwrap();
    for exit in Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn each_end_has_its_cause() {
    for (arguments, code) in [
        (&["gpus", "--node", "h100x8"][..], 0),
        (&["--version"], 0),
        (&["check", "--node", "t4", "--only", "drv.init"], 0),
        (&["check", "--library", "/nowhere/libcuda.so.1"], 1),
        (&[], 2),
        (&["gpus", "--node", "h100x9"], 2),
        (&["gpus", "--limit", "soon"], 2),
        (&["up", "/nowhere/nacp.yaml"], 2),
        (&["check", "--root", "/"], 2),
        (&["gpus", "--root", "/nowhere"], 2),
        (&["serve", "--host", "0.0.0.0", "--port", "0", "--node", "t4"], 2),
    ] {
        let done = nacp(arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}: {}{}", done.out, done.err);
    }
    let away = |arguments: &[&str]| program(arguments).env("DOCKER_HOST", "unix:///nowhere.sock").output().unwrap();
    assert_eq!(away(&["status"]).status.code(), Some(4));
    assert_eq!(away(&["down", "demo"]).status.code(), Some(4));
}

/// A machine in order whose daemon is another one: `docker-26-1` with what its daemon answers changed.
fn with_daemon(answer: Option<(&str, &str)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    crate::snapshots::copy(&crate::snapshots::fixtures().join("hosts/docker-26-1"), folder.path());
    let daemon = folder.path().join("answers/daemons/0");
    std::fs::write(daemon.join("containers.json"), "[]").unwrap();
    if let Some((name, text)) = answer {
        for gone in ["version.json", "info.json", "containers.json"] {
            let _ = std::fs::remove_file(daemon.join(gone));
        }
        std::fs::write(daemon.join(name), text).unwrap();
    }
    folder
}

/// What nobody could ask is no all-clear: it ends with 3, and the headline says what was not looked at. What is always
/// open, for nobody has reason to ask, ends with 0.
#[test]
fn a_machine_whose_daemon_does_not_answer_has_not_been_found_healthy() {
    let doctor = |folder: &tempfile::TempDir, more: &[&str]| {
        nacp(&[&["doctor", "--root", folder.path().to_str().unwrap()], more].concat())
    };
    let (well, silent) = (with_daemon(None), with_daemon(Some(("error", "permission denied"))));
    let done = doctor(&well, &[]);
    assert_eq!(done.code, Some(0), "{}", done.out);
    let open = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let before = text.split(" could not be looked at").next().unwrap().to_owned();
        before.rsplit(' ').next().unwrap().parse::<u32>().unwrap_or(0)
    };
    let asked = doctor(&silent, &[]);
    assert_eq!(asked.code, Some(3), "{}", asked.out);
    let headline = asked.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(headline.contains("(daemon unix:///var/run/docker.sock: permission denied)"), "{headline}");
    assert!(open(&asked.out) > open(&done.out), "{}\n{}", asked.out, done.out);

    let document: serde_json::Value = serde_json::from_str(&doctor(&silent, &["--json"]).out).unwrap();
    assert_eq!(document["verdict"], "incomplete");
    assert_eq!(document["gaps"][0]["why"], "permission denied", "{}", document["gaps"]);
    let page = std::fs::read_to_string(crate::common::tests().join("../../docs/cli.md")).unwrap();
    assert!(page.contains("with 3 where nothing broken was found and not all could be looked at"));
    let help = nacp(&["doctor", "--help"]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("with 3 where nothing broken was found and not all could be looked at"), "{help}");
}

#[test]
fn a_limit_that_no_clock_can_hold_is_as_good_as_none() {
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart/nacp.yaml");
    let node = "rtx3050ti-laptop-wsl2";
    let machine = with_daemon(None);
    for arguments in [
        &["up", app, "--simulated", "--node", node][..],
        &["gpus", "--node", node],
        &["check", "--only", "drv.init", "--node", node],
        &["doctor", "--root", machine.path().to_str().unwrap()],
        &["decide", "--root", machine.path().to_str().unwrap()],
    ] {
        let done = nacp(&[arguments, &["--limit", "1e19"]].concat());
        assert_eq!(done.code, Some(0), "{arguments:?}: {}{}", done.out, done.err);
    }
}

#[test]
fn what_is_not_understood_is_told_in_one_line_with_what_was_meant() {
    for (arguments, said) in [
        (&["gpu"][..], "nacp: unrecognized subcommand 'gpu'; did you mean gpus?"),
        (&["gpus", "--nod", "t4"], "nacp: unexpected argument '--nod' found; did you mean --node?"),
        (&["frobnicate"], "nacp: unrecognized subcommand 'frobnicate'; see nacp --help"),
        (&["logs"], "nacp: the following required arguments were not provided: <SERVICE>; see nacp logs --help"),
        (
            &["gpus", "--node", "t4", "--root", "/"],
            "nacp: the argument '--node <NAME|FILE>' cannot be used with '--root <DIR>'; see nacp gpus --help",
        ),
        (
            &["gpus", "--watch", "0"],
            "nacp: invalid value '0' for '--watch <SECONDS>': not a number of seconds above zero; see nacp --help",
        ),
    ] {
        let done = nacp(arguments);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(done.err.trim_end(), said, "{arguments:?}");
    }
    let near = nacp(&["check", "quik"]).err;
    assert!(near.trim_end().ends_with("known=quick,standard,full; did you mean quick?"), "{near}");
    let near = nacp(&["gpus", "--node", "h100x9"]).err;
    assert!(near.trim_end().ends_with("did you mean h100x8?"), "{near}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_what_waits_at_once() {
    let mut child = program(&["gpus", "--node", "t4", "--watch", "60"]).stdout(Stdio::piped()).spawn().unwrap();
    // Its first table shows that it listens.
    let mut first = [0; 1];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let begun = Instant::now();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}
