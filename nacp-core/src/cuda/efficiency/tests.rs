//! The formulas against data sheets, and what they answer where nothing is known.

use super::*;
use crate::gpu::ComputeCapability;

fn compute(text: &str) -> ComputeCapability {
    text.parse().unwrap()
}

/// One product's data sheet.
struct Sheet {
    name: &'static str,
    compute: &'static str,
    multiprocessors: u32,
    /// MHz.
    clock: f64,
    /// MHz, and bits.
    memory: (f64, u32),
    /// TFLOP/s.
    fp32: f64,
    /// MHz, and TFLOP/s.
    tensor: (f64, f64),
    /// GB/s.
    bandwidth: f64,
}

#[rustfmt::skip]
const SHEETS: [Sheet; 12] = [
    Sheet { name: "NVIDIA GeForce RTX 3050 Ti Laptop GPU", compute: "8.6", multiprocessors: 20, clock: 1485.0, memory: (6001.0, 128), fp32: 7.6, tensor: (1485.0, 15.2), bandwidth: 192.0 },
    Sheet { name: "NVIDIA GeForce RTX 4090", compute: "8.9", multiprocessors: 128, clock: 2520.0, memory: (10501.0, 384), fp32: 82.6, tensor: (2520.0, 165.2), bandwidth: 1008.0 },
    Sheet { name: "NVIDIA A100-SXM4-40GB", compute: "8.0", multiprocessors: 108, clock: 1410.0, memory: (1215.0, 5120), fp32: 19.5, tensor: (1410.0, 312.0), bandwidth: 1555.0 },
    Sheet { name: "NVIDIA A100-SXM4-80GB", compute: "8.0", multiprocessors: 108, clock: 1410.0, memory: (1593.0, 5120), fp32: 19.5, tensor: (1410.0, 312.0), bandwidth: 2039.0 },
    Sheet { name: "NVIDIA H100 80GB HBM3", compute: "9.0", multiprocessors: 132, clock: 1980.0, memory: (2619.0, 5120), fp32: 66.9, tensor: (1830.0, 989.0), bandwidth: 3352.0 },
    Sheet { name: "NVIDIA H200", compute: "9.0", multiprocessors: 132, clock: 1980.0, memory: (3201.0, 6144), fp32: 66.9, tensor: (1830.0, 989.0), bandwidth: 4917.0 },
    Sheet { name: "NVIDIA L4", compute: "8.9", multiprocessors: 58, clock: 2040.0, memory: (6251.0, 192), fp32: 30.3, tensor: (2040.0, 121.0), bandwidth: 300.0 },
    Sheet { name: "NVIDIA B200", compute: "10.0", multiprocessors: 148, clock: 1965.0, memory: (3996.0, 8192), fp32: 74.5, tensor: (1965.0, 2382.0), bandwidth: 8184.0 },
    Sheet { name: "Tesla V100-SXM2-16GB", compute: "7.0", multiprocessors: 80, clock: 1530.0, memory: (877.0, 4096), fp32: 15.7, tensor: (1530.0, 125.0), bandwidth: 898.0 },
    Sheet { name: "Quadro RTX 8000", compute: "7.5", multiprocessors: 72, clock: 1770.0, memory: (7001.0, 384), fp32: 16.3, tensor: (1770.0, 130.5), bandwidth: 672.0 },
    Sheet { name: "NVIDIA GeForce RTX 2080 Ti", compute: "7.5", multiprocessors: 68, clock: 1545.0, memory: (7000.0, 352), fp32: 13.4, tensor: (1545.0, 53.8), bandwidth: 616.0 },
    Sheet { name: "NVIDIA RTX PRO 6000 Blackwell Workstation Edition", compute: "12.0", multiprocessors: 188, clock: 2617.0, memory: (14001.0, 512), fp32: 126.0, tensor: (2617.0, 503.8), bandwidth: 1792.0 },
];

#[test]
fn the_formulas_give_what_the_data_sheets_say() {
    let close = |got: f64, sheet: f64, what: &str, name: &str| {
        assert!((got / sheet - 1.0).abs() < 0.006, "{name}: {what} is {got}, the data sheet says {sheet}");
    };
    for Sheet {
        name,
        compute: of,
        multiprocessors,
        clock,
        memory: (memory_clock, bus),
        fp32: flops,
        tensor,
        bandwidth,
    } in SHEETS
    {
        let of = compute(of);
        close(fp32(of, multiprocessors, clock).unwrap().value / 1e12, flops, "fp32", name);
        let (clock, tflops) = tensor;
        let peak = tensor_f16(of, ProductLine::of(name), multiprocessors, clock).unwrap();
        close(peak.value / 1e12, tflops, "tensor", name);
        close(memory(memory_clock, bus).unwrap().value / 1e9, bandwidth, "bandwidth", name);
    }
}

#[test]
fn cores_follow_the_table_of_the_samples() {
    #[rustfmt::skip]
    let table = [
        ("3.5", 192), ("5.0", 128), ("5.2", 128), ("6.0", 64), ("6.1", 128), ("6.2", 128), ("7.0", 64), ("7.2", 64),
        ("7.5", 64), ("8.0", 64), ("8.6", 128), ("8.7", 128), ("8.9", 128), ("9.0", 128), ("10.0", 128), ("10.3", 128),
        ("11.0", 128), ("12.0", 128), ("12.1", 128),
    ];
    for (of, cores) in table {
        assert_eq!(cores_per_multiprocessor(compute(of)), Some(cores), "{of}");
    }
    for of in ["0.0", "4.0", "6.3", "7.6", "8.1", "9.9", "13.0", "4294967295.0"] {
        assert_eq!(cores_per_multiprocessor(compute(of)), None, "{of}");
    }
}

#[test]
fn a_formula_shows_what_was_put_into_it() {
    let formula = |peak: Result<Peak, Unknown>| peak.unwrap().formula;
    assert_eq!(formula(fp32(compute("8.9"), 128, 2520.0)), "128 SM x 128 cores x 2 FLOP x 2520 MHz = 82.6 TFLOP/s");
    let h100 = tensor_f16(compute("9.0"), ProductLine::Professional, 132, 1830.0);
    assert_eq!(formula(h100), "132 SM x 4096 FLOP x 1830 MHz = 989 TFLOP/s");
    assert_eq!(formula(memory(2619.0, 5120)), "2 x 2619 MHz x 5120 bit / 8 = 3.35 TB/s");
    assert_eq!(formula(pcie(4, 16)), "PCIe 4: 16 lanes x 16 GT/s x 128/130 / 8 = 31.5 GB/s");
    assert_eq!(formula(nvlink(18, 478_116)), "18 NVLinks x 26.56 GB/s = 478 GB/s");
    assert_eq!(formula(nvlink_of_version(18, 7)), "NVLink 5.0: 18 links x 50 GB/s = 900 GB/s");
}

#[test]
fn what_is_not_in_a_table_is_unknown_with_its_reason() {
    use ProductLine::{Cut, GeForce, Professional};
    let reason = |peak: Result<Peak, Unknown>| peak.unwrap_err().to_string();
    let of = |text| compute(text);
    for (got, want) in [
        (fp32(of("99.0"), 1, 1.0), "no table tells how many cores a multiprocessor of compute capability 99.0 has"),
        (fp32(of("9.0"), 0, 1.0), "the driver does not tell how many multiprocessors there are"),
        (fp32(of("9.0"), 1, 0.0), "the clock is not known"),
        (fp32(of("9.0"), 1, f64::NAN), "the clock is not known"),
        (tensor_f16(of("6.1"), Professional, 1, 1.0), "compute capability 6.1 has no tensor units"),
        (
            tensor_f16(of("8.7"), Professional, 1, 1.0),
            "no table tells what the tensor units of compute capability 8.7 do in a clock",
        ),
        (
            tensor_f16(of("12.1"), GeForce, 1, 1.0),
            "no table tells what the tensor units of compute capability 12.1 do in a clock",
        ),
        (
            tensor_f16(of("7.5"), Cut, 1, 1.0),
            "this product has no tensor units, or only a part of its architecture's rate",
        ),
        (memory(0.0, 128), "the driver does not tell the clock of the memory"),
        (memory(6001.0, 0), "the driver does not tell the width of the memory's bus"),
        (pcie(0, 16), "no table tells the speed of PCIe generation 0"),
        (pcie(7, 16), "no table tells the speed of PCIe generation 7"),
        (pcie(4, 0), "the driver does not tell the width of the PCIe link"),
        (nvlink(0, 25_000), "no NVLink tells its speed"),
        (nvlink(4, 0), "no NVLink tells its speed"),
        (nvlink_of_version(4, 5), "no table tells the speed of NVLinks of the driver's version 5"),
        (nvlink_of_version(0, 6), "there is no NVLink"),
    ] {
        assert_eq!(reason(got), want);
    }
}

#[test]
fn a_lane_of_each_pcie_generation_carries_what_its_encoding_leaves() {
    for (generation, gigabytes) in [(1, 0.25), (2, 0.5), (3, 0.9846), (4, 1.9692), (5, 3.9385), (6, 7.375)] {
        let got = pcie(generation, 1).unwrap().value / 1e9;
        assert!((got - gigabytes).abs() < 1e-4, "generation {generation}: {got}");
        assert!((pcie(generation, 16).unwrap().value / 1e9 - 16.0 * got).abs() < 1e-6);
    }
}

#[test]
fn the_line_of_a_product_is_read_from_its_name() {
    use ProductLine::{Cut, GeForce, Professional};
    for (name, line) in [
        ("NVIDIA GeForce RTX 4090", GeForce),
        ("GeForce RTX 2080 Ti", GeForce),
        ("NVIDIA GeForce GTX 1660 Ti", Cut),
        ("NVIDIA GeForce MX450", Cut),
        ("NVIDIA T1000 8GB", Cut),
        ("NVIDIA T600 Laptop GPU", Cut),
        ("NVIDIA CMP 170HX", Cut),
        ("NVIDIA H20", Cut),
        ("NVIDIA H20-3e", Cut),
        ("NVIDIA H200", Professional),
        ("Tesla T4", Professional),
        ("NVIDIA TITAN RTX", Professional),
        ("NVIDIA RTX A6000", Professional),
        ("NVIDIA RTX 2000 Ada Generation Laptop GPU", Professional),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", Professional),
        ("", Professional),
    ] {
        assert_eq!(ProductLine::of(name), line, "{name}");
    }
}

#[test]
fn mma_sync_reaches_the_peak_only_where_it_is_the_native_instruction() {
    let share = |text| mma_sync_share(compute(text)).map(|share| share.value).ok();
    assert_eq!((share("7.5"), share("8.9"), share("12.0")), (Some(1.0), Some(1.0), Some(1.0)));
    assert_eq!((share("9.0"), share("10.0"), share("13.0")), (None, None, None));
}

#[test]
fn a_rate_is_written_as_people_speak_of_it() {
    for (value, text) in [
        (0.0, "0.00 B/s"),
        (999.0, "999 B/s"),
        (999.6, "1.00 kB/s"),
        (1e3, "1.00 kB/s"),
        (999.97e9, "1.00 TB/s"),
        (25.24e9, "25.2 GB/s"),
        (478.1e9, "478 GB/s"),
        (3.352e12, "3.35 TB/s"),
    ] {
        assert_eq!(human(value, "B/s"), text);
    }
}
