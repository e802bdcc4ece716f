//! What the one who runs the checks is asked, and what it answers: in another thread as values, in another process as
//! one JSON object a line.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CheckId, Facts, Level, Outcome};
use crate::child::Program;
use crate::cuda::{KernelDigest, Probe, Profile};
use crate::gpu::GpuId;

/// What does not change between tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) level: Level,
    /// The library to open; the one that the loader finds where none is named.
    pub(super) library: Option<PathBuf>,
    pub(super) facts: Facts,
    /// The program that runs kernels in yet another process.
    pub(super) elsewhere: Option<Program>,
}

/// One thing to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Open the library and start the driver again, as it was done before in another process.
    Prepare,
    /// Ask the management library, within so many seconds.
    Telemetry { seconds: f64 },
    /// One check, within so many seconds.
    Check {
        id: CheckId,
        device: Option<GpuId>,
        /// The devices that a check of all of them is about.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        among: Vec<GpuId>,
        seconds: f64,
        /// Whether the device's shared context is kept for what comes after.
        hold: bool,
    },
    /// The digests of the suite.
    Digests { device: GpuId, profile: Profile },
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It is there and listens.
    Here,
    Prepared(Result<(), String>),
    Telemetry(Told),
    Checked(Box<Checked>),
    Digests(Result<Vec<KernelDigest>, String>),
}

/// What a check found, and what was learned of the driver meanwhile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Checked {
    pub(super) outcome: Outcome,
    pub(super) seconds: f64,
    /// What the driver answers, where this check has asked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) probe: Option<Probe>,
    /// Whether the driver is simulated, once it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) simulated: Option<bool>,
}

/// What the management library told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// What else runs on these devices.
    pub(super) busy: BTreeMap<GpuId, String>,
}

/// How each line of a check begins. Anything else on the child's output is not for us.
const MARK: &str = "{\"nacp_check\":";
/// The version of these lines.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Line {
    nacp_check: u32,
    #[serde(flatten)]
    says: Says,
}

/// What a line says, in one of the two directions.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Says {
    Setup(Box<Setup>),
    Task(Task),
    Answer(Answer),
}

/// The text of one line, on a line of its own whatever was printed before.
pub(super) fn line(says: Says) -> io::Result<String> {
    let json = serde_json::to_string(&Line { nacp_check: VERSION, says })?;
    Ok(format!("\n{json}\n"))
}

/// Reads one line; nothing where it is none of a check.
pub(super) fn read(text: &str) -> Option<Result<Says, String>> {
    if !text.starts_with(MARK) {
        return None;
    }
    let version: Result<Version, _> = serde_json::from_str(text);
    Some(match version {
        Ok(Version { nacp_check }) if nacp_check != VERSION => Err(format!("version {nacp_check}, not {VERSION}")),
        Ok(_) => serde_json::from_str::<Line>(text).map(|line| line.says).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    })
}

#[derive(Deserialize)]
struct Version {
    nacp_check: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(says: Says) -> String {
        line(says).unwrap().trim().to_owned()
    }

    #[test]
    fn a_task_and_its_answer_arrive_as_they_were() {
        let task = Task::Check { id: CheckId::DetBits, device: None, among: vec![], seconds: 1.5, hold: true };
        let line = sent(Says::Task(task.clone()));
        assert_eq!(
            line,
            r#"{"nacp_check":1,"task":{"check":{"id":"det.bits","device":null,"seconds":1.5,"hold":true}}}"#
        );
        let Some(Ok(Says::Task(read_again))) = read(&line) else { panic!("{line}") };
        assert_eq!(format!("{read_again:?}"), format!("{task:?}"));

        let mut outcome = Outcome::pass();
        outcome.read("library", "/lib/libcuda.so.1", "/proc/self/maps");
        let checked = Checked { outcome, seconds: 0.25, probe: None, simulated: Some(true) };
        let line = sent(Says::Answer(Answer::Checked(Box::new(checked.clone()))));
        let Some(Ok(Says::Answer(Answer::Checked(read_again)))) = read(&line) else { panic!("{line}") };
        assert_eq!(read_again.outcome, checked.outcome);
    }

    #[test]
    fn what_is_not_ours_is_noise_and_another_version_says_which() {
        assert!(read("running 1 test").is_none());
        let wrong = |text: &str| read(text).unwrap().err().unwrap();
        assert_eq!(wrong(r#"{"nacp_check":2,"answer":"here"}"#), "version 2, not 1");
        assert!(wrong(r#"{"nacp_check":1,"answer":"dance"}"#).contains("unknown variant `dance`"));
    }
}
