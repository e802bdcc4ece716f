//! What lanes read and write, each at its own address.

use std::cell::RefCell;

use crate::ptx::code::{Item, Place, Register, Space};
use crate::ptx::lanes::{Lanes, lanes};
use crate::ptx::{Global, Trap};

/// The most bytes that one lane moves at once.
const MOST: usize = 16;

/// The memory that a block can reach.
pub(super) struct Memory<'a> {
    pub(super) global: &'a dyn Global,
    pub(super) params: &'a [u8],
    /// What the threads of the block share.
    pub(super) shared: RefCell<Vec<u8>>,
}

impl Memory<'_> {
    /// Reads in each lane of `mask` as many items as there are registers, one behind the other.
    pub(super) fn load(
        &self,
        place: Place,
        to: &[Register],
        item: Item,
        mask: u32,
        registers: &mut [Lanes],
    ) -> Result<(), Trap> {
        let length = item.size * to.len();
        let keep = |registers: &mut [Lanes], lane: usize, bytes: &[u8]| {
            for (register, bytes) in to.iter().zip(bytes.chunks_exact(item.size)) {
                registers[*register as usize][lane] = item.value(bytes);
            }
        };
        let base = registers[place.base as usize];
        let at = |lane: usize| base[lane].wrapping_add_signed(place.offset);
        let mut bytes = [0; 32 * MOST];
        if let Some(first) = side_by_side(at, length, mask) {
            let bytes = &mut bytes[..32 * length];
            if self.read(place.space, first, bytes).is_ok() {
                for (lane, bytes) in bytes.chunks_exact(length).enumerate() {
                    keep(registers, lane, bytes);
                }
                return Ok(());
            }
        }
        let bytes = &mut bytes[..length];
        for lane in lanes(mask) {
            let address = aligned(at(lane), length)?;
            self.read(place.space, address, bytes)?;
            keep(registers, lane, bytes);
        }
        Ok(())
    }

    /// Writes in each lane of `mask` the registers, one behind the other; where lanes meet, the last one stays.
    pub(super) fn store(
        &self,
        place: Place,
        from: &[Register],
        item: Item,
        mask: u32,
        registers: &[Lanes],
    ) -> Result<(), Trap> {
        let length = item.size * from.len();
        let give = |lane: usize, bytes: &mut [u8]| {
            for (register, bytes) in from.iter().zip(bytes.chunks_exact_mut(item.size)) {
                bytes.copy_from_slice(&registers[*register as usize][lane].to_le_bytes()[..item.size]);
            }
        };
        let base = &registers[place.base as usize];
        let at = |lane: usize| base[lane].wrapping_add_signed(place.offset);
        let mut bytes = [0; 32 * MOST];
        if let Some(first) = side_by_side(at, length, mask) {
            let bytes = &mut bytes[..32 * length];
            for (lane, bytes) in bytes.chunks_exact_mut(length).enumerate() {
                give(lane, bytes);
            }
            if self.write(place.space, first, bytes).is_ok() {
                return Ok(());
            }
        }
        let bytes = &mut bytes[..length];
        for lane in lanes(mask) {
            let address = aligned(at(lane), length)?;
            give(lane, bytes);
            self.write(place.space, address, bytes)?;
        }
        Ok(())
    }

    /// Changes a word, and answers what was there.
    pub(super) fn update(
        &self,
        space: Space,
        address: u64,
        size: usize,
        change: &mut dyn FnMut(u64) -> u64,
    ) -> Result<u64, Trap> {
        let address = aligned(address, size)?;
        if space == Space::Global {
            return self.global.update(address, size, change);
        }
        let mut bytes = [0; 8];
        self.read(space, address, &mut bytes[..size])?;
        let old = u64::from_le_bytes(bytes);
        self.write(space, address, &change(old).to_le_bytes()[..size])?;
        Ok(old)
    }

    fn read(&self, space: Space, address: u64, bytes: &mut [u8]) -> Result<(), Trap> {
        match space {
            Space::Global => return self.global.load(address, bytes),
            Space::Shared => bytes.copy_from_slice(part(&self.shared.borrow(), address, bytes.len())?),
            Space::Param => bytes.copy_from_slice(part(self.params, address, bytes.len())?),
        }
        Ok(())
    }

    fn write(&self, space: Space, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        if space == Space::Global {
            return self.global.store(address, bytes);
        }
        let mut shared = self.shared.borrow_mut();
        let range = range(shared.len(), address, bytes.len())?;
        shared[range].copy_from_slice(bytes);
        Ok(())
    }
}

impl Item {
    /// What a register holds that these bytes were read into.
    fn value(self, bytes: &[u8]) -> u64 {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        if self.signed && bytes.last().is_some_and(|last| last & 128 != 0) {
            word[bytes.len()..].fill(255);
        }
        u64::from_le_bytes(word) & self.mask
    }
}

/// The first address, if all 32 lanes take part and each one's bytes lie behind those of the lane before.
fn side_by_side(at: impl Fn(usize) -> u64, length: usize, mask: u32) -> Option<u64> {
    let (first, length) = (at(0), length as u64);
    let together = mask == u32::MAX
        && first.is_multiple_of(length)
        && first.checked_add(32 * length).is_some()
        && (0..32).all(|lane| at(lane) == first + lane as u64 * length);
    together.then_some(first)
}

fn aligned(address: u64, length: usize) -> Result<u64, Trap> {
    if address.is_multiple_of(length as u64) { Ok(address) } else { Err(Trap::Misaligned(address)) }
}

fn range(room: usize, address: u64, length: usize) -> Result<std::ops::Range<usize>, Trap> {
    let start = usize::try_from(address).ok();
    let range = start.and_then(|start| Some(start..start.checked_add(length)?));
    range.filter(|range| range.end <= room).ok_or(Trap::Address(address))
}

fn part(bytes: &[u8], address: u64, length: usize) -> Result<&[u8], Trap> {
    Ok(&bytes[range(bytes.len(), address, length)?])
}
