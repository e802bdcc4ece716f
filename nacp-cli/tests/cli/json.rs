//! With `--json` there is one document on the output, with the keys that the book names.

use serde_json::Value;

use crate::common::nacp;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn document(arguments: &[&str]) -> Value {
    let done = nacp(arguments);
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}{}", done.out, done.err))
}

#[test]
fn every_command_prints_one_document_with_its_keys() {
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart/nacp.yaml");
    for (arguments, expected) in [
        (&["gpus", "--node", "t4"][..], &["gpus", "host", "simulated", "source", "why_none"][..]),
        (&["check", "--list"], &["checks"]),
        (&["metrics", "--node", "t4"], &["content_type", "text"]),
        (&["app", "check", app], &["files"]),
        (&["completions", "fish"], &["script", "shell"]),
        (&["up", app, "--dry-run", "--simulated", "--node", "rtx3050ti-laptop-wsl2"], &["plan", "simulated"]),
        (&["up", app, "--simulated", "--node", "rtx3050ti-laptop-wsl2"], &["app", "ready", "replicas"]),
    ] {
        let arguments = [arguments, &["--json"]].concat();
        assert_eq!(keys(&document(&arguments)), expected, "{arguments:?}");
    }
    let report = document(&["check", "--node", "t4", "--json"]);
    assert_eq!((report["verdict"].as_str(), report["simulated"].as_bool()), (Some("pass"), Some(true)));
}

#[test]
fn a_gpu_has_numbers_in_the_units_of_the_book_and_an_unknown_has_its_reason() {
    let seen = document(&["gpus", "--node", "rtx3050ti-laptop-wsl2", "--json"]);
    let gpu = &seen["gpus"][0];
    assert_eq!(gpu["memory_total"].as_u64(), Some(4 << 30));
    assert_eq!(gpu["power"].as_u64(), Some(11_200));
    assert_eq!(gpu["mig"]["unknown"].as_str(), Some("not supported"));
    assert_eq!(seen["simulated"].as_bool(), Some(true));
}

#[test]
fn an_error_is_a_document_too_and_nothing_is_said_beside_it() {
    for (arguments, code) in
        [(&["gpus", "--json", "--node", "h100x9"][..], 2), (&["gpu", "--json"], 2), (&["--json"], 2)]
    {
        let done = nacp(arguments);
        assert_eq!((done.code, done.err.as_str()), (Some(code), ""), "{arguments:?}");
        let document: Value = serde_json::from_str(&done.out).unwrap();
        let error = &document["error"];
        assert_eq!(keys(error), ["code", "context", "exit", "hint", "kind", "message", "operation"]);
        assert_eq!(error["exit"].as_i64(), Some(i64::from(code)));
    }
    let error = document(&["gpus", "--json", "--node", "h100x9"]);
    assert_eq!(error["error"]["kind"], "NotFound");
    assert_eq!(error["error"]["hint"], "did you mean h100x8?");
    assert_eq!(error["error"]["context"]["name"], "h100x9");
}

fn fixture(name: &str) -> String {
    crate::snapshots::fixtures().join("hosts").join(name).display().to_string()
}

/// The keys that the book's table lists for a command; those of its last row for `command` where it has several.
fn of_the_book(command: &str) -> Vec<String> {
    let page = std::fs::read_to_string(crate::common::tests().join("../../docs/cli.md")).unwrap();
    let row = |line: &&str| line.starts_with(&format!("| `nacp {command}"));
    let row = page.lines().find(row).unwrap_or_else(|| panic!("{command}"));
    let listed = row.trim_end_matches('|').rsplit('|').next().unwrap().split(';').next().unwrap();
    let mut keys: Vec<String> = listed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn what_is_read_of_a_machine_has_the_keys_of_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("nacp.lock").display().to_string();
    let machine = fixture("bare-metal-docker");
    for (command, arguments) in [
        ("gpus", &["gpus"][..]),
        ("doctor", &["doctor"]),
        ("decide", &["decide"]),
        ("explain", &["explain", "D08"]),
        ("explain", &["explain", "CUDA error 803\nXid 31"]),
        ("lock", &["lock", "-o", &lock]),
        ("verify", &["verify", &lock]),
    ] {
        let document = document(&[arguments, &["--json", "--root", &machine]].concat());
        let listed = of_the_book(command);
        assert!(!listed.is_empty());
        let missing: Vec<&String> = listed.iter().filter(|key| document.get(key.as_str()).is_none()).collect();
        // What is empty may be left out of an explanation.
        assert!(missing.is_empty() || command == "explain", "{command}: {missing:?} of {:?}", keys(&document));
        if matches!(command, "gpus" | "doctor" | "lock") {
            assert_eq!(keys(&document), listed, "{command}");
        }
    }
    let whole = document(&["explain", "CUDA error 700", "--json", "--root", &machine]);
    assert!(whole["matches"].is_array() && whole["numbers"].is_array(), "{whole}");
    let nothing = document(&["explain", "a printer on fire", "--json", "--root", &machine]);
    assert!(nothing["advice"].is_string(), "{nothing}");
}

#[test]
fn what_runs_has_the_keys_of_the_book() {
    if !crate::common::docker() {
        return;
    }
    let app = crate::docker::App::new("json", "nacp/sim-service:0.1");
    let up = document(&["up", &app.file(), "--limit", "120", "--json"]);
    assert_eq!(keys(&up), of_the_book("up"));
    let status = document(&["status", &app.name, "--json"]);
    assert_eq!((keys(&status), keys(&status["apps"][0])), (vec!["apps"], vec!["app", "ready", "replicas"]));
    assert_eq!(keys(&status), of_the_book("status"));
    let logs = document(&["logs", &format!("{}/llm", app.name), "--json"]);
    assert_eq!(keys(&logs), of_the_book("logs"));
    assert!(logs["lines"].is_array());
    let down = document(&["down", &app.name, "--json"]);
    assert_eq!(keys(&down), of_the_book("down"));
    assert_eq!((&down["app"], &down["removed"]), (&app.name.as_str().into(), &1.into()));
}

/// Kills what serves when a test fails, too.
struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_serves_prints_its_address_as_one_document_and_goes_on() {
    let app = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart/nacp.yaml");
    let node = "rtx3050ti-laptop-wsl2";
    for (arguments, expected) in [
        (&["serve", app, "--simulated", "--port", "0"][..], of_the_book("serve")),
        (&["metrics", "--listen", "127.0.0.1:0"], vec!["simulated".to_owned(), "url".to_owned()]),
    ] {
        let mut command = crate::common::program(&[arguments, &["--json", "--node", node]].concat());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let _served = Served(child);
        // The stream stays open: the first document is whole nevertheless.
        let mut documents = serde_json::Deserializer::from_reader(out).into_iter::<Value>();
        let document = documents.next().unwrap().unwrap();
        assert_eq!(keys(&document), expected, "{arguments:?}");
        assert_eq!(document["simulated"].as_bool(), Some(true));
        assert!(document["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{document}");
    }
}
