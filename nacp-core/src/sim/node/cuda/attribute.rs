//! What a device answers to `cuDeviceGetAttribute`, worked out from the node file and the compute capability.
//!
//! Limits of an architecture are those of the CUDA programming guide's table of compute capabilities. The size of the
//! second-level cache is that of the architecture's largest product. What is not simulated is answered with 0:
//! memory pools, cooperative launches, virtual memory management, operations of streams on memory.

use super::CudaDevice;
use crate::sim::node::{Addressing, ComputeMode, DriverModel};

/// Limits that depend on the compute capability alone.
struct Limits {
    threads: u32,
    blocks: u32,
    /// Shared memory of a multiprocessor, and what a block may ask for, in KiB.
    shared: u32,
    shared_block: u32,
    l2: u32,
}

fn limits(major: u32, minor: u32) -> Limits {
    let (threads, blocks, shared, shared_block, l2_kib) = match (major, minor) {
        (..=5, _) => (2048, 32, 96, 48, 2048),
        (6, 0) => (2048, 32, 64, 48, 4096),
        (6, _) => (2048, 32, 96, 48, 2816),
        (7, 5) => (1024, 16, 64, 64, 6144),
        (7, _) => (2048, 32, 96, 96, 6144),
        (8, 0) => (2048, 32, 164, 163, 40_960),
        (8, 9) => (1536, 24, 100, 99, 73_728),
        (8, 7) => (1536, 16, 164, 163, 4096),
        (8, _) => (1536, 16, 100, 99, 6144),
        (9, _) => (2048, 32, 228, 227, 51_200),
        (10, _) => (2048, 32, 228, 227, 129_024),
        (11, _) => (1536, 24, 228, 227, 32_768),
        _ => (1536, 24, 100, 99, 98_304),
    };
    Limits { threads, blocks, shared, shared_block, l2: l2_kib * 1024 }
}

impl CudaDevice {
    /// One attribute by its number (`CUdevice_attribute`), as the driver of this version of CUDA (`1000 * major + 10 *
    /// minor`) answers; none where it does not know the number or what the file says does not fit the answer.
    pub fn attribute(&self, number: i32, driver: i32) -> Option<i32> {
        let gpu = &self.gpu;
        let limits = limits(gpu.compute.major, gpu.compute.minor);
        let modes = self.modes();
        let clocks = gpu.max_clocks.unwrap_or(gpu.clocks);
        let flag = u32::from;
        let identity = gpu.identity.clone().unwrap_or_default();
        let integrated = matches!((gpu.compute.major, gpu.compute.minor), (5, 3) | (6, 2) | (7, 2) | (8, 7) | (11, 0));
        // The numbers from 120 on came with CUDA 12 (and one a little before).
        if number >= 120 && driver < 12000 {
            return None;
        }
        let answer = match number {
            1 => Self::BLOCK,
            2..=4 => Self::BLOCK_SIDES[usize::try_from(number - 2).ok()?],
            5..=7 => Self::GRID_SIDES[usize::try_from(number - 5).ok()?],
            8 => Self::SHARED,
            9 => 65_536,
            10 => 32,
            11 => 0x7FFF_FFFF,
            12 | 82 => 65_536,
            13 => clocks.sm.checked_mul(1000)?,
            14 | 30 => 512,
            15 => flag(self.copy_engines > 0),
            16 => self.multiprocessors,
            17 => flag(modes.display_active == Some(true)),
            18 => flag(integrated),
            19 | 31 | 41 | 78 | 79 | 80 | 83 | 90 => 1,
            20 => modes.compute.map_or(0, ComputeMode::number),
            32 => flag(gpu.ecc.as_ref().is_some_and(|ecc| ecc.enabled)),
            33 => pci(&gpu.pci, 1)?,
            34 => pci(&gpu.pci, 2)?,
            50 => pci(&gpu.pci, 0)?,
            35 => flag(modes.driver_model == Some(DriverModel::Wdm)),
            36 => clocks.memory.checked_mul(1000)?,
            37 => identity.bus_width.unwrap_or(0),
            38 => limits.l2,
            39 => limits.threads,
            40 => self.copy_engines,
            51 => 32,
            81 => limits.shared << 10,
            75 => gpu.compute.major,
            76 => gpu.compute.minor,
            84 => flag(identity.multi_gpu_board == Some(true)),
            87 => {
                if gpu.compute.minor == 0 {
                    2
                } else {
                    64
                }
            }
            88 => flag(matches!(modes.addressing, Some(Addressing::Hmm | Addressing::Ats))),
            89 => flag(!self.wsl),
            97 => limits.shared_block << 10,
            100 => flag(modes.addressing == Some(Addressing::Ats)),
            106 => limits.blocks,
            111 => {
                if gpu.compute.major >= 8 {
                    1024
                } else {
                    0
                }
            }
            // Known, and not simulated or not there.
            21..=29 | 42..=49 | 52..=74 | 77 | 85 | 86 | 91..=96 | 98 | 99 | 101..=105 | 107..=110 | 112..=132 => 0,
            133 => flag(gpu.processes.iter().any(|process| process.mps)),
            134..=147 => 0,
            _ => return None,
        };
        i32::try_from(answer).ok()
    }
}

/// Domain, bus and device of a PCI address.
fn pci(address: &str, part: usize) -> Option<u32> {
    u32::from_str_radix(address.split([':', '.']).nth(part)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::NodeFile;
    use crate::sim::node::CudaOrder;

    fn device(node: &str) -> (CudaDevice, i32) {
        let node = NodeFile::shipped(node).unwrap();
        (node.cuda_devices(CudaOrder::FastestFirst, None).remove(0), node.cuda_version().unwrap())
    }

    fn ask(node: &str, number: i32) -> Option<i32> {
        let (device, version) = device(node);
        device.attribute(number, version)
    }

    #[test]
    fn the_laptop_and_the_server_answer_what_they_are() {
        let laptop =
            [(16, 20), (75, 8), (76, 6), (13, 2_100_000), (36, 6_001_000), (37, 128), (17, 1), (89, 0), (39, 1536)];
        for (number, expected) in laptop {
            assert_eq!(ask("rtx3050ti-laptop-wsl2", number), Some(expected), "{number}");
        }
        let server =
            [(16, 132), (75, 9), (76, 0), (32, 1), (17, 0), (89, 1), (39, 2048), (97, 232_448), (20, 0), (10, 32)];
        for (number, expected) in server {
            assert_eq!(ask("h100x8", number), Some(expected), "{number}");
        }
        assert_eq!(ask("h100x8", 100_000), None);
        assert_eq!(ask("h100x8", -1), None);
    }

    #[test]
    fn an_old_driver_does_not_know_the_new_numbers() {
        assert_eq!((ask("old-driver-470", 133), ask("h100x8", 133)), (None, Some(0)));
    }

    #[test]
    fn a_clock_that_no_answer_holds_is_not_told() {
        let (mut device, version) = device("h100x8");
        for clock in [2_147_484, u32::MAX] {
            device.gpu.max_clocks.as_mut().unwrap().sm = clock;
            assert_eq!(device.attribute(13, version), None);
        }
    }
}
