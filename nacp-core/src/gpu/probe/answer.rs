//! The child's part.

use std::io::{self, Write};
use std::path::Path;

use super::line::Message;
use super::{LIBRARY, Report, Step, Timing, is_probe};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::gpu::{Fields, Nvml, Source};

/// Probes if this process was started to, and says whether it was: then there is nothing left to do for the program,
/// and it should end. Called first in `main`, before anything else touches a GPU or prints.
///
/// The report goes to the standard output, which belongs to the [`Guard`](super::Guard) then. In a process that was not
/// started to probe it does nothing.
///
/// ```
/// use nacp_core::gpu::probe;
///
/// fn main() {
///     if probe::answer() {
///         return;
///     }
///     // The program.
/// }
/// ```
#[must_use = "a program that was started to probe has nothing left to do"]
pub fn answer() -> bool {
    if !is_probe() {
        return false;
    }
    let library = std::env::var_os(LIBRARY).filter(|path| !path.is_empty());
    // The guard may be gone, and nobody else is there to be told.
    let _ = report(library.as_deref().map(Path::new), &mut io::stdout().lock());
    true
}

fn report(library: Option<&Path>, out: &mut dyn Write) -> io::Result<()> {
    let mut timings = Vec::new();
    let message = match read(library, out, &mut timings) {
        Ok(report) => Message::Report(Box::new(Report { timings, ..report })),
        Err(error) => Message::Failed(error),
    };
    message.write(out)
}

fn read(library: Option<&Path>, out: &mut dyn Write, timings: &mut Vec<Timing>) -> Result<Report> {
    let clock = SystemClock::new();
    let mut begun: Option<(Step, std::time::Duration)> = None;
    let mut begin = |step: Step| {
        let now = clock.monotonic();
        if let Some((step, since)) = begun.replace((step, now)) {
            let micros = u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX);
            timings.push(Timing { step, micros });
        }
        // Said before each step, so that the guard knows where a crash happened.
        let _ = Message::Begin(step).write(out);
    };
    begin(Step::Open);
    let nvml = library.map_or_else(Nvml::open, Nvml::open_at)?;
    begin(Step::Inventory);
    let gpus = nvml.inventory()?;
    begin(Step::Sample);
    let mut samples = Vec::new();
    nvml.sample(Fields::ALL, &mut samples)?;
    begin(Step::Support);
    let support = nvml.support()?;
    begin(Step::End);
    Ok(Report { origin: nvml.origin().clone(), gpus, samples, support, timings: Vec::new() })
}
