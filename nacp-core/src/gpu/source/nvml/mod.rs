//! GPUs through the NVIDIA Management Library, opened at run time.
//!
//! [`library`] has the functions, one method each. [`roll`] knows who is there, so that a tick asks nobody for his name.
//! [`inventory`] asks what a GPU is, with [`board`], [`links`] and [`mig`]; [`sample`] what it is doing, and
//! [`often`] what of it most ticks ask, with what is in [`kept`] of the last time.

mod board;
mod events;
mod fields;
mod inventory;
mod kept;
mod library;
mod link_errors;
mod links;
mod mig;
mod often;
mod open;
mod partitions;
mod processes;
mod profile;
mod roll;
mod sample;
mod support;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::events::EventSet;
use self::kept::{Kept, Reader};
use self::library::{Calls, Code, Device, Ear, Library};
use self::roll::Roll;
use self::sample::Room;
use self::support::Notes;
use super::{Origin, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::inventory::silent::silent;
use crate::gpu::{Events, Fields, Gpu, GpuId, Pair, Sample, Support, Unknown};

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

/// A GPU's index and UUID, and its handle or why it does not answer.
type Present = (u32, GpuId, Result<Device, Unknown>);

impl Nvml {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is there now: index, UUID, and the handle or why there is none.
    fn present(&self, operation: &'static str) -> Result<Vec<Present>> {
        self.present_to(operation, &self.library.calls())
    }

    fn present_to<E: Ear>(&self, operation: &'static str, calls: &Calls<'_, E>) -> Result<Vec<Present>> {
        let roll = &mut self.state().roll;
        roll.call(calls).map_err(|code| whole_driver(operation, code))?;
        Ok(roll.seats.iter().map(|seat| (seat.index, seat.id.clone(), seat.device)).collect())
    }

    /// Asks a GPU everything once.
    fn probe<E: Ear>(&self, calls: &Calls<'_, E>, index: u32, id: GpuId, device: Device, room: &mut Room) {
        inventory::describe(calls, index, id.clone(), device);
        let mut sample = Sample::unknown(id, Unknown::NotRead);
        let mut kept = Kept::default();
        let mut reader = Reader { library: &self.library, calls: *calls, device, kept: &mut kept };
        // The counters within the chip are compared only at the second reading.
        for fields in [Fields::ALL, Fields::PROFILE] {
            reader.read(fields, room, &mut sample);
        }
        // Only the ear is interested in this.
        let _ = calls.supported_events(device);
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
        let present = self.present("gpu.inventory")?;
        // Modes and partitions may have been set up anew.
        self.state().roll.seats.iter_mut().for_each(|seat| seat.kept.forget());
        let gpus = present.into_iter().map(|(index, id, device)| match device {
            Ok(device) => inventory::describe(&calls, index, id, device),
            Err(reason) => silent(index, id, reason),
        });
        Ok(gpus.collect())
    }

    fn pairs(&self) -> Result<Vec<Pair>> {
        let present = self.present("gpu.pairs")?;
        let calls = self.library.calls();
        let ends: Vec<links::End<'_>> = present.iter().map(|(_, id, device)| (id, *device)).collect();
        let both = ends.iter().enumerate().flat_map(|(at, a)| ends[at + 1..].iter().map(move |b| (*a, *b)));
        Ok(both.map(|(a, b)| links::pair(&calls, a, b)).collect())
    }

    fn sample(&self, fields: Fields, samples: &mut Vec<Sample>) -> Result<()> {
        let State { roll, room } = &mut *self.state();
        sample::sample(&self.library, roll, room, fields, samples).map_err(|code| whole_driver("gpu.sample", code))
    }

    fn events(&self) -> Result<Box<dyn Events>> {
        let gpus = self.present("gpu.events")?.into_iter().filter_map(|(_, id, device)| Some((device.ok()?, id)));
        Ok(Box::new(EventSet::new(&self.library, gpus.collect())?))
    }

    fn support(&self) -> Result<Support> {
        let notes = Notes::default();
        let calls = self.library.heard_by(&notes);
        // Only the ear is interested in these.
        let _ = (calls.driver_version(), calls.nvml_version(), calls.cuda_driver_version());
        let present = self.present_to("gpu.support", &calls)?;
        let mut room = Room::default();
        let answering: Vec<_> = present.iter().filter(|(_, _, device)| device.is_ok()).cloned().collect();
        for (index, id, device) in present {
            match device {
                Ok(device) => {
                    notes.about(&id);
                    // One other GPU shows which questions about two are answered.
                    if let Some((_, other, handle)) = answering.iter().find(|(_, other, _)| *other != id) {
                        links::pair(&calls, (&id, Ok(device)), (other, *handle));
                    }
                    self.probe(&calls, index, id, device, &mut room);
                }
                Err(reason) => notes.silent(&id, reason),
            }
        }
        Ok(notes.into_support())
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
