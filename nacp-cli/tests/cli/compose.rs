//! Compose files come in with notes, and apps go out.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{Ran, nacp, program, ran};

const FILE: &str = "\
services:
  llm:
    image: vllm/vllm-openai:${TAG:-latest}
    ports: ['127.0.0.1:8000:8000']
    env_file: llm.env
    volumes: [./models:/models:ro]
    tty: true
    gpus: [{ driver: nvidia, count: 1 }]
    restart: always
";

/// A folder with a compose file, a file of variables and one of the service's environment.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("compose.yaml"), FILE).unwrap();
    fs::write(folder.path().join(".env"), "TAG=v0.11.0\n").unwrap();
    fs::write(folder.path().join("llm.env"), "LEVEL=debug\n").unwrap();
    folder
}

fn within(folder: &Path, arguments: &[&str]) -> Ran {
    ran(program(arguments).current_dir(folder).env_remove("TAG").output().unwrap())
}

#[test]
fn a_compose_file_becomes_an_app_and_the_notes_stand_beside_it() {
    let folder = folder();
    let done = within(folder.path(), &["import", "compose.yaml", "--name", "chat"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let models = folder.path().canonicalize().unwrap().join("models");
    for part in
        ["name: chat\n", "image: vllm/vllm-openai:v0.11.0\n", "LEVEL: debug\n", "memory: auto\n", "port: 8000\n"]
    {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    assert!(done.out.contains(models.to_str().unwrap()), "{}", done.out);
    assert!(done.err.contains("line 7: services.llm.tty dropped: the program has no terminal\n"), "{}", done.err);
    assert!(done.err.contains("line 8: services.llm.gpus[0] assumed: Compose knows no GPU memory"), "{}", done.err);
    let other =
        ran(program(&["import", "compose.yaml"]).current_dir(folder.path()).env("TAG", "of-mine").output().unwrap());
    assert!(other.out.contains("vllm-openai:of-mine"), "the environment counts before .env: {}", other.out);
}

#[test]
fn the_app_is_written_and_what_is_there_is_not_replaced_unasked() {
    let folder = folder();
    let import = ["import", "compose.yaml", "--name", "chat", "--out", "nacp.yaml"];
    let done = within(folder.path(), &import);
    assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{}", done.err);
    assert!(done.err.ends_with("written: nacp.yaml\n"), "{}", done.err);
    let plan = within(folder.path(), &["up", "--dry-run", "--simulated", "--node", "t4"]);
    assert_eq!(plan.code, Some(0), "nacp reads what it wrote: {}", plan.err);
    fs::write(folder.path().join("nacp.yaml"), "mine").unwrap();
    let again = within(folder.path(), &import);
    assert_ne!(again.code, Some(0));
    assert!(again.err.contains("the file is there already: path=nacp.yaml"), "{}", again.err);
    assert_eq!(fs::read_to_string(folder.path().join("nacp.yaml")).unwrap(), "mine");
    assert_eq!(within(folder.path(), &[&import[..], &["--force"]].concat()).code, Some(0));
}

#[test]
fn an_app_goes_out_and_comes_back_the_same() {
    let folder = folder();
    let read = |arguments: &[&str]| -> Value { serde_json::from_str(&within(folder.path(), arguments).out).unwrap() };
    let imported = read(&["import", "compose.yaml", "--name", "chat", "--json"]);
    assert!(imported["notes"].as_array().is_some_and(|notes| notes.iter().any(|note| note["kind"] == "assumed")));
    fs::write(folder.path().join("nacp.yaml"), imported["yaml"].as_str().unwrap()).unwrap();
    let exported = read(&["export", "compose", "nacp.yaml", "--json"]);
    assert!(exported["notes"].as_array().is_some_and(|notes| !notes.is_empty()));
    fs::write(folder.path().join("out.yaml"), exported["text"].as_str().unwrap()).unwrap();
    assert_eq!(read(&["import", "out.yaml", "--json"])["app"], imported["app"]);
    let text = within(folder.path(), &["export", "compose"]);
    assert_eq!(text.out, exported["text"].as_str().unwrap());
    assert!(text.err.contains("services.llm.gpu.memory changed: Compose counts no GPU memory"), "{}", text.err);
}

#[test]
fn a_file_that_is_none_is_not_understood_and_named() {
    let folder = folder();
    fs::write(folder.path().join("compose.yaml"), FILE.replace("image", "imgae")).unwrap();
    let done = within(folder.path(), &["import", "compose.yaml"]);
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
    assert!(
        done.err.contains(
            "unknown field: file=compose.yaml line=3 column=12 field=services.llm.imgae; did you mean image?"
        ),
        "{}",
        done.err
    );
    assert_eq!(within(folder.path(), &["import", "absent.yaml"]).code, Some(2));
    fs::write(folder.path().join(".env"), "not a variable\n").unwrap();
    let done = within(folder.path(), &["import", "compose.yaml"]);
    assert!(done.err.contains("variables=.env line=1"), "{}", done.err);
    assert_eq!(nacp(&["export", "nowhere"]).code, Some(2));
}
