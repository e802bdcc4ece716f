//! What the CPU's part of a verification costs: each kernel of the suite in each of its sizes.

use std::num::NonZero;
use std::time::Instant;

use nacp_core::cuda::kernels::Kernel;
use nacp_core::cuda::{Profile, reference};

const KERNELS: [Kernel; 6] = [Kernel::Hash, Kernel::Fma, Kernel::Ieee, Kernel::Reduce, Kernel::Rows, Kernel::Mma];

/// Computes what a kernel computes in a size.
fn compute(kernel: Kernel, profile: Profile, threads: usize) -> Vec<u32> {
    let (steps, seed) = (profile.steps(), 1);
    match kernel {
        Kernel::Reduce => reference::reduce(0..profile.chunks(), seed, threads),
        Kernel::Rows => reference::rows(0..profile.rows(), seed, threads),
        Kernel::Mma => reference::mma(0..profile.warps(), steps, seed, threads),
        _ => reference::lanes(kernel, 0..profile.lanes(), steps, seed, threads).expect("a kernel of lanes"),
    }
}

/// The median of several times, in milliseconds.
fn median(repeats: u32, kernel: Kernel, profile: Profile, threads: usize) -> f64 {
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(compute(kernel, profile, threads));
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Prints the table; what the largest size takes on one core and on all, in milliseconds.
pub(crate) fn print(repeats: u32, test: bool) -> (f64, f64) {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    println!("\nthe suite on the CPU, ms, median of {repeats}: one core and all {cores}");
    let profiles: &[Profile] =
        if test { &[Profile::Tiny] } else { &[Profile::Tiny, Profile::Small, Profile::Standard] };
    print!("{:>12}", "kernel");
    profiles.iter().for_each(|profile| print!(" {:>12} {:>9}", format!("{profile:?}"), "all"));
    println!();
    let mut largest = (0.0, 0.0);
    for kernel in KERNELS {
        print!("{:>12}", kernel.symbol());
        for profile in profiles {
            let (one, all) = (median(repeats, kernel, *profile, 1), median(repeats, kernel, *profile, cores));
            print!(" {one:>12.2} {all:>9.2}");
            if Some(profile) == profiles.last() {
                largest = (largest.0 + one, largest.1 + all);
            }
        }
        println!();
    }
    println!("{:>12} {:.0} ms on one core, {:.0} ms on all", "largest", largest.0, largest.1);
    largest
}
