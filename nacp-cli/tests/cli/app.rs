//! Files that describe apps are checked without an engine and without a GPU.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Ran, nacp, program, ran};

const LOOSE: &str = "\
name: loose
services:
  store:
    image: example/store
    port: 80
    publish: { host: 0.0.0.0, port: 8080 }
    security: { root: writable, capabilities: [CHOWN, SETUID] }
  llm:
    image: example/llm:1
    gpu: { memory: auto, compute: \">=8.0\" }
    replicas: 3
    depends_on: [store]
";

fn within(folder: &Path, arguments: &[&str]) -> Ran {
    ran(program(arguments).current_dir(folder).output().unwrap())
}

fn examples() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/apps");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_examples_are_valid_and_nothing_in_them_needs_a_second_look() {
    let files = examples();
    assert!(files.len() >= 3);
    let mut arguments = vec!["app", "check", "--strict"];
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
    let done = nacp(&arguments);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert_eq!(done.out.matches(" is valid: app ").count(), files.len(), "{}", done.out);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=../../docs/schema/nacp.schema.json\n"));
        assert!(text.lines().take_while(|line| line.starts_with('#')).count() > 5, "{file:?} has no header");
    }
}

#[test]
fn a_valid_file_is_told_with_its_order_its_needs_and_what_is_loose() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("nacp.yaml"), LOOSE).unwrap();
    let done = within(folder.path(), &["app", "check"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(done.out.starts_with("nacp.yaml is valid: app loose, in the order of the start\n"), "{}", done.out);
    let rows: Vec<Vec<&str>> = done.out.lines().map(|line| line.split_whitespace().collect()).collect();
    let at = |name: &str| rows.iter().position(|row| row.first() == Some(&name)).unwrap();
    assert!(at("store") < at("llm"), "{}", done.out);
    assert_eq!(rows[at("store")], ["store", "1", "none", "80", "-"]);
    assert!(done.out.contains("all that is free on one GPU, compute >=8.0"), "{}", done.out);
    for field in [
        "store.image: without a tag it is `latest`",
        "store.publish.host: every machine that reaches this one",
        "store.security.root: ",
        "store.security.capabilities: its programs keep CHOWN",
        "store.security.capabilities: its programs keep SETUID",
        "store.ready: ",
        "llm.gpu.memory: ",
    ] {
        assert!(done.out.contains(&format!("\n- services.{field}")), "{field}: {}", done.out);
    }
    let strict = within(folder.path(), &["app", "check", "--strict"]);
    assert_eq!((strict.code, strict.out), (Some(1), done.out));
}

#[test]
fn one_file_that_is_wrong_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yaml"), LOOSE).unwrap();
    fs::write(folder.path().join("bad.yaml"), LOOSE.replace("replicas: 3", "replica: 3")).unwrap();
    let files = ["app", "check", "bad.yaml", "good.yaml", "none.yaml"];
    let done = within(folder.path(), &files);
    assert_eq!(done.code, Some(2), "{}{}", done.out, done.err);
    let place = "file=bad.yaml line=11 column=5 field=services.llm.replica; did you mean replicas?";
    assert!(done.err.contains(&format!("nacp: unknown field: {place}\n")), "{}", done.err);
    assert!(done.err.contains("path=none.yaml"), "{}", done.err);
    assert!(done.out.contains("good.yaml is valid"), "{}", done.out);
    let told = within(folder.path(), &[&files[..], &["--json"]].concat());
    assert_eq!((told.code, told.err.as_str()), (Some(2), ""));
    let document: Value = serde_json::from_str(&told.out).unwrap();
    let valid: Vec<_> = document["files"].as_array().unwrap().iter().map(|file| file["valid"].as_bool()).collect();
    assert_eq!(valid, [Some(false), Some(true), Some(false)]);
    assert_eq!(document["files"][0]["error"]["message"], "unknown field");
    assert_eq!(document["files"][1]["start_order"][0], "store");
    assert_eq!(document["files"][1]["warnings"][0]["field"], "services.llm.gpu.memory");
}

#[test]
fn the_schema_is_the_one_of_the_repository() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema/nacp.schema.json");
    let done = nacp(&["app", "schema"]);
    assert_eq!((done.code, done.out), (Some(0), fs::read_to_string(kept).unwrap()));
}
