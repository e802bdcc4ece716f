//! Questions that many rules ask of a survey.

use crate::host::doctor::{Outcome, Symptom, Trace};
use crate::host::survey::ContainerFacts;
use crate::host::{Confidence, ContainerRuntime, Daemon, DaemonInfo, DaemonPlace, Evidence, LayerKind, Seen, Survey};

/// As much of an error or a line as a person reads.
const LONGEST: usize = 300;
/// As many bytes of it as stand before the words that matter.
const BEFORE: usize = 60;

/// A version such as `1.17.8`, compared number by number: `1.9` is older than `1.10`, and `1.18.0-rc.1` than `1.18.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    numbers: Vec<u32>,
    released: bool,
}

impl Version {
    /// The version with which a text begins: of a program, or of a package (`1.17.8-1`, `5:28.2.1-1~debian.12`).
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let text = text.split_once(':').map_or(text, |(_, after_epoch)| after_epoch);
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let mut numbers = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        let released = !rest.get(1..).is_some_and(|rest| rest.starts_with("rc") || rest.starts_with("beta"));
        Some(Self { numbers, released })
    }
}

/// Whether the version that a text tells is before another; none where one of them is no version.
pub(super) fn before(text: &str, other: &str) -> Option<bool> {
    Some(Version::of(text)? < Version::of(other)?)
}

/// Whether an NVIDIA GPU is here, by any evidence: found with what says so, absent where nothing does although it was
/// looked for, unreadable where nobody could look.
pub(super) fn gpu(survey: &Survey) -> Seen<Evidence> {
    let seen = |source: &str, value: String| Seen::Found(Evidence { source: source.into(), value });
    if let Some(gpu) = survey.nvml.gpus.first() {
        let simulated = if survey.nvml.simulated { " (simulated)" } else { "" };
        return seen("NVML", format!("{} GPUs, the first {}{simulated}", survey.nvml.gpus.len(), gpu.name));
    }
    if let Some(device) = survey.cuda.devices.first() {
        return seen("CUDA", device.name.clone());
    }
    if let Some(node) = survey.devices.gpus().next() {
        return seen(&node.path, "present".into());
    }
    match &survey.devices.pci {
        Seen::Found(addresses) if !addresses.is_empty() => return seen("/sys/bus/pci/devices", addresses.join(" ")),
        _ => {}
    }
    if let Seen::Found(version) = &survey.kernel.driver {
        return seen("/proc/driver/nvidia/version", version.clone());
    }
    // The node alone is every GPU's on Windows; the driver's folder says whose.
    let store = survey.wsl.driver_store.found().filter(|folders| !folders.is_empty());
    if let (Some(node), Some(folders)) = (survey.devices.node("/dev/dxg"), store) {
        return seen(&node.path, format!("with {}", folders.join(" ")));
    }
    match &survey.devices.pci {
        Seen::Found(_) | Seen::Absent => Seen::Absent,
        Seen::Unreadable(why) => Seen::Unreadable(format!("/sys/bus/pci/devices cannot be read: {why}")),
        Seen::NotAsked => Seen::Unreadable("nothing shows a GPU, and the PCI devices were not looked at".into()),
    }
}

/// Whether this process is in a container, and not merely possibly.
pub(super) fn contained(survey: &Survey) -> bool {
    let layers = &survey.host.layers;
    layers.iter().any(|layer| matches!(layer.kind, LayerKind::Container(_)) && layer.confidence > Confidence::Possible)
}

/// Whether the daemon's machine is outside of this container. A system container (LXC, systemd-nspawn) with a daemon of its
/// own is that machine, in all but the driver and the kernel.
pub(super) fn daemon_is_outside(survey: &Survey) -> bool {
    let system = |kind| matches!(kind, ContainerRuntime::Lxc | ContainerRuntime::Nspawn);
    let all_system = survey.host.layers.iter().all(|layer| match layer.kind {
        LayerKind::Container(kind) => system(kind),
        kind => kind != LayerKind::Pod,
    });
    let own = |daemon: &Daemon| daemon.place == DaemonPlace::ThisKernel && daemon.endpoint.starts_with("unix://");
    contained(survey) && !(all_system && survey.daemon().is_some_and(own))
}

/// Whether the kernel is WSL's, the first or the second.
pub(super) fn on_wsl(survey: &Survey) -> bool {
    survey.host.layers.iter().any(|layer| matches!(layer.kind, LayerKind::Wsl1 | LayerKind::Wsl2))
}

/// Whether this is Windows or macOS itself, which have no device nodes and no modules of Linux.
pub(super) fn not_linux(survey: &Survey) -> bool {
    survey.host.os.as_deref().is_some_and(|os| os != "linux")
}

/// The daemons that answered, and what they said.
pub(super) fn daemons(survey: &Survey) -> impl Iterator<Item = (&Daemon, &DaemonInfo)> {
    survey.host.daemons.iter().filter_map(|daemon| Some((daemon, daemon.answer.found()?)))
}

/// Why a daemon that was looked for did not answer, where none did.
pub(super) fn silent_daemons(survey: &Survey) -> Option<String> {
    if daemons(survey).next().is_some() {
        return None;
    }
    survey.host.daemons.iter().find_map(|daemon| Some(format!("{}: {}", daemon.endpoint, daemon.answer.open()?)))
}

/// Whether the files of this machine (CDI specifications, the toolkit) are those that a daemon works with.
pub(super) fn shares_files(survey: &Survey, daemon: &Daemon) -> bool {
    daemon.place == DaemonPlace::ThisKernel && !daemon_is_outside(survey)
}

/// The daemon of a container, and what it said.
pub(super) fn daemon_of<'s>(survey: &'s Survey, container: &ContainerFacts) -> Option<(&'s Daemon, &'s DaemonInfo)> {
    daemons(survey).find(|(daemon, _)| daemon.endpoint == container.endpoint)
}

/// The containers of daemons of Docker, each with its daemon.
pub(super) fn on_docker(survey: &Survey) -> impl Iterator<Item = (&ContainerFacts, &Daemon, &DaemonInfo)> {
    owned(survey).filter(|(_, _, info)| !info.podman)
}

/// The containers of Podman, each with its daemon.
pub(super) fn on_podman(survey: &Survey) -> impl Iterator<Item = (&ContainerFacts, &Daemon, &DaemonInfo)> {
    owned(survey).filter(|(_, _, info)| info.podman)
}

/// The containers whose daemon answered, each with its daemon.
pub(super) fn owned(survey: &Survey) -> impl Iterator<Item = (&ContainerFacts, &Daemon, &DaemonInfo)> {
    let own = |container| daemon_of(survey, container).map(|(daemon, info)| (container, daemon, info));
    survey.containers.iter().filter_map(own)
}

/// Whether a container asks through the toolkit's hook or runtime and not through CDI.
pub(super) fn asks_by_hook(container: &ContainerFacts) -> bool {
    let by_request = container.requests.iter().any(|request| matches!(request.driver.as_str(), "" | "nvidia"));
    by_request || container.runtime.as_deref() == Some("nvidia")
}

/// The names of devices that a container asks of CDI.
pub(super) fn asks_of_cdi(container: &ContainerFacts) -> impl Iterator<Item = &str> {
    let requests = container.requests.iter().filter(|request| request.driver == "cdi");
    requests.flat_map(|request| &request.ids).map(String::as_str)
}

/// Whether a program of the toolkit is on the system's search path.
pub(super) fn has_program(survey: &Survey, name: &str) -> bool {
    survey.toolkit.programs.iter().any(|path| path.rsplit('/').next() == Some(name))
}

/// What containers and pods say with the words of any of these symptoms: errors of failed starts, and last lines of
/// programs that ended badly. Its subject is the containers. What only containers of before say is [past](Trace::past).
pub(super) fn said(survey: &Survey, symptoms: &[Symptom]) -> Option<Trace> {
    said_where(survey, symptoms, |_| true)
}

/// The same, of the containers that `counts` accepts, and of pods.
pub(super) fn said_where(
    survey: &Survey,
    symptoms: &[Symptom],
    counts: impl Fn(&ContainerFacts) -> bool,
) -> Option<Trace> {
    gathered(survey, symptoms, |container| counts(container).then(|| ended_lines(container)))
}

/// The same, also with what containers that run have written since their start.
pub(super) fn said_also_running(survey: &Survey, symptoms: &[Symptom]) -> Option<Trace> {
    gathered(survey, symptoms, |container| Some(&container.log))
}

/// The last lines of a container whose program has ended. A program that runs on has got over what it wrote.
pub(super) fn ended_lines(container: &ContainerFacts) -> &[String] {
    if container.state == "running" { &[] } else { &container.log }
}

fn gathered<'s>(
    survey: &'s Survey,
    symptoms: &[Symptom],
    lines: impl Fn(&'s ContainerFacts) -> Option<&'s [String]>,
) -> Option<Trace> {
    let quote = |text: &str| symptoms.iter().any(|symptom| symptom.find(text).is_some());
    let (mut now, mut before) = (Vec::new(), Vec::new());
    for container in &survey.containers {
        let Some(lines) = lines(container) else { continue };
        let name = &container.name;
        let found = if quote(&container.error) {
            (format!("error of container {name}"), container.error.as_str())
        } else if let Some(line) = lines.iter().find(|line| quote(line)) {
            (format!("log of container {name}"), line.as_str())
        } else {
            continue;
        };
        let value = excerpt(found.1, symptoms);
        match is_past(survey, container) {
            false => now.push((Evidence { source: found.0, value }, name.as_str())),
            true => before.push((Evidence { source: found.0, value: dated(container, &value) }, name.as_str())),
        }
    }
    let pods: Vec<_> = survey.kubernetes.messages.iter().filter(|message| quote(message)).collect();
    let past = now.is_empty() && pods.is_empty();
    let (mut evidence, subjects): (Vec<_>, Vec<_>) = if past { before } else { now }.into_iter().unzip();
    evidence.extend(
        pods.into_iter().map(|it| Evidence { source: "message of a pod".into(), value: excerpt(it, symptoms) }),
    );
    let subject = (!subjects.is_empty()).then(|| subjects.join(", "));
    let confidence = Confidence::Certain;
    let trace = (!evidence.is_empty()).then_some(Trace { evidence, confidence, subject, milder: None, past: false })?;
    Some(if past { trace.past() } else { trace })
}

/// When what a container says of a failure happened, in seconds since 1970: at its end, or when it was made, where it was
/// never started.
fn happened(container: &ContainerFacts) -> Option<i64> {
    match container.state.as_str() {
        "running" => None,
        "created" => container.created,
        _ => container.finished.or(container.started).or(container.created),
    }
}

/// Whether a container's failure is of before: more than a day ago, or from before the daemon was started or the toolkit
/// installed. Nothing is of before that has no time.
pub(super) fn is_past(survey: &Survey, container: &ContainerFacts) -> bool {
    const DAY: i64 = 24 * 60 * 60;
    let Some(then) = happened(container) else { return false };
    let here = || {
        daemon_of(survey, container)
            .is_some_and(|(daemon, info)| shares_files(survey, daemon) && !info.podman && !info.rootless())
    };
    let renewed = [survey.toolkit.daemon_started, survey.toolkit.installed];
    survey.at.is_some_and(|now| then < now - DAY) || (here() && renewed.into_iter().flatten().any(|since| then < since))
}

/// Words of a failure of before, with its day (UTC).
pub(super) fn dated(container: &ContainerFacts, words: &str) -> String {
    let time = happened(container).and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| words.to_owned(), |time| format!("{}: {words}", time.strftime("%Y-%m-%d")))
}

/// What containers say, which is of before where the machine shows by itself that it is cured.
pub(super) fn unless_cured(said: Option<Trace>, cured: bool) -> Option<Trace> {
    said.map(|trace| if cured { trace.past() } else { trace })
}

/// What the machine shows and what containers say, as one: the machine first, and as bad as the containers say, unless
/// what they say is of before.
pub(super) fn together(machine: Option<Trace>, said: Option<Trace>) -> Option<Trace> {
    match (machine, said) {
        (Some(mut machine), Some(said)) => {
            machine.evidence.extend(said.evidence);
            Some(Trace {
                evidence: machine.evidence,
                confidence: if said.past { machine.confidence } else { machine.confidence.max(said.confidence) },
                subject: if said.past { machine.subject.or(said.subject) } else { said.subject.or(machine.subject) },
                milder: if said.past { machine.milder } else { None },
                past: machine.past && said.past,
            })
        }
        (one, other) => one.or(other),
    }
}

/// Why the containers of this machine are not known, or not all: the daemon that `docker` would use does not answer, or
/// its list could not be read.
pub(super) fn unheard(survey: &Survey) -> Option<String> {
    let chosen = survey.host.daemons.iter().find(|daemon| daemon.chosen);
    let silent = chosen.and_then(|daemon| Some(format!("{}: {}", daemon.endpoint, daemon.answer.open()?)));
    let gap = || {
        let about = |what: &str| what == "daemons" || what.split(' ').next() == Some("containers");
        let gap = survey.gaps.iter().find(|gap| about(&gap.what))?;
        Some(format!("{}: {}", gap.what, gap.why))
    };
    silent.or_else(|| silent_daemons(survey)).or_else(gap)
}

/// Found where there is a trace; clear where there is none and all containers were seen.
pub(super) fn found_among(survey: &Survey, trace: Option<Trace>) -> Outcome {
    match (trace, unheard(survey)) {
        (Some(trace), _) => Outcome::Found(trace),
        (None, Some(why)) => Outcome::Unknown(format!("not every container could be looked at: {why}")),
        (None, None) => Outcome::Clear,
    }
}

/// Found where there is a trace, clear where there is none.
pub(super) fn found(trace: Option<Trace>) -> Outcome {
    trace.map_or(Outcome::Clear, Outcome::Found)
}

/// As much of a text as a person reads, with the words of the first of these symptoms in it, on one line: daemons put long
/// chains of causes in front of the one that matters.
pub(super) fn excerpt(text: &str, symptoms: &[Symptom]) -> String {
    let quote = symptoms.iter().find_map(|symptom| symptom.find(text));
    let at = quote.and_then(|quote| text.find(quote)).unwrap_or(0);
    let begin = text.floor_char_boundary(at.saturating_sub(BEFORE));
    if begin == 0 || text.chars().count() <= LONGEST {
        return shortened(text);
    }
    format!("…{}", shortened(&text[begin..]))
}

/// As much of a text as a person reads, on one line.
pub(super) fn shortened(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::doctor::catalogue::bench;

    #[test]
    fn versions_compare_by_their_numbers() {
        for (older, newer) in [
            ("1.9.0", "1.10.0"),
            ("1.17.7", "1.17.8"),
            ("1.18.0-rc.1", "1.18.0"),
            ("1.18.0~rc.2-1", "1.18.0-1"),
            ("5:25.0.3-1~debian.12~bookworm", "29.2"),
            ("1.43", "1.44"),
        ] {
            assert_eq!(before(older, newer), Some(true), "{older} {newer}");
            assert_eq!(before(newer, older), Some(false), "{newer} {older}");
        }
        assert_eq!(before("1.17", "1.17.0"), Some(false));
        assert_eq!(before("v1.17.0", "1.17"), Some(false));
        for broken in ["", "unknown", "..", "1..2", "99999999999.1"] {
            assert_eq!(before(broken, "1.0"), None, "{broken}");
        }
    }

    #[test]
    fn a_gpu_is_told_by_any_evidence_and_its_absence_only_where_somebody_looked() {
        let mut survey = bench::machine();
        assert!(gpu(&survey).found().is_some());
        survey = bench::bare();
        assert_eq!(gpu(&survey), Seen::Absent);
        survey.devices.pci = Seen::NotAsked;
        assert!(gpu(&survey).open().is_some());
        survey.devices.pci = Seen::Found(vec!["0000:01:00.0".into()]);
        assert_eq!(gpu(&survey).found().map(|evidence| evidence.source.as_str()), Some("/sys/bus/pci/devices"));
    }

    #[test]
    fn what_containers_say_names_each_of_them_once() {
        let symptoms = [Symptom::of(&["no such gpu"])];
        let mut survey = bench::machine();
        let mut one = bench::container("llm");
        one.error = "No such  GPU".into();
        one.log = vec!["no such gpu".into()];
        let mut other = bench::container("embed");
        other.log = vec!["start".into(), "no such gpu here".into()];
        survey.containers = vec![one, other, bench::container("quiet")];
        let trace = said(&survey, &symptoms).unwrap();
        assert_eq!(trace.subject.as_deref(), Some("llm, embed"));
        assert_eq!(trace.evidence.len(), 2);
        assert_eq!(trace.evidence[1].source, "log of container embed");
        assert_eq!(said(&bench::machine(), &symptoms), None);
    }

    #[test]
    fn an_error_of_before_is_a_note_with_its_day() {
        const DAY: i64 = 24 * 60 * 60;
        let symptoms = [Symptom::of(&["no such gpu"])];
        let mut survey = bench::machine();
        let mut old = bench::container("llm");
        (old.error, old.finished) = ("no such gpu".into(), Some(1_760_000_000));
        survey.containers = vec![old];
        let past = |survey: &Survey| said(survey, &symptoms).unwrap().past;
        assert!(!past(&survey), "nobody knows when it is");
        survey.at = Some(1_760_000_000 + DAY);
        assert!(!past(&survey), "a day ago");
        survey.at = Some(1_760_000_001 + DAY);
        let trace = said(&survey, &symptoms).unwrap();
        assert_eq!(trace.milder.map(|(severity, _)| severity), Some(crate::host::doctor::Severity::Note));
        assert_eq!(trace.evidence[0].value, "2025-10-09: no such gpu");
        // One that is fresh counts alone.
        let mut fresh = bench::container("embed");
        (fresh.error, fresh.finished) = ("no such gpu".into(), survey.at);
        survey.containers.push(fresh);
        let trace = said(&survey, &symptoms).unwrap();
        assert_eq!((trace.past, trace.subject.as_deref()), (false, Some("embed")));
    }

    #[test]
    fn an_error_from_before_the_daemon_s_start_is_of_before_on_its_own_machine() {
        let mut survey = bench::machine();
        let mut old = bench::container("llm");
        (old.state, old.created) = ("created".into(), Some(1000));
        survey.toolkit.daemon_started = Some(1001);
        assert!(is_past(&survey, &old));
        survey.host.daemons[0].place = DaemonPlace::Remote;
        assert!(!is_past(&survey, &old));
        survey.host.daemons[0].place = DaemonPlace::ThisKernel;
        (survey.toolkit.daemon_started, survey.toolkit.installed) = (Some(999), Some(1002));
        assert!(is_past(&survey, &old));
        survey.toolkit.installed = None;
        assert!(!is_past(&survey, &old));
    }

    #[test]
    fn what_is_of_before_makes_nothing_worse() {
        let machine =
            Trace::of("here", "so").only(Confidence::Possible).milder(crate::host::doctor::Severity::Risk, "x");
        let said = Trace::of("error of container llm", "so").about("llm");
        let both = together(Some(machine.clone()), Some(said.clone().past())).unwrap();
        assert_eq!((both.confidence, both.milder, both.past), (Confidence::Possible, machine.milder, false));
        let worse = together(Some(machine), Some(said)).unwrap();
        assert_eq!((worse.confidence, worse.milder), (Confidence::Certain, None));
    }

    #[test]
    fn what_a_program_wrote_that_runs_on_counts_only_where_it_is_asked() {
        let symptoms = [Symptom::of(&["no such gpu"])];
        let mut survey = bench::machine();
        let mut container = bench::container("llm");
        (container.state, container.log) = ("running".into(), vec!["no such gpu".into()]);
        survey.containers = vec![container];
        assert_eq!(said(&survey, &symptoms), None);
        assert!(said_also_running(&survey, &symptoms).is_some());
    }

    #[test]
    fn nothing_is_clear_where_a_daemon_or_its_containers_were_not_heard() {
        let mut survey = bench::machine();
        assert_eq!(found_among(&survey, None), Outcome::Clear);
        survey.gaps = vec![crate::host::survey::Gap::of("containers of unix:///x", "it refuses")];
        let why = "not every container could be looked at: containers of unix:///x: it refuses";
        assert_eq!(found_among(&survey, None), Outcome::Unknown(why.into()));
        survey.gaps = vec![crate::host::survey::Gap::of("libraries", "late")];
        assert_eq!(found_among(&survey, None), Outcome::Clear);
        survey.host.daemons[0].answer = Seen::Unreadable("no permission".into());
        assert!(unheard(&survey).unwrap().ends_with("no permission"));
        assert_eq!(found_among(&bench::bare(), None), Outcome::Clear);
    }

    #[test]
    fn of_a_long_error_the_part_that_matters_is_shown() {
        let symptoms = [Symptom::of(&["no such gpu"])];
        let long = format!("{}: no such GPU: unknown", "failed to create shim task: ".repeat(20));
        let shown = excerpt(&long, &symptoms);
        assert!(shown.starts_with('…') && shown.ends_with(": no such GPU: unknown"), "{shown}");
        assert!(shown.chars().count() < 100, "{shown}");
        assert_eq!(excerpt("a no such  gpu", &symptoms), "a no such gpu");
        assert_eq!(excerpt(&format!("{}no such gpu", "é".repeat(400)), &symptoms).chars().count(), 1 + 30 + 11);
    }

    #[test]
    fn a_long_error_is_cut_between_letters() {
        let long = shortened(&"é ".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert_eq!(shortened("a\n b"), "a b");
    }
}
