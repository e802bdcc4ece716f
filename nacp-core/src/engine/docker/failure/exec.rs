//! Why a program could not be run in a container.

use bollard::errors::Error as Api;

use super::{call, quoted, said, status};
use crate::engine::{ContainerId, ExecOutput};
use crate::error::{Error, ErrorKind};

const OPERATION: &str = "engine.exec";

/// What the runtimes say of a program that is not there.
const NO_PROGRAM: [&str; 3] =
    ["executable file not found", "no such file or directory", "attempted to invoke a command that was not found"];

/// Whether an outcome is not the program's own: the runtime writes why it could not start it where the program would have
/// written, and gives the code that a shell would give.
pub(in crate::engine::docker) fn is_no_program(output: &ExecOutput) -> bool {
    let said = |text: &str| {
        text.contains("unable to start container process") && NO_PROGRAM.iter().any(|words| text.contains(words))
    };
    matches!(output.code, 126 | 127) && (said(&output.stdout) || said(&output.stderr))
}

/// A program that is not in the container.
pub(in crate::engine::docker) fn no_program(id: &ContainerId, program: &str) -> Error {
    Error::new(ErrorKind::NotFound, OPERATION, "the program is not in the container")
        .with("container", id)
        .with("program", program)
        .hint("name one that is in its image")
}

/// A program that could not be run.
pub(in crate::engine::docker) fn exec(id: &ContainerId, program: &str, error: Api) -> Error {
    let text = said(&error);
    let stopped = text.contains("is not running") || text.contains("only create exec sessions on running containers");
    if stopped || text.contains("is paused") {
        return Error::new(ErrorKind::Conflict, OPERATION, "the container does not run")
            .with("container", id)
            .hint("start it first")
            .caused_by(error);
    }
    if text.contains("exec failed") || NO_PROGRAM[..1].iter().any(|words| text.contains(words)) {
        let missing = NO_PROGRAM.iter().any(|words| text.contains(words));
        return match missing {
            true => no_program(id, program).caused_by(error),
            false => Error::new(ErrorKind::InvalidArgument, OPERATION, "the program cannot be run in the container")
                .with("container", id)
                .with("program", program)
                .with("engine", quoted(&error))
                .caused_by(error),
        };
    }
    // Docker answers 409 for nothing else here; Podman has one status for all.
    match status(&error) {
        Some(409) => Error::new(ErrorKind::Conflict, OPERATION, "the container does not run")
            .with("container", id)
            .with("engine", quoted(&error))
            .hint("start it first")
            .caused_by(error),
        _ => call(OPERATION, error).with("container", id).with("program", program),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer;
    use super::*;

    #[test]
    fn each_refusal_has_its_kind_and_says_how_to_mend_it() {
        let runc = "OCI runtime exec failed: exec failed: unable to start container process: exec: ";
        for (status, text, kind) in [
            (409, "container 0f49 is not running".to_owned(), ErrorKind::Conflict),
            (409, "Container 0f49 is paused, unpause the container before exec".to_owned(), ErrorKind::Conflict),
            (
                500,
                "can only create exec sessions on running containers: container state improper".to_owned(),
                ErrorKind::Conflict,
            ),
            (400, format!("{runc}\"nope\": executable file not found in $PATH: unknown"), ErrorKind::NotFound),
            (500, format!("{runc}\"/nope\": stat /nope: no such file or directory"), ErrorKind::NotFound),
            (400, format!("{runc}\"/etc\": permission denied"), ErrorKind::InvalidArgument),
            (404, "No such container: x".to_owned(), ErrorKind::NotFound),
            (500, "it broke".to_owned(), ErrorKind::EngineUnavailable),
        ] {
            let error = exec(&ContainerId("c".into()), "nope", answer(status, &text));
            assert_eq!((error.kind(), error.get("container")), (kind, Some("c")), "{error}");
        }
    }

    #[test]
    fn a_program_that_ends_with_the_same_code_is_not_taken_for_a_missing_one() {
        let docker = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\": executable \
                      file not found in $PATH: unknown\r\n";
        let output =
            |code, stdout: &str, stderr: &str| ExecOutput { code, stdout: stdout.into(), stderr: stderr.into() };
        assert!(is_no_program(&output(126, docker, "")));
        assert!(is_no_program(&output(127, "", docker)));
        assert!(!is_no_program(&output(0, docker, "")));
        assert!(!is_no_program(&output(127, "", "sh: nope: executable file not found")));
        assert!(!is_no_program(&output(126, "", "")));
    }
}
