//! The chapter of the book that lists the catalogue: written from the entries and from the machines that have them.

use std::fmt::Write as _;

use nacp_core::host::doctor::{CATALOGUE, Diagnosis, Entry, Finding, Outcome, Remedy, diagnose};
use nacp_core::host::{Evidence, Survey};

use crate::cases::Machine;

/// The machine whose remedies are shown: Ubuntu on a server, with Docker and the toolkit.
const PLAIN: &str = "bare-metal-docker";

const HEAD: &str = "\
# The catalogue of failures

This chapter is written by a test from the catalogue itself and from the machines in `nacp-core/tests/fixtures/doctor`.
Each entry has the words in which users meet it, its cause, what NACP reads to find it, and what mends it on a plain
Linux server; on other layers (WSL2, Docker Desktop, a container, Kubernetes) the same entry gives other commands.
What was read is shown as it was found on the first machine of each kind that has the failure; a rule looks in all of
these places.

`nacp doctor` looks for all of them on a machine, `nacp explain` finds the entry of an error's text, and
`host::doctor::CATALOGUE` is the list in Rust.

";

pub(crate) fn text() -> String {
    let plain = Machine::named(PLAIN).survey();
    let mut out = HEAD.to_owned();
    out.push_str("| id | what is wrong | how bad |\n|---|---|---|\n");
    for entry in CATALOGUE {
        let anchor = entry.id.to_string().to_lowercase();
        writeln!(out, "| [{}](#{anchor}) | {} | {} |", entry.id, cell(entry.title), entry.severity).unwrap();
    }
    for entry in CATALOGUE {
        one(&mut out, entry, &plain);
    }
    out
}

fn one(out: &mut String, entry: &Entry, plain: &Survey) {
    writeln!(out, "\n## {}\n\n**{}** ({})\n", entry.id, sentence(entry.title), entry.severity).unwrap();
    writeln!(out, "What users see:\n\n```text").unwrap();
    for symptom in entry.symptoms {
        writeln!(out, "{}", symptom.all.join(" … ")).unwrap();
    }
    writeln!(out, "```\n\nWhy: {}.\n\nWhat NACP reads:\n", sentence(entry.cause)).unwrap();
    let machines = Machine::of_entry(&entry.id.to_string(), "fires");
    let diagnoses: Vec<(Survey, Diagnosis)> = machines
        .iter()
        .map(|machine| {
            let survey = machine.survey();
            let diagnosis = diagnose(&survey);
            (survey, diagnosis)
        })
        .collect();
    let found: Vec<(&Survey, &Finding)> =
        diagnoses.iter().filter_map(|(survey, diagnosis)| Some((survey, diagnosis.by_id(entry.id)?))).collect();
    writeln!(out, "| where | says | so it is |\n|---|---|---|").unwrap();
    let mut shown: Vec<&Evidence> = Vec::new();
    for (_, finding) in &found {
        for evidence in &finding.evidence {
            if !shown.iter().any(|other| other.source == evidence.source) {
                shown.push(evidence);
                let (source, value) = (cell(&evidence.source), cell(&evidence.value));
                writeln!(out, "| {source} | {value} | {} |", finding.confidence).unwrap();
            }
        }
    }
    let elsewhere = matches!(entry.look(plain), Outcome::NotHere(_));
    match found.first().filter(|_| elsewhere) {
        Some((survey, finding)) => mended(out, &format!("What mends it on {}", survey.host.summary()), &finding.remedy),
        None => mended(out, "What mends it", &entry.remedy_on(plain)),
    }
    out.push('\n');
    for link in entry.links {
        writeln!(out, "- <{link}>").unwrap();
    }
}

fn mended(out: &mut String, heading: &str, remedy: &Remedy) {
    writeln!(out, "\n{heading}: {}.", remedy.summary).unwrap();
    let mut place = "";
    for command in &remedy.commands {
        if command.place != place {
            let close = if place.is_empty() { "" } else { "```\n" };
            let (head, language) = match command.place.as_str() {
                "windows" => ("On Windows:\n\n", "powershell"),
                "host" => ("Outside of the container:\n\n", "sh"),
                "container" => ("In the container:\n\n", "sh"),
                _ => ("", "sh"),
            };
            write!(out, "{close}\n{head}```{language}\n").unwrap();
            place = &command.place;
        }
        writeln!(out, "{}", command.line).unwrap();
    }
    if !place.is_empty() {
        out.push_str("```\n");
    }
    if !remedy.note.is_empty() {
        writeln!(out, "\n{}.", sentence(&cell(&remedy.note)).trim_end_matches('.')).unwrap();
    }
    for other in &remedy.alternatives {
        mended(out, "Or", other);
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// Text in which nothing ends a cell or begins a tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('>', "&gt;").replace('\n', " ")
}
