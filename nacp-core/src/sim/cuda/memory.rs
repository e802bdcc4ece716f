//! Memory that is there only where it was written: a simulated GPU of 80 GB fits into a laptop.

use std::collections::BTreeMap;

/// How much is there at once where something was written.
const PAGE: usize = 64 << 10;
const PAGE_BYTES: u64 = PAGE as u64;

/// A piece of memory, all of one byte where it was never written.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pages: BTreeMap<u64, Box<[u8]>>,
    /// A word that all of it was filled with, where nothing was written since.
    word: u32,
}

impl Sparse {
    /// Reads from an offset on.
    pub(super) fn read(&self, offset: u64, data: &mut [u8]) {
        self.pieces(offset, data.len()).for_each(|(page, within, range)| match self.pages.get(&page) {
            Some(bytes) => data[range.clone()].copy_from_slice(&bytes[within..within + range.len()]),
            None => {
                let word = self.word.to_le_bytes();
                data[range.clone()].iter_mut().zip(within..).for_each(|(byte, at)| *byte = word[at % 4]);
            }
        });
    }

    /// Writes from an offset on.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let word = self.word.to_le_bytes();
        let pieces: Vec<_> = self.pieces(offset, data.len()).collect();
        for (page, within, range) in pieces {
            let bytes = self.pages.entry(page).or_insert_with(|| (0..PAGE).map(|at| word[at % 4]).collect());
            bytes[within..within + range.len()].copy_from_slice(&data[range]);
        }
    }

    /// Fills all of it.
    pub(super) fn fill(&mut self, word: u32) {
        self.pages.clear();
        self.word = word;
    }

    /// The pages that a range touches: which, from where within it, and which part of the range.
    fn pieces(&self, offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> + use<> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let within = usize::try_from(at % PAGE_BYTES).ok()?;
            let part = (length - done).min(PAGE - within);
            let range = done..done + part;
            done += part;
            (part > 0).then_some((at / PAGE_BYTES, within, range))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_across_pages_and_the_rest_is_what_it_was_filled_with() {
        let mut memory = Sparse::default();
        memory.fill(0x0403_0201);
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(200_000).collect();
        memory.write(PAGE_BYTES - 3, &data);
        let mut read = vec![9; data.len() + 8];
        memory.read(PAGE_BYTES - 7, &mut read);
        assert_eq!(&read[..4], [2, 3, 4, 1], "the word goes on from the start of the memory");
        assert_eq!(&read[4..data.len() + 4], data.as_slice());
        memory.fill(0);
        memory.read(PAGE_BYTES, &mut read);
        assert!(read.iter().all(|byte| *byte == 0));
    }
}
