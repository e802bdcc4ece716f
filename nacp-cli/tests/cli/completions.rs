//! The completions load in their shells.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::nacp;

#[test]
fn bash_reads_its_completions_and_completes_commands() {
    let script = nacp(&["completions", "bash"]);
    assert_eq!(script.code, Some(0), "{}", script.err);
    let ask = "\nCOMP_WORDS=(nacp gp); COMP_CWORD=1; _nacp nacp gp nacp; printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let mut bash = Command::new("bash");
    bash.arg("--norc").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut bash = bash.spawn().unwrap();
    bash.stdin.take().unwrap().write_all((script.out + ask).as_bytes()).unwrap();
    let done = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "gpus");
}

#[test]
fn there_are_completions_for_five_shells() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = nacp(&["completions", shell]);
        assert_eq!((script.code, script.out.contains("nacp")), (Some(0), true), "{shell}");
    }
    assert!(nacp(&["completions", "csh"]).err.contains("[possible values: bash, elvish, fish, powershell, zsh]"));
}
