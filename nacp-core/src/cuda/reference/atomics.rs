//! `nacp_atomics`: what no order of the additions can leave.

use std::ops::RangeInclusive;

use super::fold::start;
use super::unit::Sound;

/// The range in which [`Kernel::Atomics`](crate::cuda::kernels::Kernel::Atomics) of this many values ends in whatever
/// order they are added.
///
/// The exact sum `S` is computed in whole numbers: each value is a multiple of 2^-38 in [2^-15, 2). All are positive, so
/// n additions that round to nearest leave at most `n u / (1 - n u)` of `S`, with `u` = 2^-24 (Higham, Accuracy and
/// Stability of Numerical Algorithms, section 4.2). Where `n u` is not below 1 nothing is known but that a sum of
/// positive numbers is positive.
pub fn atomics(values: u32, seed: u32) -> RangeInclusive<f64> {
    let exact: u128 = (0..values).map(|lane| u128::from(units(lane, seed))).sum();
    let sum = exact as f64 / 2_f64.powi(38);
    let errors = f64::from(values) / 2_f64.powi(24);
    if errors >= 1.0 {
        return 0.0..=f64::INFINITY;
    }
    let bound = errors / (1.0 - errors);
    sum * (1.0 - bound).max(0.0)..=sum * (1.0 + bound)
}

/// The value of a lane, in units of 2^-38.
fn units(lane: u32, seed: u32) -> u64 {
    let random = start(&mut Sound, lane, seed);
    u64::from(0x80_0000 | random & 0x7F_FFFF) << (random >> 24 & 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits that the kernel makes.
    fn value(lane: u32, seed: u32) -> f32 {
        let random = start(&mut Sound, lane, seed);
        f32::from_bits((random & 0x7F_FFFF) ^ (random >> 1 & 0x0780_0000) ^ 0x3800_0000)
    }

    #[test]
    fn a_value_in_whole_numbers_is_the_value_of_the_kernel() {
        for lane in 0..10_000 {
            let value = value(lane, 7);
            assert!((2_f32.powi(-15)..2.0).contains(&value), "{value}");
            assert_eq!(units(lane, 7) as f64 / 2_f64.powi(38), f64::from(value));
        }
    }

    #[test]
    fn sums_in_any_order_differ_and_stay_in_the_range() {
        let values: Vec<f32> = (0..65_536).map(|lane| value(lane, 7)).collect();
        let range = atomics(65_536, 7);
        let mut sums = std::collections::BTreeSet::new();
        for stride in [1, 3, 257, 4099, 65_535] {
            let sum = (0..values.len()).fold(0.0_f32, |sum, at| sum + values[at * stride % values.len()]);
            assert!(range.contains(&f64::from(sum)), "{sum} is not in {range:?}");
            sums.insert(sum.to_bits());
        }
        assert!(sums.len() > 1, "the order makes no difference");
    }

    #[test]
    fn a_sum_without_one_of_the_larger_values_is_below_the_range() {
        let range = atomics(256, 7);
        let values: Vec<f64> = (0..256).map(|lane| f64::from(value(lane, 7))).collect();
        let sum: f64 = values.iter().sum();
        for larger in values.into_iter().filter(|value| *value > 0.01) {
            assert!(!range.contains(&(sum - larger)) && !range.contains(&(sum + larger)), "{larger} {range:?}");
        }
    }

    #[test]
    fn nothing_is_known_of_too_many_values_but_their_sign() {
        assert!(*atomics(1 << 24, 7).end() == f64::INFINITY);
        assert!(atomics(1, 7).contains(&f64::from(value(0, 7))));
        assert_eq!(atomics(0, 7), 0.0..=0.0);
    }
}
