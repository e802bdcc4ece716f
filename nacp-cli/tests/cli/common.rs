//! Running the program, and texts that were kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program with these arguments, in a terminal-less world of 80 columns without a driver of this machine's.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacp"));
    command.args(arguments).env("COLUMNS", "80").env_remove("NO_COLOR").stdin(Stdio::null());
    // Without a word of the environment that the tests run in.
    for name in ["CUDA_VISIBLE_DEVICES", "DOCKER_CONTEXT", "NVIDIA_VISIBLE_DEVICES"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn nacp(arguments: &[&str]) -> Ran {
    ran(program(arguments).output().unwrap())
}

pub(crate) fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The folder of this crate's tests.
pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Whether a Docker Engine is to be used; says so where it is not.
pub(crate) fn docker() -> bool {
    let none = std::env::var_os("NACP_NO_DOCKER").is_some_and(|value| value == "1");
    if none {
        println!("SKIP: NACP_NO_DOCKER=1");
    }
    !none
}

/// Holds a text to the one that was kept; `UPDATE_SNAPSHOTS=1` keeps this one.
pub(crate) fn hold(name: &str, text: &str) {
    let path = tests().join("snapshots").join(format!("{name}.txt"));
    let text = normal(text);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        kept == text,
        "{} is not what is printed now; UPDATE_SNAPSHOTS=1 keeps the new text\n--- kept\n{kept}\n--- now\n{text}",
        path.display()
    );
}

/// The text without what differs from run to run: times, the version, the folder of the tests.
fn normal(text: &str) -> String {
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display().to_string();
    let text = text.replace(&folder, "FOLDER");
    let lines = text.lines().map(|line| {
        let mut words: Vec<String> = Vec::new();
        for word in line.split(' ') {
            let unit = matches!(word.trim_end_matches([',', '+', ')', ';', '.']), "s" | "ms" | "µs" | "ns");
            if let (true, Some(last)) = (unit, words.last_mut())
                && is_number(last)
            {
                *last = "TIME".to_owned();
            }
            words.push(word.to_owned());
        }
        words.join(" ")
    });
    lines.map(|line| line + "\n").collect()
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
