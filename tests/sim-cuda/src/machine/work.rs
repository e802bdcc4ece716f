//! Work for a device: kernels, copies, fills. It is done when it is queued, or recorded and done later.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Handle, Machine, State, View};
use crate::code::{Answer, Code};
use crate::ptx::{self, Grid, Program, Trap};

/// One piece of work.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Kernel(Arc<Launch>),
    Copy {
        to: Side,
        from: Side,
        bytes: u64,
    },
    /// The pattern, repeated so often.
    Fill {
        to: u64,
        pattern: Vec<u8>,
        count: u64,
    },
}

/// Where bytes are copied from or to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Device(u64),
    /// An address of the process.
    Host(usize),
}

/// A kernel with all that it is given.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) device: usize,
    pub(crate) program: Arc<Program>,
    pub(crate) entry: String,
    pub(crate) grid: Grid,
    pub(crate) params: Vec<u8>,
}

impl Work {
    /// Refuses what leaves the memory that there is.
    pub(crate) fn check(&self, state: &State) -> Answer {
        let inside = |address: u64, bytes: u64| {
            let before = state.blocks.range(..=address).next_back();
            let found = before.is_some_and(|(_, block)| block.holds(address, bytes));
            if found { Ok(()) } else { Err(Code::INVALID_VALUE) }
        };
        let side = |side: Side, bytes| match side {
            Side::Device(address) => inside(address, bytes),
            Side::Host(0) => Err(Code::INVALID_VALUE),
            Side::Host(_) => Ok(()),
        };
        match self {
            Self::Kernel(_) => Ok(()),
            Self::Copy { bytes: 0, .. } | Self::Fill { count: 0, .. } => Ok(()),
            Self::Copy { to, from, bytes } => side(*to, *bytes).and_then(|()| side(*from, *bytes)),
            Self::Fill { to, pattern, count } => {
                if !to.is_multiple_of(pattern.len() as u64) {
                    return Err(Code::INVALID_VALUE);
                }
                inside(*to, count.checked_mul(pattern.len() as u64).ok_or(Code::INVALID_VALUE)?)
            }
        }
    }

    /// Whether the caller waits for it although it is queued: its memory of the host is not pinned.
    pub(crate) fn waits(&self, state: &State) -> bool {
        let pageable = |side: &Side, bytes: u64| match side {
            Side::Device(_) => false,
            Side::Host(address) => {
                let before = state.blocks.range(..=*address as u64).next_back();
                !before.is_some_and(|(_, block)| block.holds(*address as u64, bytes))
            }
        };
        match self {
            Self::Copy { to, from, bytes } => pageable(to, *bytes) || pageable(from, *bytes),
            Self::Kernel(_) | Self::Fill { .. } => false,
        }
    }

    /// The kernel's name, where it is one.
    pub(crate) fn kernel(&self) -> Option<&str> {
        match self {
            Self::Kernel(launch) => Some(&launch.entry),
            _ => None,
        }
    }

    /// Does it. `all` is what calls of the host may use, `own` what the context's kernels may.
    ///
    /// # Errors
    /// What the device answers from now on.
    pub(crate) fn perform(&self, machine: &Machine, all: &View, own: &View) -> Answer {
        match self {
            Self::Kernel(launch) => launch.run(machine, own),
            Self::Copy { bytes: 0, .. } | Self::Fill { count: 0, .. } => Ok(()),
            Self::Copy { to: Side::Device(to), from: Side::Device(from), bytes } => all.copy(*to, *from, *bytes),
            Self::Copy { to: Side::Device(to), from: Side::Host(from), bytes } => {
                all.write_from(*to, std::ptr::with_exposed_provenance(*from), *bytes)
            }
            Self::Copy { to: Side::Host(to), from: Side::Device(from), bytes } => {
                all.read_into(*from, std::ptr::with_exposed_provenance_mut(*to), *bytes)
            }
            Self::Copy { to: Side::Host(_), from: Side::Host(_), .. } => Err(Code::NOT_SUPPORTED),
            Self::Fill { to, pattern, count } => all.fill(*to, pattern, *count),
        }
    }
}

impl Launch {
    fn run(&self, machine: &Machine, own: &View) -> Answer {
        static NEVER: AtomicBool = AtomicBool::new(false);
        let entry = self.program.entry(&self.entry).ok_or(Code::INVALID_HANDLE)?;
        let flip = machine.config.flip.as_ref().and_then(|wrong| wrong.on(self.device));
        let outcome = ptx::run(&self.program, entry, &self.grid, &self.params, own, flip.as_ref(), &NEVER);
        match outcome {
            Ok(stats) => {
                if let Some(line) = stats.flipped {
                    machine.note(&format!("# {}: a bit flipped at line {line}", self.entry));
                }
                Ok(())
            }
            Err(trap) => {
                machine.note(&format!("# {}: {trap:?}", self.entry));
                Err(number(&trap))
            }
        }
    }
}

/// What the driver answers after a kernel has stopped like this.
fn number(trap: &Trap) -> Code {
    match trap {
        Trap::Address(_) => Code::ILLEGAL_ADDRESS,
        Trap::Misaligned(_) => Code::MISALIGNED_ADDRESS,
        Trap::Instruction(_) => Code::ILLEGAL_INSTRUCTION,
        Trap::Barrier => Code::LAUNCH_FAILED,
        Trap::Cancelled => Code::LAUNCH_TIMEOUT,
    }
}

impl State {
    /// A kernel's launch; `params` holds the bytes of its parameters.
    pub(crate) fn launch(&self, function: Handle, grid: Grid, params: Vec<u8>) -> Answer<Work> {
        let function = self.functions.get(function)?;
        let device = self.context(function.context)?.device;
        let (program, entry) = (Arc::clone(&function.program), function.entry.clone());
        Ok(Work::Kernel(Arc::new(Launch { device, program, entry, grid, params })))
    }
}
