//! The simulated machine behind the calls: read once, counted users, handles that are checked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use nacp_core::sim::{GpuFile, NodeFile};

use crate::fault::Faults;
use crate::memory::{Answer, Code};

/// Which node answers when nobody says.
const DEFAULT_NODE: &str = "rtx3050ti-laptop-wsl2";

static MACHINE: OnceLock<Result<Machine, String>> = OnceLock::new();
/// How many calls of `nvmlInit` have not been undone by `nvmlShutdown`.
static USERS: AtomicUsize = AtomicUsize::new(0);

/// What a caller holds for a GPU (`nvmlDevice_t`): an address that is compared, never followed.
pub(crate) struct Handle {
    _own_address: u8,
}

/// The machine that the library plays.
pub(crate) struct Machine {
    pub(crate) file: NodeFile,
    pub(crate) faults: Faults,
    handles: Box<[Handle]>,
}

impl Machine {
    fn load() -> Result<Self, String> {
        let node = std::env::var("NACP_SIM_NODE").unwrap_or_else(|_| DEFAULT_NODE.into());
        let file = if node.contains('/') || Path::new(&node).is_file() {
            let text = std::fs::read_to_string(&node).map_err(|error| format!("NACP_SIM_NODE={node}: {error}"))?;
            NodeFile::parse(&text)
        } else {
            NodeFile::shipped(&node)
        };
        let file = file.map_err(|error| format!("NACP_SIM_NODE={node}: {error}"))?;
        let faults = Faults::parse(&std::env::var("NACP_SIM_NVML_FAULTS").unwrap_or_default())
            .map_err(|error| format!("NACP_SIM_NVML_FAULTS: {error}"))?;
        let handles = file.gpus.iter().map(|_| Handle { _own_address: 0 }).collect();
        Ok(Self { file, faults, handles })
    }

    /// The handle of the GPU with this index.
    pub(crate) fn handle(&self, index: usize) -> Answer<*const Handle> {
        self.handles.get(index).map(std::ptr::from_ref).ok_or(Code::INVALID_ARGUMENT)
    }

    /// The GPU of a handle; anything else than a handle of this machine is refused.
    fn gpu(&self, handle: *const Handle) -> Answer<(usize, &GpuFile)> {
        let index = self.handles.iter().position(|own| std::ptr::eq(own, handle)).ok_or(Code::INVALID_ARGUMENT)?;
        self.file.gpus.get(index).map(|gpu| (index, gpu)).ok_or(Code::INVALID_ARGUMENT)
    }
}

/// Starts the library, whatever the variant of `nvmlInit`.
pub(crate) fn init(function: &'static str) -> i32 {
    guarded(|| {
        let machine = MACHINE.get_or_init(Machine::load).as_ref().map_err(|problem| {
            eprintln!("simulated NVML: {problem}");
            Code::UNKNOWN
        })?;
        machine.faults.check(function, None)?;
        USERS.fetch_add(1, Ordering::SeqCst);
        Ok(())
    })
}

/// Undoes one `nvmlInit`.
pub(crate) fn shutdown(function: &'static str) -> i32 {
    system(function, |_| {
        let one_less = |users: usize| users.checked_sub(1);
        USERS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).map_err(|_| Code::UNINITIALIZED)?;
        Ok(())
    })
}

/// Answers a call about the machine.
pub(crate) fn system(function: &'static str, body: impl FnOnce(&Machine) -> Answer) -> i32 {
    guarded(|| {
        let machine = started()?;
        machine.faults.check(function, None)?;
        body(machine)
    })
}

/// Answers a call about one GPU.
pub(crate) fn device(
    function: &'static str,
    handle: *const Handle,
    body: impl FnOnce(&Machine, usize, &GpuFile) -> Answer,
) -> i32 {
    guarded(|| {
        let machine = started()?;
        let (index, gpu) = machine.gpu(handle)?;
        machine.faults.check(function, Some(index))?;
        if !machine.file.supports(function) {
            return Err(Code::NOT_SUPPORTED);
        }
        body(machine, index, gpu)
    })
}

fn started() -> Answer<&'static Machine> {
    if USERS.load(Ordering::SeqCst) == 0 {
        return Err(Code::UNINITIALIZED);
    }
    MACHINE.get().and_then(|machine| machine.as_ref().ok()).ok_or(Code::UNINITIALIZED)
}

/// Turns an answer into a return code; a panic stops here.
fn guarded(body: impl FnOnce() -> Answer) -> i32 {
    match catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Code::UNKNOWN)) {
        Ok(()) => 0,
        Err(Code(code)) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_unknown_error() {
        assert_eq!(guarded(|| panic!("on purpose")), 999);
    }
}
