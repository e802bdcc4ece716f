//! How a survey is read: each part by a reader of its own, all at once, within one limit.
#![expect(clippy::disallowed_methods, reason = "readers run side by side, for a stated time")]

mod cdi;
mod containers;
mod cuda;
mod devices;
mod environment;
mod kernel;
mod kernel_log;
mod kubernetes;
mod libraries;
mod loader_cache;
mod nvml;
mod packages;
mod selinux;
mod system;
mod toolkit;
mod wsl;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Gap, Survey};
use crate::child::Program;
use crate::cuda::Execute;
use crate::gpu::Source;
use crate::host::root::Root;
use crate::host::{CommandOutcome, Daemon, Facts, Host, Seen, daemon};

/// What a reader has read, put where it belongs.
type Put = Box<dyn FnOnce(&mut Survey) + Send>;

/// What every reader is given.
pub(super) struct Given {
    pub(super) root: Root,
    pub(super) host: Host,
    pub(super) isolated: Option<Program>,
    pub(super) source: Option<Arc<dyn Source>>,
    pub(super) driver: Option<Arc<dyn Execute>>,
    pub(super) containers: bool,
    pub(super) commands: bool,
    pub(super) nvidia_smi: bool,
    pub(super) cdi_generate: bool,
    pub(super) messages: Vec<String>,
    /// When it is read, in seconds since 1970.
    pub(super) at: Option<i64>,
    /// When everything has to be over.
    pub(super) until: Instant,
}

impl Given {
    /// The time that is left, with a little kept for the end.
    fn left(&self) -> Duration {
        const END: Duration = Duration::from_millis(100);
        self.until.saturating_duration_since(Instant::now()).saturating_sub(END)
    }

    /// How a program ended, where programs may be run.
    fn run(&self, program: &str, args: &[&str], limit: Duration) -> Seen<CommandOutcome> {
        if !self.commands {
            return Seen::NotAsked;
        }
        self.root.run(program, args, limit.min(self.left()))
    }
}

/// A reader: what it reads, how, and what is said in its place where it did not come back in time. That it did not is a
/// gap of the survey besides.
struct Reader {
    name: &'static str,
    read: Read,
    late: fn(&mut Survey, String),
}

/// When a reader begins.
#[derive(Clone, Copy)]
enum Read {
    /// At once.
    First(fn(&Given) -> Put),
    /// When it is known which daemons there are.
    OfDaemons(fn(&Given, &[Daemon]) -> Put),
}

/// The reader without which those of [`Read::OfDaemons`] do not begin.
const DAEMONS: &str = "daemons";

const READERS: [Reader; 19] = [
    reader(DAEMONS, daemons, |_, _| {}),
    reader("nvml", nvml::read, |survey, why| survey.nvml = nvml_late(why)),
    reader("cuda", cuda::read, |survey, why| survey.cuda = cuda_late(why)),
    reader("kernel-log", kernel_log::read, |survey, why| survey.kernel.log = Seen::Unreadable(why)),
    reader("kernel", kernel::read, |survey, why| survey.kernel.modules = Seen::Unreadable(why)),
    reader("devices", devices::read, |survey, why| survey.devices.char_links = Seen::Unreadable(why)),
    reader("libraries", libraries::read, |_, _| {}),
    reader("toolkit", toolkit::files, |survey, why| survey.toolkit.config = Seen::Unreadable(why)),
    reader("nvidia-ctk", toolkit::version, |survey, why| {
        // The package database may have told it.
        if survey.toolkit.version.found().is_none() {
            survey.toolkit.version = Seen::Unreadable(why);
        }
    }),
    reader("cdi-generate", toolkit::cdi_generate, |survey, why| survey.toolkit.cdi_generate = Seen::Unreadable(why)),
    reader("nvidia-smi", toolkit::nvidia_smi, |survey, why| survey.toolkit.nvidia_smi = Seen::Unreadable(why)),
    reader("units", packages::units, |survey, why| survey.toolkit.refresh_unit = Seen::Unreadable(why)),
    reader("wsl", wsl::read, |survey, why| survey.wsl.driver_store = Seen::Unreadable(why)),
    reader("environment", environment::read, |_, _| {}),
    reader("system", system::read, |survey, why| survey.system.distribution = Seen::Unreadable(why)),
    reader("kubernetes", kubernetes::read, |survey, why| survey.kubernetes.plugin_sockets = Seen::Unreadable(why)),
    reader("selinux", selinux::read, |_, _| {}),
    Reader { name: "containers", read: Read::OfDaemons(containers::read), late: |_, _| {} },
    Reader { name: "CDI specifications", read: Read::OfDaemons(cdi::read), late: |_, _| {} },
];

const fn reader(name: &'static str, read: fn(&Given) -> Put, late: fn(&mut Survey, String)) -> Reader {
    Reader { name, read: Read::First(read), late }
}

/// Why a reader is late.
const IN_TIME: &str = "did not answer in time";
/// Why a reader has nothing to say.
const BROKEN: &str = "ended without an answer: an error in NACP, please report it";

/// Reads everything, and waits for no reader beyond the limit. One that hangs in a library, on a socket or on a file
/// system is left behind in its thread.
pub(super) fn read(root: &Root, limit: Duration, given: impl FnOnce(Host, Instant) -> Given) -> Survey {
    let until = Instant::now() + limit;
    let (host, gap) = layers(root, until);
    let given = given(host, until);
    let mut survey = Survey::of_host(given.host.clone());
    survey.at = given.at;
    survey.gaps.extend(gap);
    let given = Arc::new(given);
    let (said, heard) = channel();
    let mut said = Some(said);
    let (mut missing, mut waiting): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (index, reader) in READERS.iter().enumerate() {
        match (&reader.read, &said) {
            (Read::First(read), Some(said)) => {
                let (given, read) = (Arc::clone(&given), *read);
                begin(index, said, move || read(&given), &mut missing, &mut survey);
            }
            _ => waiting.push(index),
        }
    }
    while !missing.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let Ok((index, put)) = heard.recv_timeout(left) else { break };
        missing.retain(|it| *it != index);
        match put {
            Some(put) => put(&mut survey),
            None => late(&READERS[index], BROKEN, &mut survey),
        }
        if let Some(said) = said.take_if(|_| READERS[index].name == DAEMONS) {
            let daemons: Arc<[Daemon]> = survey.host.daemons.as_slice().into();
            for index in waiting.drain(..) {
                if let Read::OfDaemons(read) = READERS[index].read {
                    let (given, daemons) = (Arc::clone(&given), Arc::clone(&daemons));
                    begin(index, &said, move || read(&given, &daemons), &mut missing, &mut survey);
                }
            }
        }
    }
    for index in missing.into_iter().chain(waiting) {
        late(&READERS[index], IN_TIME, &mut survey);
    }
    super::discreet::without_names(survey, root.variable("HOME").as_deref())
}

/// Begins to read in a thread of its own. What a reader breaks on is its own end, and nobody else's.
fn begin(
    index: usize,
    said: &Sender<(usize, Option<Put>)>,
    read: impl FnOnce() -> Put + Send + 'static,
    missing: &mut Vec<usize>,
    survey: &mut Survey,
) {
    let said = said.clone();
    let work = move || {
        // Nobody may be there any more.
        let _ = said.send((index, catch_unwind(AssertUnwindSafe(read)).ok()));
    };
    match thread::Builder::new().name(format!("nacp-{}", READERS[index].name)).spawn(work) {
        Ok(_) => missing.push(index),
        Err(error) => late(&READERS[index], &format!("has no thread to read in: {error}"), survey),
    }
}

fn late(reader: &Reader, why: &str, survey: &mut Survey) {
    tracing::debug!(reader = reader.name, why, "a reader did not come back");
    let why = format!("{} {why}", reader.name);
    survey.gaps.push(Gap::of(reader.name, why.clone()));
    (reader.late)(survey, why);
}

fn nvml_late(why: String) -> super::NvmlFacts {
    let failure = super::NvmlFailure { code: None, signal: None, message: why.clone() };
    super::NvmlFacts { driver: Seen::Unreadable(why), failure: Some(failure), ..Default::default() }
}

fn cuda_late(why: String) -> super::CudaFacts {
    let failure = super::CudaFailure { call: String::new(), code: None, message: why.clone() };
    super::CudaFacts { library: Seen::Unreadable(why), failure: Some(failure), ..Default::default() }
}

/// The layers of a machine, without its daemons. Everything else depends on them; where they do not come in time, every
/// question is open.
fn layers(root: &Root, until: Instant) -> (Host, Option<Gap>) {
    let (said, heard) = channel();
    let own = root.clone();
    let gather = move || {
        // Nobody may be there any more.
        let _ = said.send(Facts::gather(&own));
    };
    let why = match thread::Builder::new().name("nacp-layers".into()).spawn(gather) {
        Ok(_) => match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(facts) => return (facts.decide(), None),
            Err(RecvTimeoutError::Timeout) => format!("what tells the layers {IN_TIME}"),
            Err(RecvTimeoutError::Disconnected) => format!("what tells the layers {BROKEN}"),
        },
        Err(error) => format!("there is no thread to read in: {error}"),
    };
    let nothing = Facts { os: root.os().map(str::to_owned), answers: BTreeMap::new() };
    (nothing.decide(), Some(Gap::of("layers", why)))
}

/// The daemons; their containers and where they look for specifications are read when they are known.
fn daemons(given: &Given) -> Put {
    /// How long a daemon may take. Podman starts other programs to tell their versions: a second on a busy machine.
    const LIMIT: Duration = Duration::from_secs(3);
    let daemons = daemon::find(&given.root, &given.host, LIMIT.min(given.left()));
    Box::new(move |survey| survey.host.daemons = daemons)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_late_is_a_gap_with_its_reason() {
        for reader in &READERS {
            let mut survey = Survey::of_host(Facts { os: None, answers: BTreeMap::new() }.decide());
            late(reader, IN_TIME, &mut survey);
            let why = format!("{} did not answer in time", reader.name);
            assert_eq!(survey.gaps, [Gap::of(reader.name, why)]);
        }
        let mut survey = Survey::of_host(Facts { os: None, answers: BTreeMap::new() }.decide());
        let ctk = READERS.iter().find(|reader| reader.name == "nvidia-ctk").unwrap();
        late(ctk, IN_TIME, &mut survey);
        assert_eq!(survey.toolkit.version.open(), Some("nvidia-ctk did not answer in time"));
        survey.toolkit.version = Seen::Found("1.18.0".into());
        late(ctk, IN_TIME, &mut survey);
        assert_eq!(survey.toolkit.version, Seen::Found("1.18.0".into()));
    }

    #[test]
    fn a_reader_that_breaks_says_so_and_takes_nobody_with_it() {
        let (said, heard) = channel();
        let mut survey = Survey::of_host(Facts { os: None, answers: BTreeMap::new() }.decide());
        let mut missing = Vec::new();
        begin(0, &said, || panic!("on purpose"), &mut missing, &mut survey);
        begin(1, &said, || Box::new(|_| {}), &mut missing, &mut survey);
        drop(said);
        let mut ended: Vec<_> = heard.iter().map(|(index, put)| (index, put.is_some())).collect();
        ended.sort_unstable();
        assert_eq!((missing, ended), (vec![0, 1], vec![(0, false), (1, true)]));
    }

    #[test]
    fn layers_that_do_not_come_leave_every_question_open() {
        let root = Root::system();
        let (host, gap) = layers(&root, Instant::now());
        if let Some(gap) = gap {
            assert_eq!(gap, Gap::of("layers", "what tells the layers did not answer in time"));
            assert!(host.layers.is_empty() && !host.undecided.is_empty());
        }
        let (_, gap) = layers(&root, Instant::now() + Duration::from_secs(60));
        assert_eq!(gap, None);
    }
}
