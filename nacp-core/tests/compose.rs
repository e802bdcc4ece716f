//! Compose files as people write them: the apps and the notes that come of them, the mistakes that are refused, and what
//! `docker compose` says of exported files.
//!
//! `UPDATE_COMPOSE=1` writes the expected apps and notes anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nacp_core::ErrorKind;
use nacp_core::service::App;
use nacp_core::service::compose::{self, Import, Imported};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compose")
}

/// The names of the compose files.
fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.filter_map(|file| Some(file.strip_suffix(".compose.yaml")?.to_owned())).collect();
    names.sort();
    names
}

fn environment(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/ada".into()),
        "HF_TOKEN" => Some("hf_very_secret".into()),
        "WEBUI_TAG" => Some("v0.6.34".into()),
        _ => None,
    }
}

fn files(path: &str) -> Option<String> {
    match path {
        "tgi.env" => Some("MAX_INPUT_TOKENS=4096\nexport MAX_TOTAL_TOKENS='8192' # both\n".into()),
        _ => None,
    }
}

fn read(name: &str) -> Imported {
    let text = fs::read_to_string(folder().join(format!("{name}.compose.yaml"))).unwrap();
    let folder = format!("/srv/{name}");
    let import = Import::new(&text).folder(&folder).environment(&environment).files(&files);
    import.run().unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn what_people_write_becomes_the_app_and_the_notes_that_are_kept() {
    let update = std::env::var_os("UPDATE_COMPOSE").is_some();
    assert!(names().len() >= 12);
    for name in names() {
        let imported = read(&name);
        let notes = imported.notes.iter().fold(String::new(), |mut text, note| {
            writeln!(text, "{note}").unwrap();
            text
        });
        for (kind, got) in [("nacp.yaml", compose::to_yaml(&imported.app).unwrap()), ("notes", notes)] {
            let path = folder().join(format!("{name}.{kind}"));
            if update {
                fs::write(&path, &got).unwrap();
            }
            assert_eq!(got, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
        }
        let again = App::parse(&compose::to_yaml(&imported.app).unwrap()).unwrap();
        assert_eq!(again, imported.app, "{name}");
    }
}

#[test]
fn no_note_shows_the_value_of_a_variable() {
    for name in names() {
        let notes = serde_json::to_string(&read(&name).notes).unwrap();
        assert!(!notes.contains("hf_very_secret"), "{name}: {notes}");
    }
}

#[test]
fn every_note_has_a_line_and_says_what_it_means() {
    for name in names() {
        let text = fs::read_to_string(folder().join(format!("{name}.compose.yaml"))).unwrap();
        for note in read(&name).notes {
            let line = usize::try_from(note.line.unwrap()).unwrap();
            assert!(line <= text.lines().count() && note.message.len() > 20, "{name}: {note}");
            assert!(note.field.starts_with("services.") || note.field.contains('.') || note.field == "name", "{note}");
        }
    }
}

#[test]
fn a_file_that_was_imported_goes_out_and_comes_back() {
    for name in names() {
        let app = read(&name).app;
        let exported = compose::export(&app).unwrap();
        let back = compose::import(&exported.text, None, &|_| None);
        assert_eq!(back.unwrap_or_else(|error| panic!("{name}: {error}\n{}", exported.text)).app, app, "{name}");
    }
}

/// Each part of the file begins with the error that the text below it gives.
#[test]
fn mistakes_name_line_column_field_and_what_was_meant() {
    let text = fs::read_to_string(folder().join("bad.txt")).unwrap();
    let update = std::env::var_os("UPDATE_COMPOSE").is_some();
    let mut written = String::new();
    let mut count = 0;
    for part in text.split("### ").skip(1) {
        let (expected, file) = part.split_once('\n').unwrap();
        let error = match Import::new(file).name("bad").run() {
            Err(error) => error,
            Ok(imported) => panic!("no error, but an app: {expected}\n{file}{:?}", imported.notes),
        };
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{file}");
        write!(written, "### {error}\n{file}").unwrap();
        if !update {
            assert_eq!(error.to_string(), expected, "{file}");
        }
        assert!(error.get("line").is_some(), "{error}\n{file}");
        count += 1;
    }
    assert!(count >= 20);
    if update {
        let head = text.split("### ").next().unwrap();
        fs::write(folder().join("bad.txt"), format!("{head}{written}")).unwrap();
    }
}

#[test]
fn as_docker_gives_what_docker_gives() {
    let text = "services:\n  a:\n    image: x\n    cap_drop: [NET_RAW]\n    cap_add: [CAP_SYS_NICE]\n";
    let strict = Import::new(text).name("a").run().unwrap();
    assert_eq!(strict.app.services["a"].security.capabilities, ["SYS_NICE".to_owned()].into());
    assert!(strict.notes.iter().any(|note| note.message.contains("locked up more")));
    let loose = Import::new(text).name("a").as_docker(true).run().unwrap();
    let security = &loose.app.services["a"].security;
    assert!(
        security.new_privileges
            && security.capabilities.contains("CHOWN")
            && security.capabilities.contains("SYS_NICE")
    );
    assert!(!security.capabilities.contains("NET_RAW") && security.capabilities.len() == 14);
    assert!(!loose.notes.iter().any(|note| note.message.contains("locked up")), "{:?}", loose.notes);
}

#[test]
fn the_examples_of_the_book_are_what_is_printed() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compose.md")).unwrap();
    let (_, examples) = page.split_once("## A model and its page").unwrap();
    let fences = examples.split("```").skip(1).step_by(2);
    let blocks: Vec<&str> = fences.map(|block| block.split_once('\n').unwrap().1).collect();
    let [compose_file, app, notes, other, exported, exported_notes] = blocks[..] else { panic!("{}", blocks.len()) };
    let lines = |notes: &[compose::Note]| notes.iter().map(|note| format!("{note}\n")).collect::<String>();
    let (_, file) = compose_file.split_once('\n').unwrap();
    // The first line of the page names the file; it is counted, as it stands in the file, too.
    let imported = Import::new(&format!("#\n{file}")).folder("/home/ada/chat").run().unwrap();
    assert_eq!((compose::to_yaml(&imported.app).unwrap(), lines(&imported.notes)), (app.into(), notes.into()));
    let made = compose::export(&App::parse(other).unwrap()).unwrap();
    assert_eq!((made.text.as_str(), lines(&made.notes)), (exported, exported_notes.to_owned()));
}

/// The command of Docker Compose 2, or why there is none.
fn docker_compose() -> Result<Vec<String>, String> {
    let given = std::env::var("NACP_DOCKER_COMPOSE").ok().map(|path| vec![path]);
    let usual = [vec!["docker".to_owned(), "compose".to_owned()], vec!["docker-compose".to_owned()]];
    for command in given.into_iter().chain(usual) {
        let answer =
            Command::new(&command[0]).args(&command[1..]).args(["version", "--short"]).stderr(Stdio::null()).output();
        let version =
            answer.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned()).unwrap_or_default();
        if version.trim_start_matches('v').starts_with('2') {
            return Ok(command);
        }
    }
    Err("no Docker Compose 2 here: docker compose, docker-compose and NACP_DOCKER_COMPOSE give none".into())
}

#[test]
fn docker_compose_takes_what_is_exported() {
    let compose = match docker_compose() {
        Ok(command) => command,
        Err(reason) => {
            println!("SKIP: {reason}");
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let everything = "
name: everything
services:
  full:
    image: example/full:1
    entrypoint: [run]
    command: ['--price', '5$', '${NOT_A_VARIABLE}']
    model: m
    api: openai
    env: { A: 'yes', B: '$HOME' }
    secrets: { token: { env: TOKEN }, key: { file: /srv/key } }
    gpu: { memory: 3GiB, count: 2, sharing: exclusive, compute: '>=8.0', topology: nvlink }
    port: 8000
    publish: { host: 0.0.0.0 }
    ready: { http: /health, within: 10m }
    live: { tcp: true }
    volumes:
      a: /a
      b: { path: /b, host: /srv/b, read_only: true }
      c: { path: /c, external: other_app }
      d: { path: /d, memory: 64MiB }
    networks: [inner]
    shm: 1GiB
    ulimits: { nofile: { soft: 10, hard: 20 }, memlock: -1 }
    resources: { cpus: 1.5, memory: 2GiB, pids: 100 }
    security: { user: '1000', capabilities: [CHOWN] }
    restart: on-failure
    stop_grace: 1m 30s
    stop_signal: SIGINT
    replicas: 2
    strategy: { rolling: { surge: 1, unavailable: 0 } }
    idle: 5m
    priority: 3
    determinism: strict
    labels: { owner: me }
    platform: linux/amd64
    pull: always
    depends_on: { other: ready, first: completed }
  other: { image: example/other:1, port: 90, ready: { tcp: true }, volumes: { a: /x } }
  first: { image: example/first:1, restart: never, security: { host_ipc: true } }
";
    let apps = names().into_iter().map(|name| (name.clone(), read(&name).app));
    for (name, app) in apps.chain([("everything".to_owned(), App::parse(everything).unwrap())]) {
        let exported = compose::export(&app).unwrap();
        assert_eq!(compose::import(&exported.text, None, &|_| None).unwrap().app, app, "{}", exported.text);
        let path = folder.path().join("compose.yaml");
        fs::write(&path, &exported.text).unwrap();
        let mut command = Command::new(&compose[0]);
        command
            .args(&compose[1..])
            .arg("-f")
            .arg(&path)
            .args(["config", "-q"])
            .env("TOKEN", "x")
            .env("OPENAI_API_KEY", "x");
        let answer = command.output().unwrap();
        let told = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{name}: {told}\n{}", exported.text);
        assert!(!told.contains("variable is not set"), "{name}: {told}");
    }
}
