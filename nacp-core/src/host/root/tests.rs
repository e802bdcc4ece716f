//! Programs and daemons, of this machine and of a folder.

use std::fs;
use std::time::Instant;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = Root::open(folder.path()).unwrap();
    (folder, root)
}

#[test]
fn a_machine_in_a_folder_has_its_own_environment_and_system() {
    let (_folder, root) =
        machine(&[("env", "HOME=/home/ada\nNVIDIA_VISIBLE_DEVICES=all\nbroken\n"), ("answers/os", "windows\n")]);
    assert_eq!((root.os(), root.is_this_machine()), (Some("windows"), false));
    assert_eq!(root.variable("HOME").as_deref(), Some("/home/ada"));
    assert_eq!((root.variable("PATH"), root.variable("broken")), (None, None));
    let kept = root.variables(|name| name.starts_with("NVIDIA_"));
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [("NVIDIA_VISIBLE_DEVICES".to_owned(), "all".to_owned())]);
    assert_eq!(Root::open("/nonexistent").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(Root::system().is_this_machine() && Root::system().variable("PATH").is_some());
}

#[test]
fn a_folder_answers_what_was_recorded_and_runs_nothing() {
    let (_folder, root) = machine(&[
        ("answers/run/nvidia-ctk --version", "exit 0\nNVIDIA Container Toolkit CLI version 1.18.0\n"),
        ("answers/run/nvidia-smi", "signal 11\n"),
        ("answers/run/%2Fusr%2Fbin%2Ffalse", "exit 1"),
        ("answers/run/slow", "timeout\nhalf"),
        ("answers/run/gone", "absent\n"),
        ("answers/run/odd", "0\n"),
        ("answers/nvml.json", "{}"),
    ]);
    let run = |program: &str, args: &[&str]| root.run(program, args, LIMIT);
    let outcome = |code, signal, output: &str| Seen::Found(CommandOutcome { code, signal, output: output.into() });
    let version = outcome(Some(0), None, "NVIDIA Container Toolkit CLI version 1.18.0");
    assert_eq!(run("nvidia-ctk", &["--version"]), version);
    assert_eq!(run("nvidia-smi", &[]), outcome(None, Some(11), ""));
    assert_eq!(run("/usr/bin/false", &[]), outcome(Some(1), None, ""));
    assert_eq!(run("slow", &[]), outcome(None, None, "half"));
    assert_eq!(run("gone", &[]), Seen::Absent);
    assert!(run("odd", &[]).open().unwrap().contains("\"0\""));
    assert_eq!(run("true", &[]), Seen::NotAsked);
    assert_eq!(root.answer("nvml.json"), Seen::Found("{}".into()));
    assert_eq!(root.answer("cuda.json"), Seen::NotAsked);
}

#[test]
fn a_folder_answers_for_its_daemons() {
    let containers = r#"[{"Id": "4f", "Name": "/llm", "Image": "sha256:1", "State": {"Status": "exited"},
        "Config": {"Image": "vllm:1", "Labels": {"a": "b"}}}]"#;
    let (_folder, root) = machine(&[
        ("answers/daemons/0/endpoint", "unix:///var/run/docker.sock\n"),
        ("answers/daemons/0/version.json", r#"{"ApiVersion": "1.45"}"#),
        ("answers/daemons/0/containers.json", containers),
        ("answers/daemons/0/logs/llm", "one\ntwo\nthree\n"),
        ("answers/daemons/1/endpoint", "tcp://gpu-7:2375"),
        ("answers/daemons/1/error", "nobody listens there; is the daemon running?\n"),
    ]);
    let docker = "unix:///var/run/docker.sock";
    assert_eq!(root.recorded_daemons(), [docker, "tcp://gpu-7:2375"]);
    let ask = |path: &str| root.ask(docker, path, LIMIT);
    assert_eq!(ask("/version"), Seen::Found(r#"{"ApiVersion": "1.45"}"#.into()));
    assert_eq!(ask("/info"), Seen::NotAsked);
    let json = |path: &str| serde_json::from_str::<serde_json::Value>(ask(path).found().unwrap()).unwrap();
    let listed = &json("/containers/json?all=1")[0];
    assert_eq!(
        (&listed["Names"][0], &listed["State"], &listed["Image"]),
        (&"/llm".into(), &"exited".into(), &"vllm:1".into())
    );
    assert_eq!(json("/containers/llm/json"), json("/containers/4f/json"));
    assert!(ask("/containers/other/json").open().unwrap().contains("No such container: other"));
    let log = root.container_log(docker, "4f", 0, 2, LIMIT);
    assert_eq!(log, Seen::Found(vec!["two".into(), "three".into()]));
    let other = root.ask("tcp://gpu-7:2375", "/version", LIMIT);
    assert_eq!(other.open(), Some("nobody listens there; is the daemon running?"));
    assert_eq!(root.ask("unix:///run/podman/podman.sock", "/version", LIMIT), Seen::Absent);
}

#[cfg(unix)]
#[test]
fn a_program_of_this_machine_says_how_it_ended() {
    let root = Root::system();
    let sh = |script: &str, limit| root.run("/bin/sh", &["-c", script], limit).found().unwrap().clone();
    let said = sh("echo to out; echo to err >&2; exit 3", LIMIT);
    assert_eq!(said, CommandOutcome { code: Some(3), signal: None, output: "to out\nto err".into() });
    assert_eq!(sh("kill -SEGV $$", LIMIT).signal, Some(11));
    assert_eq!(root.run("nacp-no-such-program", &[], LIMIT), Seen::Absent);
    assert!(root.run("/etc/passwd", &[], LIMIT).open().unwrap().contains("cannot be started"));
    // It keeps the end, and is not held up by what nobody reads.
    let long = sh("i=0; while [ $i -lt 60000 ]; do echo 0123456789; i=$((i+1)); done; echo the end >&2", LIMIT);
    assert_eq!((long.code, long.output.len() <= 4096, long.output.ends_with("the end")), (Some(0), true, true));
}

#[cfg(unix)]
#[test]
fn a_program_that_does_not_end_is_ended() {
    let since = Instant::now();
    let limit = Duration::from_millis(200);
    let ended = Root::system().run("/bin/sh", &["-c", "echo begun; exec sleep 60"], limit);
    assert_eq!(ended, Seen::Found(CommandOutcome { output: "begun".into(), ..CommandOutcome::default() }));
    // What it has started holds its pipes open.
    let left = Root::system().run("/bin/sh", &["-c", "sleep 5 & echo begun"], LIMIT);
    assert_eq!(left.found().unwrap().code, Some(0));
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}
