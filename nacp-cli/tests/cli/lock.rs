//! A lock is written, holds where nothing has changed, and names what has.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Ran, nacp, program, ran, tests};

fn machine(name: &str) -> String {
    tests().join("../../nacp-core/tests/fixtures/hosts").join(name).display().to_string()
}

fn on(name: &str, arguments: &[&str]) -> Ran {
    nacp(&[arguments, &["--root", &machine(name)]].concat())
}

#[test]
fn a_lock_holds_on_its_machine_and_tells_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock").display().to_string();
    let written = on("bare-metal-docker", &["lock", "-o", &path]);
    assert_eq!(written.code, Some(0), "{}", written.err);
    assert!(written.out.starts_with(&format!("{path}: written\n")), "{}", written.out);
    let again = on("bare-metal-docker", &["lock", "-o", &path]);
    assert!(again.out.contains("left as it is: it pins the same"), "{}", again.out);

    let same = on("bare-metal-docker", &["verify", &path]);
    assert_eq!((same.code, same.err.as_str()), (Some(0), ""), "{}", same.out);
    let other = on("wsl2-docker", &["verify", &path]);
    assert_eq!(other.code, Some(1), "{}", other.out);
    let allowed = on("wsl2-docker", &["verify", &path, "--allow", "results"]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.out);
    let document: Value = serde_json::from_str(&on("wsl2-docker", &["verify", &path, "--json"]).out).unwrap();
    assert!(document["drifts"].as_array().is_some_and(|drifts| !drifts.is_empty()));
    let markdown = on("wsl2-docker", &["verify", &path, "--markdown"]).out;
    assert!(markdown.contains('|'), "{markdown}");

    let unread = on("laptop-without-gpu", &["verify", &path]);
    assert!(matches!(unread.code, Some(1 | 3)), "{}", unread.out);
}

#[test]
fn the_app_that_lies_there_is_locked_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(tests().join("../../examples/quickstart/nacp.yaml"), folder.path().join("nacp.yaml")).unwrap();
    let locked = |arguments: &[&str]| {
        let mut command = program(arguments);
        command.args(["--json", "--root", &machine("bare-metal-docker")]).current_dir(folder.path());
        ran(command.output().unwrap())
    };
    let done = locked(&["lock"]);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&document["lock"]["app"], &document["written"]), (&"quickstart".into(), &"created".into()));
    assert!(folder.path().join("nacp.lock").is_file());
    let text = std::fs::read_to_string(folder.path().join("nacp.yaml")).unwrap();
    std::fs::write(folder.path().join("nacp.yaml"), text.replace("model: nacp-sim-chat", "model: other")).unwrap();
    let changed = locked(&["verify", "--allow", "nothing"]);
    assert_eq!(changed.code, Some(1), "{}", changed.out);
    assert!(changed.out.contains("services.chat"), "{}", changed.out);
}

#[test]
fn what_the_gpus_compute_is_pinned_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock").display().to_string();
    let done = nacp(&["lock", "-o", &path, "--certify", "--node", "t4", "--json"]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    let certificates = document["lock"]["certificates"].as_array().unwrap();
    assert!(!certificates.is_empty());
    assert_eq!(nacp(&["verify", &path, "--certify", "--node", "t4"]).code, Some(0));
}

#[test]
fn a_lock_that_is_none_is_not_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock");
    assert_eq!(nacp(&["verify", path.to_str().unwrap()]).code, Some(2));
    std::fs::write(&path, "hello").unwrap();
    assert_eq!(nacp(&["verify", path.to_str().unwrap()]).code, Some(2));
}

#[test]
fn a_log_is_explained_through_a_pipe() {
    let explain = |text: &str| {
        let mut child = program(&["explain", "--root", &machine("bare-metal-docker")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        ran(child.wait_with_output().unwrap())
    };
    let known =
        explain("docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]]");
    assert_eq!((known.code, known.out.starts_with("D01")), (Some(0), true), "{}", known.out);
    assert_eq!(explain("all is well").code, Some(1));
    assert!(!Path::new("nacp.lock").exists());
}
