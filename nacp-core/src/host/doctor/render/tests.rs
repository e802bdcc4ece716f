use super::super::{
    CATALOGUE, Diagnosis, Examined, Explanation, Finding, FindingId, Remedy, Severity, Verdict, explain,
};
use crate::error::ErrorKind;
use crate::host::survey::Gap;
use crate::host::{Confidence, Evidence, Host, Root, Survey, detect_in};

fn host() -> Host {
    let folder = tempfile::tempdir().unwrap();
    detect_in(&Root::at(folder.path(), std::collections::BTreeMap::new()))
}

fn finding(id: u8, severity: Severity, confidence: Confidence) -> Finding {
    Finding {
        id: FindingId(id),
        severity,
        title: "a <b>title</b> with | in it".into(),
        symptom: "words".into(),
        subject: Some("GPU-1".into()),
        evidence: vec![Evidence { source: "/proc/x".into(), value: "<script>alert(1)</script> | `x`".into() }],
        confidence,
        cause: "something is old".into(),
        remedy: Remedy::new("update it")
            .run("sudo apt-get update && sudo apt-get install something-with-a-rather-long-name-that-is-not-broken another-one")
            .run("sudo reboot")
            .on_windows("wsl.exe --update")
            .note("the reboot ends all programs"),
        links: vec!["https://example.com/1".into()],
    }
}

fn diagnosis(findings: Vec<Finding>) -> Diagnosis {
    let survey = Survey::of_host(host());
    let mut diagnosis = Diagnosis::of(&survey);
    diagnosis.findings = findings;
    diagnosis.finish();
    diagnosis
}

fn examined(id: u8, outcome: &str, reason: &str) -> Examined {
    Examined { id: FindingId(id), outcome: outcome.into(), reason: reason.into() }
}

#[test]
fn the_worst_and_surest_comes_first() {
    let diagnosis = diagnosis(vec![
        finding(3, Severity::Note, Confidence::Certain),
        finding(2, Severity::Broken, Confidence::Possible),
        finding(9, Severity::Broken, Confidence::Certain),
        finding(7, Severity::Broken, Confidence::Certain),
    ]);
    let ids: Vec<String> = diagnosis.findings.iter().map(|finding| finding.id.to_string()).collect();
    assert_eq!(ids, ["D07", "D09", "D02", "D03"]);
    assert_eq!(diagnosis.worst(), Some(Severity::Broken));
    assert_eq!(diagnosis.by_id(FindingId(9)).map(|finding| finding.id), Some(FindingId(9)));
    assert_eq!(diagnosis.by_id(FindingId(8)), None);
    assert_eq!(diagnosis.summary(), "3 broken, 1 note");
}

#[test]
fn only_what_is_broken_is_an_error() {
    assert!(diagnosis(vec![finding(3, Severity::Risk, Confidence::Certain)]).error().is_none());
    let two = vec![finding(3, Severity::Broken, Confidence::Certain), finding(4, Severity::Broken, Confidence::Likely)];
    let error = diagnosis(two).error().unwrap();
    assert_eq!(error.kind(), ErrorKind::DriverUnavailable);
    assert_eq!((error.get("finding"), error.get("more")), (Some("D03"), Some("1")));
    assert_eq!(error.hint_text(), Some("update it"));
}

#[test]
fn commands_stand_on_lines_of_their_own_with_where_they_are_typed() {
    let text = finding(1, Severity::Broken, Confidence::Likely).to_string();
    let narrow = format!("{:40}", finding(1, Severity::Broken, Confidence::Likely));
    assert!(narrow.contains("D01  broken, likely: a <b>title</b> with\n     | in it (GPU-1)\n"), "{narrow}");
    assert_eq!(
        text,
        "D01  broken, likely: a <b>title</b> with | in it (GPU-1)
       /proc/x: <script>alert(1)</script> | `x`
     why: something is old
     mend: update it
         sudo apt-get update && sudo apt-get install something-with-a-rather-long-name-that-is-not-broken another-one
         sudo reboot
     on Windows, in PowerShell:
         wsl.exe --update
     note: the reboot ends all programs
     https://example.com/1"
    );
}

#[test]
fn a_machine_in_order_says_so_in_a_line_and_what_is_not_known_in_others() {
    let mut well = diagnosis(Vec::new());
    well.host = "native Linux".into();
    well.examined = vec![
        examined(1, "clear", ""),
        examined(2, "not_here", "no WSL"),
        examined(3, "unknown", "nobody looked"),
        examined(4, "unknown", "nobody looked"),
    ];
    assert_eq!(
        well.to_string(),
        "native Linux\nnothing found among 1 of 4 known failures; 1 cannot be so here; 2 could not be looked at\n\nnot known:\n  \
         D03 D04: nobody looked"
    );
    assert_eq!(well.verdict(), Verdict::Works);
    // The same with a daemon that failed: nobody may take it for an all-clear.
    well.gaps = vec![Gap::of("daemon unix:///var/run/docker.sock", "permission denied")];
    assert_eq!(well.verdict(), Verdict::Incomplete);
    assert!(
        well.summary().ends_with("2 could not be looked at (daemon unix:///var/run/docker.sock: permission denied)")
    );
    assert!(well.html().contains("not known") && !well.html().contains("class=\"word pass\""));
    let broken = Diagnosis { findings: vec![finding(1, Severity::Broken, Confidence::Likely)], ..well.clone() };
    assert_eq!(broken.verdict(), Verdict::Broken);
    well.examined.truncate(2);
    assert_eq!((well.verdict(), well.summary().contains("could not")), (Verdict::Works, false), "{}", well.summary());
}

#[test]
fn nothing_that_was_read_escapes_into_a_page_or_a_table() {
    let mut diagnosis = diagnosis(vec![finding(1, Severity::Broken, Confidence::Certain)]);
    diagnosis.host = "<img>".into();
    let page = diagnosis.html();
    assert!(!page.contains("<script") && !page.contains("<img>") && !page.contains("<b>"), "{page}");
    assert!(page.contains("<pre>sudo apt-get update &amp;&amp; "), "{page}");
    let markdown = diagnosis.markdown();
    assert!(markdown.contains("| /proc/x | \\<script\\>alert(1)\\</script\\> \\| \\`x\\` |"), "{markdown}");
    assert!(markdown.contains("```sh\nsudo apt-get update && "), "{markdown}");
    assert!(markdown.contains("```powershell\nwsl.exe --update\n```"), "{markdown}");
}

#[test]
fn json_is_read_again_as_it_was() {
    let diagnosis = diagnosis(vec![finding(1, Severity::Broken, Confidence::Certain)]);
    assert_eq!(serde_json::from_str::<Diagnosis>(&diagnosis.to_json()).unwrap(), diagnosis);
    assert!(diagnosis.to_json().starts_with("{\n  \"verdict\": \"broken\","), "{}", diagnosis.to_json());
    let explanation = explain("CUDA error 803\nXid 31", &Survey::of_host(host()));
    assert_eq!(serde_json::from_str::<Explanation>(&explanation.to_json()).unwrap(), explanation);
    assert!(explanation.to_json().contains("\"id\": \"D18\""), "{}", explanation.to_json());
}

#[test]
fn an_explanation_says_whether_it_is_so_here() {
    let explanation = explain("/usr/lib/wsl/lib/libcuda.so.1 is not a symbolic link", &Survey::of_host(host()));
    let text = explanation.to_string();
    assert!(text.starts_with("D13  not here (risk): "), "{text}");
    assert!(text.contains("it cannot be so on this machine: this is not WSL2"), "{text}");
    assert!(explanation.html().contains("this is not WSL2"));
    assert!(explanation.markdown().contains("this is not WSL2"));
    let unknown = explain("nothing that anybody knows", &Survey::of_host(host()));
    assert_eq!(unknown.to_string().replace("\n  ", " "), unknown.advice);
}

#[test]
fn every_id_is_read_in_either_case_and_a_wrong_one_names_the_nearest() {
    for entry in CATALOGUE {
        let text = entry.id.to_string();
        assert_eq!(text.parse::<FindingId>().unwrap(), entry.id);
        assert_eq!(text.to_lowercase().parse::<FindingId>().unwrap(), entry.id);
    }
    assert_eq!("d1".parse::<FindingId>().unwrap(), FindingId(1));
    let error = "D99".parse::<FindingId>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint_text().is_some_and(|hint| hint.starts_with("did you mean D")), "{error}");
    for wrong in ["", "D", "18", "D-1", "D256", "DD1", "é"] {
        assert!(wrong.parse::<FindingId>().is_err(), "{wrong}");
    }
}

#[test]
fn another_way_is_told_as_one_and_not_as_a_further_step() {
    let mut one = finding(3, Severity::Broken, Confidence::Certain);
    one.remedy =
        Remedy::new("take a newer driver").run("sudo reboot").or(Remedy::new("take an older <image>").run("pull it"));
    assert!(
        one.remedy.to_string().ends_with("    sudo reboot\nor: take an older <image>\n    pull it"),
        "{}",
        one.remedy
    );
    let diagnosis = diagnosis(vec![one]);
    let markdown = diagnosis.markdown();
    assert!(markdown.contains("sudo reboot\n```\n\nOr, take an older"), "{markdown}");
    assert!(markdown.contains("```sh\npull it\n```"), "{markdown}");
    let html = diagnosis.html();
    assert!(html.contains("<p>Or, take an older &lt;image&gt;.</p>"), "{html}");
    assert!(html.contains("<pre>pull it</pre>"), "{html}");
}
