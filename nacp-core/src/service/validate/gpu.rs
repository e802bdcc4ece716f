//! What is asked of the GPUs.

use super::{At, LEAST_MEMORY, quoted};
use crate::error::{Error, Result};
use crate::service::{GpuMemory, GpuNeed, Sharing, Topology, VersionRange};
use crate::units::Bytes;

pub(super) fn check(at: &At, need: &GpuNeed) -> Result<()> {
    if need.memory == GpuMemory::Bytes(Bytes::ZERO) {
        return Err(at.error("memory", "memory is needed").hint("write a size, for example 3.5GiB"));
    }
    if need.memory.bytes().is_some_and(|bytes| bytes < LEAST_MEMORY) {
        let error = at.wrong("memory", "too little memory for anything on a GPU", need.memory);
        return Err(error.hint("did you forget the unit? write for example 3.5GiB"));
    }
    if !(1..=64).contains(&need.count) {
        let error = at.wrong("count", "the number of GPUs is out of range", need.count);
        return Err(error.hint("choose 1 to 64, or leave out `gpu` for a service without one"));
    }
    for (field, wanted) in [("compute", need.compute), ("cuda", need.cuda)] {
        wanted.map_or(Ok(()), |wanted| range(at, field, wanted))?;
    }
    if need.topology != Topology::Any && need.count < 2 {
        return Err(at
            .wrong("topology", "one GPU is connected to nothing", need.count)
            .hint("ask for several by `count`, or leave out `topology`"));
    }
    let Some(profile) = &need.mig else { return Ok(()) };
    if !is_profile(profile) {
        let error = at.wrong("mig", "not a profile of a partition", quoted(profile));
        let lower = profile.trim().to_lowercase().replace([' ', '_'], "");
        return Err(match is_profile(&lower) {
            true => error.hint(format!("did you mean {lower}?")),
            false => error.hint("write for example 1g.10gb or 1c.3g.20gb, as nvidia-smi mig -lgip lists them"),
        });
    }
    if need.sharing == Sharing::Exclusive {
        return Err(at.error("sharing", "a partition belongs to one replica anyway").hint("leave out `sharing`"));
    }
    if need.topology != Topology::Any {
        return Err(at.error("topology", "partitions do not reach each other").hint("leave out `topology` or `mig`"));
    }
    Ok(())
}

fn range(at: &At, field: &str, wanted: VersionRange) -> Result<()> {
    let error = |message: &str| -> Error { at.wrong(field, message, quoted(&wanted.to_string())) };
    match (wanted.at_least, wanted.below) {
        (None, None) => Err(error("a range without an end says nothing").hint("write for example \">=8.0\"")),
        (_, Some((0, 0))) => Err(error("no version is in this range").hint("raise the end")),
        (Some(least), Some(end)) if least >= end => {
            Err(error("no version is in this range").hint("the end must be greater than the least that will do"))
        }
        _ => Ok(()),
    }
}

/// `1g.10gb`, `1c.3g.20gb`, `1g.5gb+me`.
fn is_profile(text: &str) -> bool {
    let digits = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let slices = |text: &str, unit: char| text.strip_suffix(unit).is_some_and(digits);
    let (base, extra) = match text.split_once(['+', '-']) {
        Some((base, extra)) => (base, Some(extra)),
        None => (text, None),
    };
    let parts: Vec<_> = base.split('.').collect();
    let memory = |text: &str| text.strip_suffix("gb").is_some_and(digits);
    let shape = match parts[..] {
        [gpu, size] => slices(gpu, 'g') && memory(size),
        [compute, gpu, size] => slices(compute, 'c') && slices(gpu, 'g') && memory(size),
        _ => false,
    };
    let letters =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || b".+-".contains(&byte));
    shape && extra.is_none_or(letters)
}
