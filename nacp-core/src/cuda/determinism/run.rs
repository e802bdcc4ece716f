//! Running the suite on a device, and comparing every word.

use std::collections::BTreeSet;

use super::difference::UNTOLD;
use super::suite::{self, Expected, Shape};
use super::{Difference, KernelDigest, Profile};
use crate::cuda::kernels::{Image, Kernel, Launch};
use crate::cuda::session::{Buffer, Module, Refused, Session, Stream};
use crate::cuda::{Device, Execute};
use crate::error::{Error, Result};

/// What a word holds before a kernel writes it, so that what was never written is not taken for an answer.
pub(crate) const UNWRITTEN: u32 = 0xdead_beef;

/// One run of the suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuiteRun {
    /// What each kernel computed, right or wrong.
    pub digests: Vec<KernelDigest>,
    /// What differs from what the CPU computes: one for each kernel that is wrong.
    pub differences: Vec<Difference>,
    /// The multiprocessors that took part.
    pub multiprocessors: BTreeSet<u32>,
    /// How many words were compared.
    pub words: u64,
}

/// A device that is ready to run the suite in one context, with memory for the answers of each kernel.
pub(crate) struct Runner<'s> {
    profile: Profile,
    base: Module<'s>,
    tensor: Option<Module<'s>>,
    places: Vec<Place<'s>>,
}

/// Where a kernel writes.
struct Place<'s> {
    kernel: Kernel,
    out: Buffer<'s>,
    sms: Buffer<'s>,
}

impl<'s> Runner<'s> {
    /// Loads the images and gets the memory.
    pub(crate) fn new(session: &'s Session<'s>, device: &Device, profile: Profile) -> Result<Self, Refused> {
        let place = |kernel| {
            let out = session.allocate(4 * u64::from(suite::words(profile, kernel)))?;
            let sms = session.allocate(4 * u64::from(suite::most_blocks(profile, kernel)))?;
            Ok(Place { kernel, out, sms })
        };
        let tensor = (device.compute >= Image::Tensor.target()).then(|| session.load(Image::Tensor, false));
        Ok(Self {
            profile,
            base: session.load(Image::Base, false)?,
            tensor: tensor.transpose()?,
            places: suite::kernels(device.compute).map(place).collect::<Result<_, Refused>>()?,
        })
    }

    /// Runs all kernels on a stream and compares what they wrote with the reference. `go_on` is asked before each. What
    /// was found until an error is in `run`.
    pub(crate) fn run<E: From<Refused> + From<Error>>(
        &self,
        stream: &Stream<'_>,
        shape: Shape,
        go_on: impl Fn() -> Result<(), E>,
        run: &mut SuiteRun,
    ) -> Result<(), E> {
        for place in &self.places {
            go_on()?;
            self.queue_one::<E>(place, stream, shape)?;
            self.compare::<E>(place, stream, shape, run)?;
        }
        Ok(())
    }

    /// Queues all kernels, and waits for none.
    pub(crate) fn queue<E: From<Refused> + From<Error>>(&self, stream: &Stream<'_>, shape: Shape) -> Result<(), E> {
        self.places.iter().try_for_each(|place| self.queue_one(place, stream, shape))
    }

    /// Waits for what was queued with the same shape, and compares it.
    pub(crate) fn collect<E: From<Refused> + From<Error>>(
        &self,
        stream: &Stream<'_>,
        shape: Shape,
        run: &mut SuiteRun,
    ) -> Result<(), E> {
        self.places.iter().try_for_each(|place| self.compare(place, stream, shape, run))
    }

    fn queue_one<E: From<Refused> + From<Error>>(
        &self,
        place: &Place<'_>,
        stream: &Stream<'_>,
        shape: Shape,
    ) -> Result<(), E> {
        let module = match (place.kernel.image(), &self.tensor) {
            (Image::Tensor, Some(tensor)) => tensor,
            _ => &self.base,
        };
        place.out.fill(UNWRITTEN, stream)?;
        place.sms.fill(UNTOLD, stream)?;
        Ok(stream.start(module, &self.launch(place, shape)?)?)
    }

    fn compare<E: From<Refused> + From<Error>>(
        &self,
        place: &Place<'_>,
        stream: &Stream<'_>,
        shape: Shape,
        run: &mut SuiteRun,
    ) -> Result<(), E> {
        let launch = self.launch(place, shape)?;
        let Expected { words: expected, digest } = suite::expected(self.profile, place.kernel)?;
        // The copies wait for the stream; asking for its end first names the kernel's call where it failed.
        stream.synchronize()?;
        let found = place.out.words(expected.len(), stream)?;
        let sms = place.sms.words(launch.grid() as usize, stream)?;
        run.multiprocessors.extend(sms.iter().filter(|sm| **sm != UNTOLD));
        match Difference::between(&launch, expected, &found, &sms) {
            None => run.digests.push(digest.clone()),
            Some(difference) => {
                run.digests.push(KernelDigest::of(place.kernel, &found));
                run.differences.push(difference);
            }
        }
        run.words += expected.len() as u64;
        Ok(())
    }

    fn launch(&self, place: &Place<'_>, shape: Shape) -> Result<Launch, Error> {
        suite::launch(self.profile, place.kernel, shape, place.out.memory(), place.sms.memory())
    }
}

/// Runs the suite once on a device, and compares every word with what the CPU computes.
///
/// # Errors
/// What the driver refused, named by the call; [`Internal`](crate::ErrorKind::Internal) where the reference lacks a
/// kernel. An answer that is wrong is no error.
pub fn run(driver: &dyn Execute, device: &Device, profile: Profile) -> Result<SuiteRun> {
    let session = Session::open(driver, handle(driver, device)?)?;
    let stream = session.stream()?;
    let mut run = SuiteRun::default();
    Runner::new(&session, device, profile)?.run(&stream, Shape::ALL[0], || Ok::<_, Error>(()), &mut run)?;
    Ok(run)
}

/// Runs the suite once on a device and gives the digest of what each kernel computed, right or wrong: what another
/// process compares with its own. The CPU computes nothing for it.
///
/// # Errors
/// What the driver refused, named by the call.
pub fn digests(driver: &dyn Execute, device: &Device, profile: Profile) -> Result<Vec<KernelDigest>> {
    let session = Session::open(driver, handle(driver, device)?)?;
    let stream = session.stream()?;
    let runner = Runner::new(&session, device, profile)?;
    let digest = |place: &Place<'_>| {
        runner.queue_one::<Error>(place, &stream, Shape::ALL[0])?;
        stream.synchronize()?;
        let words = usize::try_from(suite::words(profile, place.kernel)).unwrap_or(usize::MAX);
        Ok(KernelDigest::of(place.kernel, &place.out.words(words, &stream)?))
    };
    runner.places.iter().map(digest).collect()
}

/// The driver's handle of a device.
pub(crate) fn handle(driver: &dyn Execute, device: &Device) -> Result<i32, Refused> {
    let ordinal = i32::try_from(device.ordinal).unwrap_or(i32::MAX);
    crate::cuda::session::called("cuDeviceGet", driver.device(ordinal))
}

impl From<Refused> for Error {
    fn from(Refused { call, fault, log, .. }: Refused) -> Self {
        let error = fault.error("cuda.determinism", call);
        if log.trim().is_empty() { error } else { error.with("log", log.trim()) }
    }
}
