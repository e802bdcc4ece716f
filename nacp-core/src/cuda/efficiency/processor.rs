//! What the multiprocessors could do.

use super::{Peak, Unknown, human};
use crate::gpu::ComputeCapability;

const CORES: &str = "cores: the table of cuda-samples (ConvertSMVer2Cores) up to 9.0, NVIDIA's whitepapers after it";
const TENSOR: &str = "operations a clock: NVIDIA's whitepapers and data sheets of each architecture, dense matrices";
const NATIVE: &str = "mma.sync is this architecture's own instruction for its tensor units";

/// How many 32-bit cores a multiprocessor has; none where no table tells.
pub fn cores_per_multiprocessor(compute: ComputeCapability) -> Option<u32> {
    match (compute.major, compute.minor) {
        (3, _) => Some(192),
        (6 | 8, 0) | (7, 0 | 2 | 5) => Some(64),
        (5, 0 | 2 | 3) | (6, 1 | 2) | (8, 6 | 7 | 9) | (9, 0) | (10, 0 | 1 | 3) | (11, 0) | (12, 0 | 1) => Some(128),
        _ => None,
    }
}

/// The most floating-point operations of 32 bits a second; a fused multiply-add is two.
///
/// `multiprocessors` is what this device or partition has, `clock` is in MHz.
///
/// # Errors
/// Why it is not known: an architecture that is not in the table, or a number that the driver does not tell.
pub fn fp32(compute: ComputeCapability, multiprocessors: u32, clock: f64) -> Result<Peak, Unknown> {
    let cores = cores_per_multiprocessor(compute).ok_or_else(|| {
        Unknown::new(format!("no table tells how many cores a multiprocessor of compute capability {compute} has"))
    })?;
    told(multiprocessors, clock)?;
    let value = f64::from(multiprocessors) * f64::from(cores) * 2.0 * clock * 1e6;
    let result = human(value, "FLOP/s");
    let formula = format!("{multiprocessors} SM x {cores} cores x 2 FLOP x {clock} MHz = {result}");
    Ok(Peak { value, formula, source: CORES })
}

/// What a product is made for. On some architectures a GeForce adds up in 32 bits at half the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProductLine {
    /// GeForce with RTX in its name.
    GeForce,
    /// Data centre and workstation, and Titan.
    Professional,
    /// A product whose rate is cut or which has no tensor units, so that no table of its architecture is true of it.
    Cut,
}

impl ProductLine {
    /// Reads it from the product's name, such as `NVIDIA GeForce RTX 4090`.
    pub fn of(name: &str) -> Self {
        let mut words = name.split([' ', '-']).filter(|word| !word.is_empty());
        // TU116 and TU117 have no tensor units; a mining card and the H20 have a part of their architecture's rate.
        let number = |word: &str, prefix| word.strip_prefix(prefix).and_then(|rest: &str| rest.parse::<u32>().ok());
        let cut = |word: &str| {
            matches!(word, "GTX" | "CMP" | "H20" | "H20Z")
                || number(word, "MX").is_some()
                || number(word, "T").is_some_and(|number| number >= 400)
        };
        if words.any(cut) {
            Self::Cut
        } else if name.contains("GeForce") {
            Self::GeForce
        } else {
            Self::Professional
        }
    }
}

/// The most operations a second of the tensor units on dense matrices of 16-bit numbers (f16 or bf16) that are added up
/// in 32 bits; a multiply-add is two.
///
/// # Errors
/// Why it is not known, as for [`fp32`].
pub fn tensor_f16(
    compute: ComputeCapability,
    line: ProductLine,
    multiprocessors: u32,
    clock: f64,
) -> Result<Peak, Unknown> {
    if (compute.major, compute.minor) < (7, 0) {
        return Err(Unknown::new(format!("compute capability {compute} has no tensor units")));
    }
    if line == ProductLine::Cut {
        return Err(Unknown::new("this product has no tensor units, or only a part of its architecture's rate"));
    }
    let geforce = line == ProductLine::GeForce;
    let each = match (compute.major, compute.minor) {
        (7, 0) => 1024,
        (7, 5) | (8, 6 | 9) | (12, 0) if geforce => 512,
        (7, 5) | (8, 6 | 9) | (12, 0) => 1024,
        (8, 0) => 2048,
        (9, 0) => 4096,
        (10, 0) => 8192,
        _ => {
            return Err(Unknown::new(format!(
                "no table tells what the tensor units of compute capability {compute} do in a clock"
            )));
        }
    };
    told(multiprocessors, clock)?;
    let value = f64::from(multiprocessors) * f64::from(each) * clock * 1e6;
    let result = human(value, "FLOP/s");
    let formula = format!("{multiprocessors} SM x {each} FLOP x {clock} MHz = {result}");
    Ok(Peak { value, formula, source: TENSOR })
}

/// Which part of the tensor units' peak a program can reach with a kind of instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The part: 1 is all.
    pub value: f64,
    /// Where it comes from.
    pub source: &'static str,
}

/// Which part of the peak `mma.sync` can reach: the newer instructions of data-centre devices (`wgmma` on Hopper,
/// `tcgen05` on Blackwell) do more, and only they reach the peak.
///
/// # Errors
/// Why it is not known. On Hopper what is published (0.62 to 0.65) is about `m16n8k16`; NACP's kernel uses `m16n8k8`,
/// which does half as much in an instruction and may reach less.
pub fn mma_sync_share(compute: ComputeCapability) -> Result<Share, Unknown> {
    match (compute.major, compute.minor) {
        (7 | 8, _) | (12, 0) => Ok(Share { value: 1.0, source: NATIVE }),
        (9, 0) => Err(Unknown::new("what mma.sync.m16n8k8 reaches on Hopper has not been measured")),
        _ => Err(Unknown::new("nothing is published for this architecture")),
    }
}

fn told(multiprocessors: u32, clock: f64) -> Result<(), Unknown> {
    if multiprocessors == 0 {
        return Err(Unknown::new("the driver does not tell how many multiprocessors there are"));
    }
    if !(clock.is_finite() && clock > 0.0) {
        return Err(Unknown::new("the clock is not known"));
    }
    Ok(())
}
