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

/// A folder from somebody else must not show what is beside it.
#[cfg(unix)]
#[test]
fn nothing_that_a_folder_says_leads_out_of_it() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let up = format!("../../../../../../../../../..{}", secret.display());
    let containers = serde_json::json!([
        {"Id": "up", "Name": format!("/{up}")},
        {"Id": "absolute", "Name": secret.display().to_string()},
        {"Id": "link", "Name": "/link"},
        {"Id": "dot", "Name": "/.."},
    ]);
    let (folder, root) = machine(&[
        ("answers/daemons/0/endpoint", "unix:///var/run/docker.sock"),
        ("answers/daemons/0/containers.json", &containers.to_string()),
        ("answers/daemons/0/logs/llm", "one"),
        ("answers/run/other", "exit 0"),
    ]);
    for link in ["nvml.json", "kernel.log", "run/nvidia-smi", "daemons/0/logs/link", "daemons/0/info.json", "stat"] {
        symlink(&secret, folder.path().join("answers").join(link)).unwrap();
    }
    symlink(outside.path(), folder.path().join("answers/daemons/1")).unwrap();
    fs::write(outside.path().join("endpoint"), "tcp://outside:2375").unwrap();
    let docker = "unix:///var/run/docker.sock";
    for id in ["up", "absolute", "link", "dot"] {
        let log = root.container_log(docker, id, 0, 9, LIMIT);
        assert!(log.found().is_none(), "{id}: {log:?}");
    }
    assert_eq!(root.container_log(docker, "up", 0, 9, LIMIT), Seen::Unreadable("its name leads elsewhere".into()));
    assert_eq!((root.answer("nvml.json"), root.answer("kernel.log")), (Seen::NotAsked, Seen::NotAsked));
    assert_eq!(root.run("nvidia-smi", &[], LIMIT), Seen::NotAsked);
    assert_eq!(root.ask(docker, "/info", LIMIT), Seen::NotAsked);
    assert_eq!(root.recorded_daemons(), [docker]);
    for name in ["env", "answers/os"] {
        symlink(&secret, folder.path().join(name)).unwrap();
        let root = Root::open(folder.path()).unwrap();
        assert_eq!((root.os(), root.variables(|_| true).len()), (None, 0), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn no_answer_of_a_folder_is_waited_for_or_read_without_a_limit() {
    let (folder, root) = machine(&[
        ("answers/daemons/0/endpoint", "unix:///var/run/docker.sock"),
        ("answers/run/other", "exit 0"),
        ("dev/nvidia0", ""),
    ]);
    let at = |name: &str| folder.path().join(name);
    let pipes = ["answers/nvml.json", "answers/run/nvidia-smi", "answers/daemons/0/info.json", "answers/stat"];
    for pipe in pipes {
        assert!(std::process::Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
    }
    for huge in ["answers/cuda.json", "answers/run/slow", "answers/daemons/0/version.json"] {
        fs::File::create(at(huge)).unwrap().set_len(64 << 30).unwrap();
    }
    let (pipe, large) = ("it is no regular file", "it is larger than 8 MiB");
    let docker = "unix:///var/run/docker.sock";
    assert_eq!(root.answer("nvml.json").open(), Some(pipe));
    assert_eq!(root.answer("cuda.json").open(), Some(large));
    assert_eq!(root.run("nvidia-smi", &[], LIMIT).open(), Some(pipe));
    assert_eq!(root.run("slow", &[], LIMIT).open(), Some(large));
    assert_eq!(root.ask(docker, "/info", LIMIT).open(), Some(pipe));
    assert_eq!(root.ask(docker, "/version", LIMIT).open(), Some(large));
    assert_eq!(root.stat("/dev/nvidia0").found().unwrap().mode, None);
    assert!(std::process::Command::new("mkfifo").arg(at("env")).status().unwrap().success());
    let refused = Root::open(folder.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.to_string().contains("env cannot be read: it is no regular file"), "{refused}");
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
