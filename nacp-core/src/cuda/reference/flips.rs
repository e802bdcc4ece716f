//! A device that gets one bit wrong, once: no such error hides in a kernel of the suite. Every result of every
//! instruction is flipped in turn on the CPU, where a kernel is short, and many of them where it is long.

use proptest::prelude::*;

use super::unit::{Sound, Unit};
use super::{fma, hash, ieee, rate, sums, tensor};

/// Flips one bit of one result.
struct Flip {
    at: u64,
    bit: u32,
    seen: u64,
}

impl Flip {
    fn new(at: u64, bit: u32) -> Self {
        Self { at, bit, seen: 0 }
    }

    /// The bit to flip in the next result, if it is that one.
    fn now(&mut self, bits: u32) -> Option<u32> {
        self.seen += 1;
        (self.seen - 1 == self.at).then_some(self.bit % bits)
    }
}

impl Unit for Flip {
    fn r32(&mut self, result: u32) -> u32 {
        self.now(32).map_or(result, |bit| result ^ 1 << bit)
    }

    fn r64(&mut self, result: u64) -> u64 {
        self.now(64).map_or(result, |bit| result ^ 1 << bit)
    }
}

/// What is computed with one flip.
trait Suite: Fn(&mut Flip) -> Vec<u32> {
    /// How many results there are.
    fn results(&self) -> u64 {
        let mut none = Flip::new(u64::MAX, 0);
        self(&mut none);
        none.seen
    }

    /// The flips that change nothing: position and bit.
    fn hidden(&self, flips: impl IntoIterator<Item = (u64, u32)>) -> Vec<(u64, u32)> {
        let right = self(&mut Flip::new(u64::MAX, 0));
        flips.into_iter().filter(|&(at, bit)| self(&mut Flip::new(at, bit)) == right).collect()
    }

    /// The same for every bit of every result.
    fn hidden_of_all(&self) -> Vec<(u64, u32)> {
        self.hidden((0..self.results()).flat_map(|at| (0..64).map(move |bit| (at, bit))))
    }
}

impl<F: Fn(&mut Flip) -> Vec<u32>> Suite for F {}

fn none(hidden: &[(u64, u32)]) {
    assert!(hidden.is_empty(), "{} flips change nothing, the first: {:?}", hidden.len(), hidden.first());
}

#[test]
fn a_flip_of_any_bit_of_any_integer_shows() {
    none(&(|unit: &mut Flip| vec![hash::lane(unit, 3, 6, 7)]).hidden_of_all());
}

#[test]
fn a_flip_of_any_bit_of_any_multiply_add_shows() {
    none(&(|unit: &mut Flip| vec![fma::lane(unit, 3, 40, 7)]).hidden_of_all());
}

#[test]
fn a_flip_of_any_bit_that_ieee_rounds_shows() {
    none(&(|unit: &mut Flip| vec![ieee::lane(unit, 3, 3, 7)]).hidden_of_all());
}

#[test]
fn a_flip_in_a_sum_shows() {
    let suite = |unit: &mut Flip| sums::row(unit, 3, 7).to_vec();
    let results = suite.results();
    none(&suite.hidden((0..results).step_by(17).map(|at| (at, (at % 31) as u32))));
}

#[test]
fn a_flip_in_a_product_of_matrices_shows() {
    let suite = |unit: &mut Flip| tensor::warp(unit, 3, 10, 7).to_vec();
    let results = suite.results();
    none(&suite.hidden((0..results).step_by(5).map(|at| (at, (at % 31) as u32))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_flip_at_any_step_of_a_long_chain_shows(
        lane in any::<u32>(), seed in any::<u32>(), part in 0.0..1.0, bit in 0_u32..64,
    ) {
        let hash = |unit: &mut Flip| vec![hash::lane(unit, lane, 128, seed)];
        let fma = |unit: &mut Flip| vec![fma::lane(unit, lane, 128, seed)];
        let ieee = |unit: &mut Flip| vec![ieee::lane(unit, lane, 128, seed)];
        let at = |results: u64| (results as f64 * part) as u64;
        prop_assert_eq!(hash.hidden([(at(hash.results()), bit)]), []);
        prop_assert_eq!(fma.hidden([(at(fma.results()), bit)]), []);
        prop_assert_eq!(ieee.hidden([(at(ieee.results()), bit)]), []);
    }
}

/// The chain of `nacp_fma` without folds: only its end is looked at.
fn unfolded<U: Unit>(unit: &mut U, lane: u32, steps: u32) -> u32 {
    let c = -1.875 - lane as f32 / 524_288.0;
    let mut x = 0.5 + lane as f32 / 131_072.0;
    for _ in 0..steps {
        x = unit.f32(x.mul_add(x, c));
    }
    x.to_bits()
}

/// How many flips of a bit in the midst of 512 steps vanish, in hundredths of those of 65,536 lanes.
fn masked(bit: u32, chain: impl Fn(&mut Flip, u32) -> u32) -> f64 {
    let hidden = (0..65_536).filter(|&lane| {
        let right = chain(&mut Flip::new(u64::MAX, 0), lane);
        chain(&mut Flip::new(256, bit), lane) == right
    });
    hidden.count() as f64 / 655.36
}

#[test]
fn without_the_fold_many_flips_vanish() {
    let unfolded = masked(0, |unit, lane| unfolded(unit, lane, 512));
    println!("of flips of the lowest bit in mid-chain vanish: unfolded {unfolded:.2} %");
    assert!((15.0..45.0).contains(&unfolded), "{unfolded}");
}

#[test]
fn of_flips_in_the_chains_of_the_rate_most_show() {
    let suite = |unit: &mut Flip| vec![rate::lane(unit, 3, 1024, 7)];
    let results = suite.results();
    let flips = (0..4000).map(|n| (results * n / 4000, (n % 32) as u32));
    let hidden = suite.hidden(flips).len() as f64 / 40.0;
    println!("of flips of any bit of the chains of nacp_fma_rate vanish: {hidden:.2} %");
    assert!(hidden < 30.0, "{hidden}");
    let last = suite.hidden((0..32).map(|bit| (results - 2, bit)));
    none(&last);
}

#[test]
fn a_sound_unit_changes_nothing() {
    assert_eq!(hash::lane(&mut Sound, 3, 6, 7), hash::lane(&mut Flip::new(u64::MAX, 0), 3, 6, 7));
}
