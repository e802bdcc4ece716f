//! What NVIDIA's kernel modules write into the kernel's log: Xids, SXids, a GPU that is gone, versions that do not match.
//!
//! NVML tells of Xids only while somebody listens, and not on every platform; the kernel's log has them too, also those
//! from before. [`parse`] is the pure part: one line of the log, as `/dev/kmsg`, `dmesg` or the journal have it, becomes a
//! [`KernelEvent`]. [`KernelLog`] reads the log of this machine.
//!
//! ```
//! use nacp_core::gpu::kernel_log::{What, parse};
//!
//! let line = "4,1907,96642233,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=812, name=python, GPU has fallen off the bus.";
//! let event = parse(line).unwrap();
//! let What::Xid { pci, code, pid, .. } = event.what else { panic!() };
//! assert_eq!((pci.as_str(), code, pid), ("00000000:3B:00.0", 79, Some(812)));
//! ```

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Reading, boot};

mod events;
mod parse;
mod pci;
mod reader;

pub(super) use events::Both;
pub use events::KernelEvents;
pub use parse::parse;
pub use reader::{Entry, KernelLog};

/// One message of NVIDIA's kernel modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KernelEvent {
    /// The number of the message in the log, which goes up by one with each message of any module; only `/dev/kmsg` has it.
    pub sequence: Option<u64>,
    /// When it was written, from the start of the machine, as the kernel's clock of the processor counts: without the
    /// time that the machine slept. Where the line has no such time, `None`.
    pub since_boot: Option<Duration>,
    /// Whether a program has written the message into the kernel's log, as tools do that inject faults. Only `/dev/kmsg`
    /// tells; elsewhere it is `false`.
    pub injected: bool,
    /// The message, at most 8 KiB of it, without what the log puts in front. It may have several lines.
    pub message: String,
    /// What it tells.
    pub what: What,
}

impl KernelEvent {
    /// The time of day, from the time when the machine was started ([`boot_time`]). On a machine that has slept it is too
    /// early by that time.
    pub fn at(&self, boot: Timestamp) -> Option<Timestamp> {
        boot.checked_add(self.since_boot?).ok()
    }
}

/// When the machine was started, to a second: `btime` in `proc/stat` below `root`, which is `/` on this machine.
pub fn boot_time(root: impl AsRef<Path>) -> Reading<Timestamp> {
    boot::time(root.as_ref())
}

/// What a message tells. PCI addresses are spelled as NVML spells them, such as `00000000:3B:00.0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// An error of a GPU, with the number that [`xid::lookup`](super::xid::lookup) explains.
    Xid {
        /// The GPU's PCI address.
        pci: String,
        /// The GPU instance, of a GPU in MIG mode.
        gpu_instance: Option<u32>,
        /// The compute instance in it.
        compute_instance: Option<u32>,
        /// The number of the error.
        code: u32,
        /// The process whose work it was, as the whole machine numbers processes, where the driver knows it.
        pid: Option<u32>,
        /// The name of that process.
        process: Option<String>,
        /// What follows.
        detail: String,
    },
    /// An error of an NVSwitch.
    Sxid {
        /// The switch's PCI address.
        pci: String,
        /// The number of the error.
        code: u32,
        /// Whether the driver calls it fatal, where it says.
        fatal: Option<bool>,
        /// What follows the number.
        detail: String,
    },
    /// A GPU answers no more on its bus: it is lost until the machine is started anew, or longer.
    FellOffBus {
        /// The GPU's PCI address. `dmesg` and the journal can have it in a line before, and then it is not known here.
        pci: Option<String>,
    },
    /// A program's driver library and the kernel module are of different versions.
    ModuleMismatch {
        /// The version of the library, where this line has it.
        client: Option<String>,
        /// The version of the kernel module, where this line has it.
        module: Option<String>,
    },
    /// Any other message that is an error. Of lines whose level is not known, and of the level *warning*, these are all of
    /// the module `nvidia`, whose messages begin with `NVRM:` and which prints its errors at that level, but for its
    /// greeting.
    Other,
}
