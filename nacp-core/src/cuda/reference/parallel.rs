//! Work that falls into equal items, spread over threads.

use std::ops::Range;
use std::thread::Builder;

/// As much work as is worth a thread, in operations: well above what starting one costs.
const WORTH: u64 = 1 << 18;

/// `words` words for each item, made by `make`, which costs about `cost` operations each.
pub(super) fn spread(
    items: Range<u32>,
    words: usize,
    cost: u64,
    threads: usize,
    make: impl Fn(u32, &mut [u32]) + Sync,
) -> Vec<u32> {
    let mut all = vec![0; words * items.len()];
    let useful = (items.len() as u64).saturating_mul(cost) / WORTH;
    let threads = threads.min(usize::try_from(useful).unwrap_or(usize::MAX)).max(1);
    let each = items.len().div_ceil(threads).max(1);
    let fill = |first: u32, part: &mut [u32]| {
        for (item, words) in (first..).zip(part.chunks_exact_mut(words)) {
            make(item, words);
        }
    };
    let mut refused = Vec::new();
    std::thread::scope(|scope| {
        let (mut parts, fill) = (parts(&mut all, items.start, each, words), &fill);
        let mine = parts.next();
        for (first, part) in parts {
            if Builder::new().spawn_scoped(scope, move || fill(first, part)).is_err() {
                refused.push(first);
            }
        }
        mine.into_iter().for_each(|(first, part)| fill(first, part));
    });
    // Where the system gives no more threads, this one does their work.
    for (first, part) in parts(&mut all, items.start, each, words) {
        if refused.contains(&first) {
            fill(first, part);
        }
    }
    all
}

/// The words in parts of `each` items, with the number of each part's first item.
fn parts(all: &mut [u32], first: u32, each: usize, words: usize) -> impl Iterator<Item = (u32, &mut [u32])> {
    (first..=u32::MAX).step_by(each).zip(all.chunks_mut(each * words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_made_once_whatever_the_number_of_threads() {
        for (items, threads) in [(0..0, 3), (5..6, 3), (10..1000, 1), (10..1000, 3), (10..74, 5000), (10..1000, 0)] {
            let made = spread(items.clone(), 2, u64::MAX, threads, |item, words| {
                words[0] += item;
                words[1] += 1;
            });
            assert_eq!(made, items.flat_map(|item| [item, 1]).collect::<Vec<_>>());
        }
    }
}
