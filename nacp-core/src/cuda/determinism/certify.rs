//! From a device to its certificate in one call.

use super::evidence::Runs;
use super::run::{Runner, SuiteRun, handle};
use super::suite::Shape;
use super::{Certificate, Circumstances, Profile};
use crate::cuda::session::{Refused, Session, called};
use crate::cuda::{Device, Execute, Version};
use crate::error::{Error, ErrorKind, Result};

/// Runs the suite on a device in two contexts, on two streams in each, cut in three ways, compares every word of every
/// run with what the CPU computes, and writes down what was found. A device that computes wrongly gets a certificate
/// too, which says so.
///
/// The memory for it is a megabyte or two; on a real device it takes a second or two, most of which the CPU needs for
/// the reference.
///
/// # Errors
/// What the driver refused, named by the call. An answer that is wrong is none.
pub fn certify(driver: &dyn Execute, device: &Device, profile: Profile, place: &Circumstances) -> Result<Certificate> {
    let mut runs = Runs::new(profile);
    repeat(driver, device, &mut runs, 1, || Ok::<_, Error>(()))?;
    let cuda = called("cuDriverGetVersion", driver.version())?;
    let cuda = Version::from_number(cuda).ok_or_else(|| {
        Error::new(ErrorKind::DriverUnavailable, "cuda.certificate", "the CUDA driver states no version")
            .with("version", cuda)
    })?;
    Certificate::of(&runs, device, (driver.loaded(), cuda), place)
}

/// Runs the suite in every way in which the answer must not change: `rounds` times in the shared context and in one of
/// its own, on two streams, cut in three ways.
pub(crate) fn repeat<E: From<Refused> + From<Error>>(
    driver: &dyn Execute,
    device: &Device,
    runs: &mut Runs,
    rounds: u32,
    go_on: impl Fn() -> Result<(), E>,
) -> Result<(), E> {
    let handle = handle(driver, device)?;
    for fresh in [false, true] {
        let session = if fresh { Session::open_own(driver, handle)? } else { Session::open(driver, handle)? };
        let runner = Runner::new(&session, device, runs.profile)?;
        let streams = [session.stream()?, session.stream()?];
        for _ in 0..rounds {
            for shape in Shape::ALL {
                for stream in &streams {
                    let mut run = SuiteRun::default();
                    match runner.run(stream, shape, &go_on, &mut run) {
                        Ok(()) => runs.add(run, shape.block),
                        Err(ended) => {
                            runs.add_part(run);
                            return Err(ended);
                        }
                    }
                }
            }
        }
        runs.compared.streams = runs.compared.streams.max(2);
        runs.compared.contexts = runs.compared.contexts.max(1 + u32::from(fresh));
    }
    Ok(())
}
