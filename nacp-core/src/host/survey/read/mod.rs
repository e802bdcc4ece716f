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

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Gap, Survey};
use crate::child::Program;
use crate::cuda::Execute;
use crate::gpu::Source;
use crate::host::root::Root;
use crate::host::{CommandOutcome, Facts, Host, Seen, daemon};

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

/// A reader: what it reads, how, and what is said where it did not come back in time.
struct Reader {
    name: &'static str,
    read: fn(&Given) -> Put,
    late: fn(&mut Survey, String),
}

const READERS: [Reader; 13] = [
    Reader { name: "daemons", read: daemons, late: |_, _| {} },
    Reader { name: "nvml", read: nvml::read, late: |survey, why| survey.nvml = nvml_late(why) },
    Reader { name: "cuda", read: cuda::read, late: |survey, why| survey.cuda = cuda_late(why) },
    Reader {
        name: "kernel-log",
        read: kernel_log::read,
        late: |survey, why| survey.kernel.log = Seen::Unreadable(why),
    },
    Reader { name: "kernel", read: kernel::read, late: |survey, why| survey.kernel.modules = Seen::Unreadable(why) },
    Reader {
        name: "devices",
        read: devices::read,
        late: |survey, why| survey.devices.char_links = Seen::Unreadable(why),
    },
    Reader { name: "libraries", read: libraries::read, late: |_, _| {} },
    Reader { name: "toolkit", read: toolkit::files, late: |survey, why| survey.toolkit.config = Seen::Unreadable(why) },
    Reader { name: "nvidia-ctk", read: toolkit::version, late: |_, _| {} },
    Reader {
        name: "cdi-generate",
        read: toolkit::cdi_generate,
        late: |survey, why| survey.toolkit.cdi_generate = Seen::Unreadable(why),
    },
    Reader {
        name: "nvidia-smi",
        read: toolkit::nvidia_smi,
        late: |survey, why| survey.toolkit.nvidia_smi = Seen::Unreadable(why),
    },
    Reader {
        name: "units",
        read: packages::units,
        late: |survey, why| survey.toolkit.refresh_unit = Seen::Unreadable(why),
    },
    Reader { name: "wsl", read: wsl::read, late: |survey, why| survey.wsl.driver_store = Seen::Unreadable(why) },
];

/// Reads everything, and waits for no reader beyond the limit. One that hangs in a library or on a socket is left behind
/// in its thread.
pub(super) fn read(given: Given) -> Survey {
    let mut survey = Survey::of_host(given.host.clone());
    survey.at = given.at;
    survey.system = system::read(&given.root);
    for put in [environment::read(&given), kubernetes::read(&given), selinux::read(&given)] {
        put(&mut survey);
    }
    let (until, home) = (given.until, given.root.variable("HOME"));
    let given = Arc::new(given);
    let (said, heard) = channel();
    let mut missing: Vec<usize> = Vec::new();
    for (index, reader) in READERS.iter().enumerate() {
        let (given, said) = (Arc::clone(&given), said.clone());
        let work = move || {
            // Nobody may be there any more.
            let _ = said.send((index, (reader.read)(&given)));
        };
        match thread::Builder::new().name(format!("nacp-{}", reader.name)).spawn(work) {
            Ok(_) => missing.push(index),
            Err(error) => (reader.late)(&mut survey, format!("no thread to read with: {error}")),
        }
    }
    drop(said);
    let mut why = "did not answer in time";
    while !missing.is_empty() {
        match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((index, put)) => {
                put(&mut survey);
                missing.retain(|it| *it != index);
            }
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => {
                why = "ended without an answer: an error in NACP, please report it";
                break;
            }
        }
    }
    for reader in READERS.iter().enumerate().filter(|(index, _)| missing.contains(index)).map(|(_, reader)| reader) {
        tracing::debug!(reader = reader.name, why, "a reader did not come back");
        (reader.late)(&mut survey, format!("{} {why}", reader.name));
    }
    super::discreet::without_names(survey, home.as_deref())
}

fn nvml_late(why: String) -> super::NvmlFacts {
    let failure = super::NvmlFailure { code: None, signal: None, message: why.clone() };
    super::NvmlFacts { driver: Seen::Unreadable(why), failure: Some(failure), ..Default::default() }
}

fn cuda_late(why: String) -> super::CudaFacts {
    let failure = super::CudaFailure { call: String::new(), code: None, message: why.clone() };
    super::CudaFacts { library: Seen::Unreadable(why), failure: Some(failure), ..Default::default() }
}

/// The layers of a machine, without its daemons.
pub(super) fn layers(root: &Root) -> Host {
    Facts::gather(root).decide()
}

/// The daemons, and what depends on where they look: their containers, and the specifications of CDI.
fn daemons(given: &Given) -> Put {
    /// How long a daemon may take. Podman starts other programs to tell their versions: a second on a busy machine.
    const LIMIT: Duration = Duration::from_secs(3);
    let daemons = daemon::find(&given.root, &given.host, LIMIT.min(given.left()));
    let cdi = cdi::read(&given.root, &daemons);
    let left = || given.left();
    let (containers, gaps) = if given.containers {
        containers::read(&given.root, &daemons, &left)
    } else {
        (Vec::new(), vec![Gap::of("containers", "the daemons were not asked for them")])
    };
    Box::new(move |survey| {
        survey.gaps.extend(gaps);
        survey.host.daemons = daemons;
        survey.cdi = cdi;
        survey.containers = containers;
    })
}

/// All memory of the machine, in bytes.
fn memory(root: &Root) -> Option<u64> {
    total(root.text("/proc/meminfo").found()?)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let number = line.trim().strip_suffix("kB")?.trim();
    number.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_in_kibibytes() {
        assert_eq!(total("MemTotal:        8021824 kB\nMemFree: 1 kB"), Some(8_021_824 << 10));
        for broken in ["", "MemTotal: many kB", "MemTotal: 1 MB", "MemTotal: 18446744073709551615 kB"] {
            assert_eq!(total(broken), None, "{broken}");
        }
    }
}
