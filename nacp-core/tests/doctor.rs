//! Every known failure on machines that have it and on their nearest neighbours that do not, and healthy machines.

#![cfg(feature = "doctor")]

#[path = "doctor/cases.rs"]
mod cases;
#[path = "doctor/chapter.rs"]
mod chapter;
#[path = "doctor/natures.rs"]
mod natures;
#[path = "doctor/samples.rs"]
mod samples;
#[path = "doctor/sources.rs"]
mod sources;

use std::fmt::Write as _;

use cases::Machine;
use nacp_core::host::doctor::{CATALOGUE, Diagnosis, Finding, Severity, diagnose, explain};
use natures::{NOT_HEALTHY, expected};
use samples::SAMPLES;

fn found(diagnosis: &Diagnosis, id: &str) -> bool {
    diagnosis.findings.iter().any(|finding| finding.id.to_string() == id)
}

/// What a finding must have, whatever it is about.
fn lacks(finding: &Finding, machine: &Machine) -> Vec<String> {
    let mut lacks = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            lacks.push(format!("{}: {} {what}", machine.name, finding.id));
        }
    };
    must(!finding.evidence.is_empty(), "has no evidence");
    must(!finding.cause.is_empty() && !finding.title.is_empty(), "has no cause or no title");
    must(finding.remedy.summary.split_whitespace().count() >= 3, "has no remedy");
    let why_none = finding.remedy.note.split_whitespace().count() >= 6;
    must(!finding.remedy.commands.is_empty() || why_none, "has neither a command nor a sentence why there is none");
    must(!finding.links.is_empty(), "has no link");
    must(finding.links.iter().all(|link| link.starts_with("https://")), "has a link that is no full address");
    for evidence in &finding.evidence {
        must(!evidence.value.trim().is_empty(), &format!("has evidence without a value: {}", evidence.source));
        must(sources::is_there(evidence, &machine.folder), &format!("names {}, which is not there", evidence.source));
    }
    let others = finding.remedy.alternatives.iter().flat_map(|other| &other.commands);
    for command in finding.remedy.commands.iter().chain(others) {
        must(!command.line.contains('\n') && !command.line.is_empty(), "has a command that cannot be typed");
        must(["here", "windows", "host", "container"].contains(&command.place.as_str()), "has a command for nowhere");
    }
    lacks
}

#[test]
fn every_entry_fires_where_it_should_and_no_healthy_machine_has_a_finding() {
    let (mut table, mut wrong) = (String::new(), Vec::new());
    let (mut fired_entries, mut beside) = (0, 0);
    for entry in CATALOGUE {
        let id = entry.id.to_string();
        let (fires, quiet) = (Machine::of_entry(&id, "fires"), Machine::of_entry(&id, "quiet"));
        let (mut fired, mut silent) = (0, 0);
        for machine in &fires {
            let diagnosis = diagnose(&machine.survey());
            fired += usize::from(found(&diagnosis, &id));
            if !found(&diagnosis, &id) {
                let outcome = diagnosis.examined.iter().find(|examined| examined.id == entry.id);
                wrong.push(format!("{}: {id} does not fire: {outcome:?}", machine.name));
            }
            wrong.extend(diagnosis.findings.iter().flat_map(|finding| lacks(finding, machine)));
        }
        for machine in &quiet {
            let diagnosis = diagnose(&machine.survey());
            silent += usize::from(!found(&diagnosis, &id));
            for finding in diagnosis.findings.iter().filter(|finding| finding.id == entry.id) {
                wrong.push(format!("{}: {id} fires beside: {finding:#?}", machine.name));
            }
            wrong.extend(diagnosis.findings.iter().flat_map(|finding| lacks(finding, machine)));
        }
        beside += quiet.len() - silent;
        fired_entries += usize::from(fired > 0 && fired == fires.len());
        let row = [(fires.len(), "fires"), (quiet.len(), "quiet")];
        wrong.extend(row.iter().filter(|(count, _)| *count == 0).map(|(_, kind)| format!("{id} has no case {kind}")));
        let counts = format!("fired {fired}/{} quiet {silent}/{}", fires.len(), quiet.len());
        writeln!(table, "{id}  {:<72} {counts}", entry.title).unwrap();
    }
    let (mut healthy, mut false_alarms) = (0, 0);
    for machine in Machine::of_hosts() {
        let expected = expected(&machine.name);
        let diagnosis = diagnose(&machine.survey());
        healthy += usize::from(expected.is_empty());
        let missed = expected.iter().filter(|id| !found(&diagnosis, id));
        wrong.extend(missed.map(|id| format!("{}: {id} does not fire", machine.name)));
        for finding in diagnosis.findings.iter().filter(|it| !expected.contains(&it.id.to_string().as_str())) {
            false_alarms += 1;
            wrong.push(format!("{}: a healthy machine has {finding:#?}", machine.name));
        }
    }
    println!("{table}");
    println!(
        "catalogue: {} entries, {fired_entries} fired, {beside} fired beside, {false_alarms} false alarms on {healthy} \
         healthy machines",
        CATALOGUE.len()
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn how_bad_a_failure_is_follows_from_when_it_was() {
    for (id, case, severity) in [
        ("D08", "fires-running", Severity::Broken),
        ("D40", "fires", Severity::Broken),
        ("D40", "fires-long-ago", Severity::Note),
    ] {
        let machine = &Machine::of_entry(id, case)[0];
        let diagnosis = diagnose(&machine.survey());
        let finding = diagnosis.findings.iter().find(|finding| finding.id.to_string() == id).unwrap();
        assert_eq!(finding.severity, severity, "{}: {finding:#?}", machine.name);
    }
}

#[test]
fn the_front_page_counts_the_catalogue_as_it_is() {
    let page = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let count = CATALOGUE.len();
    assert!(page.contains(&format!("holds {count} known failures against it")), "{count}");
    assert!(page.contains(&format!(" of {count} known failures; ")), "{count}");
}

#[test]
fn every_machine_that_is_no_healthy_one_is_there() {
    let there: Vec<String> = Machine::of_hosts().into_iter().map(|machine| machine.name).collect();
    for (name, ids) in NOT_HEALTHY {
        assert!(there.iter().any(|it| it == name) && !ids.is_empty(), "{name}");
    }
}

/// A machine in order decides nothing between two entries: the words alone do.
#[test]
fn every_sample_is_told_for_what_it_is() {
    let survey = Machine::named("bare-metal-docker").survey();
    let mut wrong = Vec::new();
    for (id, text) in SAMPLES {
        let matches = explain(text, &survey).matches;
        let ids: Vec<String> = matches.iter().map(|one| one.id.to_string()).collect();
        if ids.first().map(String::as_str) != Some(*id) {
            wrong.push(format!("{id}: {ids:?} of {text}"));
        }
    }
    for entry in CATALOGUE {
        let (id, count) = (entry.id.to_string(), SAMPLES.iter().filter(|(id, _)| entry.id.to_string() == *id).count());
        if count < 2 {
            wrong.push(format!("{id} has {count} samples"));
        }
    }
    println!("samples: {} texts, {} told wrongly", SAMPLES.len(), wrong.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn several_errors_of_one_log_are_told_apart() {
    let survey = Machine::named("bare-metal-docker").survey();
    let log: String = ["D16", "D36", "D37", "D40"]
        .iter()
        .filter_map(|id| SAMPLES.iter().find(|(sample, _)| sample == id))
        .map(|(_, text)| format!("{text}\n{}\n", "some other line of the log\n".repeat(20)))
        .collect();
    let explained = explain(&log, &survey);
    let mut ids: Vec<String> = explained.matches.iter().map(|one| one.id.to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["D16", "D36", "D37", "D40"], "{explained}");
    assert!(explained.numbers.is_empty() && explained.advice.is_empty(), "{explained}");
}

#[test]
fn what_is_found_on_this_machine_comes_first() {
    let text = "Error 803: system has unsupported display driver / cuda driver combination\nCUDA error: out of memory";
    let first = |machine: &Machine| explain(text, &machine.survey()).matches[0].id.to_string();
    assert_eq!(first(&Machine::named("bare-metal-docker")), "D18", "the longer quote");
    assert_eq!(first(&Machine::of_entry("D40", "fires")[0]), "D40", "the one that is found");
}

#[test]
fn a_text_that_nobody_knows_gets_advice_and_no_guess() {
    let survey = Machine::named("bare-metal-docker").survey();
    for text in ["", "  \n", "the printer is on fire", "error 404: not found", "\u{0}\u{1}\u{fffd}"] {
        let explained = explain(text, &survey);
        assert!(explained.matches.is_empty() && explained.numbers.is_empty(), "{text:?}: {explained}");
        assert!(!explained.advice.is_empty(), "{text:?}");
    }
}

#[test]
fn of_a_long_text_the_end_counts() {
    let survey = Machine::named("bare-metal-docker").survey();
    let (error, filler) = ("GPU has fallen off the bus", "é".repeat(200 * 1024));
    assert_eq!(explain(&format!("{filler}{error}"), &survey).matches.len(), 1);
    assert_eq!(explain(&format!("{error}{filler}"), &survey).matches.len(), 0);
}

#[test]
fn a_number_of_which_no_entry_speaks_is_explained_by_its_table() {
    let survey = Machine::named("bare-metal-docker").survey();
    let explained =
        explain("NVRM: Xid (PCI:0000:3b:00): 31, pid=1\ncuLaunchKernel: CUDA_ERROR_ILLEGAL_ADDRESS", &survey);
    let numbers: Vec<String> = explained.numbers.iter().map(|it| format!("{} {}", it.family, it.code)).collect();
    assert_eq!(numbers, ["Xid 31", "CUDA error 700"], "{explained}");
    assert!(explained.matches.is_empty(), "{explained}");
}

/// `UPDATE_DOCS=1 cargo test -p nacp-core --test doctor` writes the chapter anew.
#[test]
fn the_chapter_about_the_catalogue_is_the_one_of_the_library() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/catalogue.md");
    let text = chapter::text();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let book = std::fs::read_to_string(&path).unwrap_or_default();
    let first = book.lines().zip(text.lines()).find(|(book, now)| book != now);
    assert!(book == text, "docs/catalogue.md is stale; write it anew with UPDATE_DOCS=1; first: {first:#?}");
}
