//! Where we run: a stack of layers, each with its evidence.
//!
//! A process may run in a container, on WSL2, in a virtual machine, in a cloud, all at once; one word for that is
//! always wrong somewhere. [`detect`] answers a [`Host`]: the [`Layer`]s that were found, from the process outwards,
//! the path by which GPUs are reached, and the questions that have no answer, with the reason.
//!
//! Reading and deciding are apart: [`Facts`] gathers what a machine's files and environment say, and
//! [`Facts::decide`] is pure. A [`Root`] other than `/` shows another machine: that is how the tests hold this module
//! to machines that they do not run on. Nothing is executed, and nothing is asked over the network but a container daemon
//! that the environment or the current context names; [`Detection`] can leave daemons out.
//!
//! ```
//! let host = nacp_core::host::detect();
//! println!("{}", host.summary());
//! for layer in &host.layers {
//!     println!("{layer}");
//! }
//! ```

mod container;
pub mod daemon;
#[cfg(feature = "doctor")]
pub mod decision;
mod detection;
#[cfg(feature = "doctor")]
pub mod doctor;
mod facts;
mod gpu_path;
mod layers;
#[cfg(feature = "doctor")]
pub mod lock;
mod machine;
mod metadata;
#[cfg(feature = "doctor")]
mod prose;
#[cfg_attr(not(feature = "doctor"), allow(dead_code, reason = "a survey reads more than detection"))]
mod root;
mod seen;
mod stack;
mod standing;
#[cfg(feature = "doctor")]
pub mod survey;
#[cfg(feature = "doctor")]
mod wsl_list;

pub use daemon::{Daemon, DaemonInfo, DaemonPlace};
#[cfg(feature = "doctor")]
pub use decision::{Decision, Evaluation, Weights, evaluate};
pub use detection::Detection;
#[cfg(feature = "doctor")]
pub use doctor::{Diagnosis, Doctor, Finding, diagnose, explain};
pub use facts::{Answer, Facts};
#[cfg(feature = "doctor")]
pub use lock::{Lock, Verification};
pub use root::{CommandOutcome, Root};
pub use seen::Seen;
pub use stack::{
    Cloud, Confidence, ContainerRuntime, Evidence, GpuPath, GpuPathKind, Host, Hypervisor, Layer, LayerKind, Question,
    Undecided,
};
pub use standing::{RuntimeOption, Standing};
#[cfg(feature = "doctor")]
pub use survey::Survey;
#[cfg(feature = "doctor")]
pub use wsl_list::WslDistribution;

/// Where this process runs, and which container daemons it can reach. It reads some forty small files, nearly all of the
/// kernel's own, and asks the daemons, half a second at most; what cannot be read leaves a question [undecided](Host::undecided) and is no error. A
/// [`Detection`] says what is looked at.
pub fn detect() -> Host {
    Detection::new().run()
}

/// Examines this machine: reads everything that the doctor knows to look at, five seconds at most, and holds it against
/// the catalogue of known failures.
///
/// NVML and CUDA are asked in threads of this process. Where their libraries may crash or hang, as under WSL2, a child
/// should ask them: [`Survey::builder`] with [`isolated`](survey::SurveyBuilder::isolated), and [`Doctor::of`].
///
/// ```no_run
/// println!("{}", nacp_core::host::doctor());
/// ```
#[cfg(feature = "doctor")]
pub fn doctor() -> Doctor {
    Doctor::of(Survey::builder().read())
}

/// Where a process would run that sees these files and this environment: another machine's, for a test.
///
/// ```
/// use std::collections::BTreeMap;
/// use nacp_core::host::{self, ContainerRuntime, Root};
///
/// # let folder = std::env::temp_dir().join(format!("nacp-doc-{}", std::process::id()));
/// std::fs::create_dir_all(folder.join("proc/sys/kernel")).unwrap();
/// std::fs::write(folder.join("proc/sys/kernel/osrelease"), "6.8.0-85-generic").unwrap();
/// std::fs::write(folder.join(".dockerenv"), "").unwrap();
///
/// let host = host::detect_in(&Root::at(&folder, BTreeMap::new()));
/// assert_eq!(host.container(), Some(ContainerRuntime::Docker));
/// assert_eq!(host.summary(), "docker container on native Linux (kernel 6.8.0-85-generic)");
/// # std::fs::remove_dir_all(folder).unwrap();
/// ```
pub fn detect_in(root: &Root) -> Host {
    Detection::new().root(root.clone()).run()
}
