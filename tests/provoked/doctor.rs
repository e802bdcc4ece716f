//! What the doctor says of a daemon of a test.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nacp_core::host::Survey;
use nacp_core::host::doctor::{Finding, diagnose, explain};
use nacp_core::sim;

use crate::daemon::{Daemon, Refusal};

const ALONE: &str = "NACP_TEST_SURVEY";

/// The machine as a process sees it whose `DOCKER_HOST` names this daemon.
pub(crate) fn survey(daemon: &Daemon) -> Survey {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "doctor::the_survey_of_a_process_of_its_own", "--nocapture"])
        .env("DOCKER_HOST", daemon.host())
        .env(ALONE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let line = told.lines().find_map(|line| line.find('{').map(|start| &line[start..]));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{told}{}", String::from_utf8_lossy(&output.stderr)))).unwrap()
}

/// Prints the survey of this machine and of a simulated GPU: only run by [`survey`], for the environment is a process's
/// own.
#[test]
fn the_survey_of_a_process_of_its_own() {
    if std::env::var_os(ALONE).is_some() {
        let (node, driver) = (sim::Node::named("t4").unwrap(), sim::Cuda::named("t4").unwrap());
        let survey = Survey::builder().source(Arc::new(node)).driver(Arc::new(driver)).limit(Duration::from_secs(20));
        println!("{}", serde_json::to_string(&survey.read()).unwrap());
    }
}

/// The words of a refusal mean this entry before any other.
pub(crate) fn means(id: &str, refusal: &Refusal, survey: &Survey) {
    let explanation = explain(&refusal.message, survey);
    let ids: Vec<_> = explanation.matches.iter().map(|it| it.id.to_string()).collect();
    assert_eq!(ids.first().map(String::as_str), Some(id), "{} means {ids:?}", refusal.message);
}

/// What the doctor finds of this entry about this container.
pub(crate) fn finding(id: &str, container: &str, survey: &Survey) -> Option<Finding> {
    let about = |finding: &Finding| finding.subject.as_deref().is_some_and(|subject| subject.contains(container));
    diagnose(survey).findings.into_iter().find(|finding| finding.id.to_string() == id && about(finding))
}

/// The doctor finds this entry about this container, by evidence that holds `words`.
pub(crate) fn finds(id: &str, container: &str, words: &str, survey: &Survey) {
    let found = finding(id, container, survey);
    let examined = || diagnose(survey).examined.into_iter().find(|it| it.id.to_string() == id);
    let evidence =
        found.unwrap_or_else(|| panic!("{id} is not found: {:?}\n{:?}", examined(), survey.containers)).evidence;
    assert!(evidence.iter().any(|it| it.source.contains(words) || it.value.contains(words)), "{words}: {evidence:?}");
}

/// The doctor has looked at this container and finds nothing of this entry, on the whole machine.
pub(crate) fn is_mended(id: &str, container: &str, daemon: &Daemon) {
    let survey = survey(daemon);
    assert!(survey.containers.iter().any(|it| it.name.contains(container)), "{container}: {:?}", survey.containers);
    let examined = diagnose(&survey).examined.into_iter().find(|it| it.id.to_string() == id);
    let examined = examined.unwrap_or_else(|| panic!("{id} is not examined"));
    assert_eq!(examined.outcome, "clear", "{id}, {container}: {}", examined.reason);
}
