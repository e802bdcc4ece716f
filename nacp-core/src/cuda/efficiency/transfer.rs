//! What memory and links could carry.

use super::{Peak, Unknown, human};

const MEMORY: &str = "two transfers a clock on every line of the bus: the formula of cuda-samples' deviceQuery";
const PCIE: &str = "transfers a second and encoding: the PCI Express base specification of each generation";
const NVLINK: &str = "speed of each link in each direction, as the driver tells it";
const VERSION: &str =
    "speed of a link in each direction: NVIDIA's whitepapers of Pascal, Volta, Ampere, Hopper, Blackwell";

/// The most bytes a second that can be read from and written to the device's memory, both together.
///
/// `clock` is in MHz as NVML and CUDA tell it, `bus` the width in bits.
///
/// # Errors
/// Why it is not known: a driver may tell 0 for a memory that the device shares with the machine.
pub fn memory(clock: f64, bus: u32) -> Result<Peak, Unknown> {
    if !(clock.is_finite() && clock > 0.0) {
        return Err(Unknown::new("the driver does not tell the clock of the memory"));
    }
    if bus == 0 {
        return Err(Unknown::new("the driver does not tell the width of the memory's bus"));
    }
    let value = 2.0 * clock * 1e6 * f64::from(bus) / 8.0;
    let result = human(value, "B/s");
    Ok(Peak { value, formula: format!("2 x {clock} MHz x {bus} bit / 8 = {result}"), source: MEMORY })
}

/// The most bytes a second that a PCIe link carries in one direction, what the packets' headers take included: real
/// copies reach about nine tenths of it.
///
/// # Errors
/// Why it is not known: a generation that is not in the table, or no lanes.
pub fn pcie(generation: u32, width: u32) -> Result<Peak, Unknown> {
    // Millions of transfers a second of a lane; of how many bits sent how many are data. From 6 on the 256 bytes of a
    // flit hold 236 bytes of packets.
    let (transfers, data, sent) = match generation {
        1 => (2_500_u32, 8_u32, 10_u32),
        2 => (5_000, 8, 10),
        3 => (8_000, 128, 130),
        4 => (16_000, 128, 130),
        5 => (32_000, 128, 130),
        6 => (64_000, 236, 256),
        _ => return Err(Unknown::new(format!("no table tells the speed of PCIe generation {generation}"))),
    };
    if width == 0 {
        return Err(Unknown::new("the driver does not tell the width of the PCIe link"));
    }
    let value = f64::from(transfers) * 1e6 * f64::from(data) / f64::from(sent) / 8.0 * f64::from(width);
    let speed = f64::from(transfers) / 1e3;
    let result = human(value, "B/s");
    let formula = format!("PCIe {generation}: {width} lanes x {speed} GT/s x {data}/{sent} / 8 = {result}");
    Ok(Peak { value, formula, source: PCIE })
}

/// The most bytes a second that NVLinks carry in one direction together. `megabytes` is the sum of their speeds in
/// millions of bytes a second, as [`Link::bandwidth`](crate::gpu::topology::Link::bandwidth) tells it.
///
/// # Errors
/// Why it is not known.
pub fn nvlink(links: u32, megabytes: u64) -> Result<Peak, Unknown> {
    let megabytes = u32::try_from(megabytes).ok().filter(|megabytes| *megabytes > 0 && links > 0);
    let megabytes = f64::from(megabytes.ok_or_else(|| Unknown::new("no NVLink tells its speed"))?);
    let value = megabytes * 1e6;
    let each = megabytes / f64::from(links) / 1e3;
    let formula = format!("{links} NVLinks x {each:.2} GB/s = {}", human(value, "B/s"));
    Ok(Peak { value, formula, source: NVLINK })
}

/// The same where the driver tells the version of the links and not their speed. `version` is the driver's number
/// (`nvmlNvlinkVersion_t`).
///
/// # Errors
/// Why it is not known: the links of some versions differ in speed from product to product.
pub fn nvlink_of_version(links: u32, version: u32) -> Result<Peak, Unknown> {
    let (name, each) = match version {
        1 => ("1.0", 20_u32),
        2 => ("2.0", 25),
        3 => ("2.2", 25),
        4 => ("3.0", 25),
        6 => ("4.0", 25),
        7 => ("5.0", 50),
        _ => {
            return Err(Unknown::new(format!("no table tells the speed of NVLinks of the driver's version {version}")));
        }
    };
    if links == 0 {
        return Err(Unknown::new("there is no NVLink"));
    }
    let value = f64::from(links) * f64::from(each) * 1e9;
    let formula = format!("NVLink {name}: {links} links x {each} GB/s = {}", human(value, "B/s"));
    Ok(Peak { value, formula, source: VERSION })
}
