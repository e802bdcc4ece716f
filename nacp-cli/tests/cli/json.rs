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
