//! Every known failure on machines that have it and on their nearest neighbours that do not, and healthy machines.

#![cfg(feature = "doctor")]

#[path = "doctor/cases.rs"]
mod cases;
#[path = "doctor/sources.rs"]
mod sources;

use std::fmt::Write as _;

use cases::Machine;
use nacp_core::host::doctor::{CATALOGUE, Diagnosis, Finding, diagnose};

/// Machines of the fixtures whose finding is their nature: a base for others, and not healthy.
const NOT_HEALTHY: [(&str, &[&str]); 1] = [("desktop-linux", &["D30"])];

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
    for command in &finding.remedy.commands {
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
        let expected = NOT_HEALTHY.iter().find(|(name, _)| *name == machine.name).map_or(&[][..], |(_, ids)| ids);
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
