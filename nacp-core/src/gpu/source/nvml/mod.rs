//! GPUs through the NVIDIA Management Library, opened at run time.
//!
//! [`library`] has the functions, one method each. [`roll`] knows who is there, so that a tick asks nobody for his name.
//! [`inventory`] asks what a GPU is; [`sample`] what it is doing, with what is in [`kept`] of the last time.

mod fields;
mod inventory;
mod kept;
mod library;
mod open;
mod partitions;
mod processes;
mod profile;
mod roll;
mod sample;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::library::{Code, Library};
use self::roll::Roll;
use self::sample::Room;
use super::{Origin, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Fields, Gpu, Sample};

/// The GPUs that the NVIDIA driver of this machine knows.
pub struct Nvml {
    library: Arc<Library>,
    origin: Origin,
    state: Mutex<State>,
}

/// What one tick leaves for the next.
#[derive(Debug, Default)]
struct State {
    roll: Roll,
    room: Room,
}

impl Nvml {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Nvml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nvml").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Source for Nvml {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn inventory(&self) -> Result<Vec<Gpu>> {
        let calls = self.library.calls();
        let roll = &mut self.state().roll;
        roll.call(&calls).map_err(|code| whole_driver("gpu.inventory", code))?;
        let gpus = roll.seats.iter_mut().map(|seat| {
            // Modes and partitions may have been set up anew.
            seat.kept.forget();
            match seat.device {
                Ok(device) => inventory::describe(&calls, seat.index, seat.id.clone(), device),
                Err(reason) => inventory::silent(seat.index, seat.id.clone(), reason),
            }
        });
        Ok(gpus.collect())
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        let State { roll, room } = &mut *self.state();
        sample::sample(&self.library, roll, room, fields, samples).map_err(|code| whole_driver("gpu.sample", code))
    }
}

/// The driver answers nothing at all.
fn whole_driver(operation: &'static str, code: Code) -> Error {
    let kind = match code {
        Code::NO_PERMISSION => ErrorKind::PermissionDenied,
        Code::GPU_IS_LOST => ErrorKind::DeviceLost,
        _ => ErrorKind::DriverUnavailable,
    };
    Error::new(kind, operation, "the NVIDIA driver does not answer").with("nvml", code).retry_later().caused_by(code)
}
