//! Memory: what a device has of it, what of it is given away, and how it is read and written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::code::{Answer, Code};
use crate::config::StuckBit;
use crate::ptx::{Global, Trap};

/// What allocations are rounded up to where they are counted, and where they begin.
const GRAIN: u64 = 512;
/// The least number of bytes between two allocations, which belong to nobody.
const GAP: u64 = 64 << 10;
/// Where the addresses of the first device begin, and how far the devices are apart.
const FIRST: u64 = 0x1000_0000_0000;
const APART: u64 = 0x0100_0000_0000;
/// The most bytes of an allocation that are filled with [`JUNK`], so that nobody takes fresh memory for zero.
const JUNKED: u64 = 1 << 20;
const JUNK: u8 = 0xA5;

/// A piece of memory that was given away. Its pages are the system's, which gives them when they are first touched.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where clients and kernels see it.
    pub(crate) address: u64,
    pub(crate) bytes: u64,
    /// The context that it belongs to.
    pub(crate) context: usize,
    /// Whether it is pinned memory of the host, which every kernel may use.
    pub(crate) pinned: bool,
    pages: *mut u8,
    /// A bit of it that keeps its value: the byte, the bit as a mask, the value.
    stuck: Option<(u64, u8, bool)>,
}

// SAFETY: the pages belong to the block alone until it is dropped, and are only touched through raw copies. Who lets two
// threads write the same bytes at once gets either's, as on a device.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// Pinned memory of the host, all zero. Clients use it through its address.
    pub(crate) fn pinned(bytes: u64, context: usize) -> Answer<Self> {
        let pages = pages(bytes)?;
        Ok(Self { address: pages.addr() as u64, bytes, context, pinned: true, pages, stuck: None })
    }

    /// Whether all of a range lies within.
    pub(crate) fn holds(&self, address: u64, bytes: u64) -> bool {
        address >= self.address && bytes <= self.bytes && address - self.address <= self.bytes - bytes
    }

    fn place(&self, address: u64) -> *mut u8 {
        // The callers have asked `holds`, so that it fits.
        self.pages.wrapping_add(usize::try_from(address - self.address).unwrap_or(0))
    }

    fn force(&self, address: u64, bytes: u64) {
        let Some((offset, mask, value)) = self.stuck else { return };
        let at = self.address + offset;
        if at < address || at - address >= bytes {
            return;
        }
        let place = self.place(at);
        // SAFETY: a byte of the block.
        let byte = unsafe { place.read() };
        // SAFETY: as above.
        unsafe { place.write(if value { byte | mask } else { byte & !mask }) };
    }
}

/// Takes pages from the system, at an address of its choice; they cost nothing until they are touched.
fn pages(bytes: u64) -> Answer<*mut u8> {
    let length = usize::try_from(bytes).map_err(|_| Code::OUT_OF_MEMORY)?;
    let read_write = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping; no memory that is in use is touched.
    let pages = unsafe { libc::mmap(std::ptr::null_mut(), length, read_write, flags, -1, 0) };
    if pages == libc::MAP_FAILED { Err(Code::OUT_OF_MEMORY) } else { Ok(pages.cast()) }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.pages.cast(), usize::try_from(self.bytes).unwrap_or(0)) };
    }
}

/// What a device has of memory.
#[derive(Debug)]
pub(crate) struct Pool {
    device: usize,
    /// What programs of other processes have left of it, in bytes.
    size: u64,
    used: u64,
    next: u64,
    /// Free pieces of it: where each begins, and its length.
    free: BTreeMap<u64, u64>,
    taken: BTreeMap<u64, Vec<(u64, u64)>>,
    stuck: Option<StuckBit>,
}

impl Pool {
    pub(crate) fn new(device: usize, size: u64, stuck: Option<StuckBit>) -> Self {
        let next = FIRST + device as u64 * APART;
        let stuck = stuck.filter(|stuck| stuck.device == device);
        let mut free = BTreeMap::new();
        free.insert(0, size);
        Self { device, size, used: 0, next, free, taken: BTreeMap::new(), stuck }
    }

    /// How much is left.
    pub(crate) fn left(&self) -> u64 {
        self.size - self.used
    }

    /// Gives some away. Its address was never given before, so that whoever keeps an old one is found out.
    pub(crate) fn allocate(&mut self, bytes: u64, context: usize) -> Answer<Arc<Block>> {
        let counted = bytes.checked_next_multiple_of(GRAIN).ok_or(Code::OUT_OF_MEMORY)?;
        let end = FIRST + (self.device as u64 + 1) * APART;
        if counted > self.left() || counted + GAP > end - self.next {
            return Err(Code::OUT_OF_MEMORY);
        }
        let (pages, address) = (pages(bytes)?, self.next);
        self.next = (self.next + counted + GAP).next_multiple_of(GAP);
        self.used += counted;
        let pieces = self.take(counted);
        let stuck = self.stuck.and_then(|stuck| within(&pieces, stuck).filter(|(offset, ..)| *offset < bytes));
        self.taken.insert(address, pieces);
        let block = Block { address, bytes, context, pinned: false, pages, stuck };
        if bytes <= JUNKED {
            // SAFETY: fresh pages of this length.
            unsafe { block.pages.write_bytes(JUNK, usize::try_from(bytes).unwrap_or(0)) };
        }
        block.force(block.address, bytes);
        Ok(Arc::new(block))
    }

    /// Pieces of the device's memory, the first free ones.
    fn take(&mut self, bytes: u64) -> Vec<(u64, u64)> {
        let (mut pieces, mut wanted) = (Vec::new(), bytes);
        while let Some((start, length)) = (wanted > 0).then(|| self.free.pop_first()).flatten() {
            let taken = length.min(wanted);
            pieces.push((start, taken));
            if taken < length {
                self.free.insert(start + taken, length - taken);
            }
            wanted -= taken;
        }
        pieces
    }

    /// Takes it back.
    pub(crate) fn release(&mut self, address: u64) {
        for (start, length) in self.taken.remove(&address).unwrap_or_default() {
            self.used -= length;
            self.free.insert(start, length);
        }
    }
}

/// Where in an allocation of these pieces the bit lies.
fn within(pieces: &[(u64, u64)], stuck: StuckBit) -> Option<(u64, u8, bool)> {
    let mut before = 0;
    for (start, length) in pieces {
        if (*start..start + length).contains(&stuck.offset) {
            return Some((before + stuck.offset - start, 1 << stuck.bit, stuck.value));
        }
        before += length;
    }
    None
}

/// The memory that somebody may use, as it was when the view was made. What it shows stays while it is used, also when
/// somebody else gives it back meanwhile.
#[derive(Debug)]
pub(crate) struct View {
    /// By address.
    blocks: Vec<Arc<Block>>,
    last: AtomicUsize,
}

impl View {
    pub(crate) fn of<'a>(blocks: impl Iterator<Item = &'a Arc<Block>>) -> Self {
        let mut blocks: Vec<_> = blocks.cloned().collect();
        blocks.sort_unstable_by_key(|block| block.address);
        Self { blocks, last: AtomicUsize::new(0) }
    }

    /// The block that holds all of a range.
    pub(crate) fn find(&self, address: u64, bytes: u64) -> Option<&Block> {
        let last = self.last.load(Ordering::Relaxed);
        if let Some(block) = self.blocks.get(last).filter(|block| block.holds(address, bytes)) {
            return Some(block);
        }
        let after = self.blocks.partition_point(|block| block.address <= address);
        let place = after.checked_sub(1)?;
        let block = self.blocks.get(place).filter(|block| block.holds(address, bytes))?;
        self.last.store(place, Ordering::Relaxed);
        Some(block)
    }

    /// The beginning of a range, for raw copies.
    fn range(&self, address: u64, bytes: u64) -> Answer<(&Block, *mut u8)> {
        let block = self.find(address, bytes).ok_or(Code::ILLEGAL_ADDRESS)?;
        Ok((block, block.place(address)))
    }

    /// Copies from memory that starts at a raw address.
    pub(crate) fn write_from(&self, address: u64, source: *const u8, bytes: u64) -> Answer {
        let (block, place) = self.range(address, bytes)?;
        // SAFETY: `bytes` bytes of the block from `place` on, and by the caller's word as many at `source`; the two may
        // overlap.
        unsafe { std::ptr::copy(source, place, usize::try_from(bytes).unwrap_or(0)) };
        block.force(address, bytes);
        Ok(())
    }

    /// Copies to memory that starts at a raw address.
    pub(crate) fn read_into(&self, address: u64, target: *mut u8, bytes: u64) -> Answer {
        let (_, place) = self.range(address, bytes)?;
        // SAFETY: as in `write_from`, the other way round.
        unsafe { std::ptr::copy(place, target, usize::try_from(bytes).unwrap_or(0)) };
        Ok(())
    }

    /// Copies within what the view shows.
    pub(crate) fn copy(&self, to: u64, from: u64, bytes: u64) -> Answer {
        let (_, source) = self.range(from, bytes)?;
        self.write_from(to, source, bytes)
    }

    /// Repeats a pattern of 1 or 4 bytes.
    pub(crate) fn fill(&self, address: u64, pattern: &[u8], count: u64) -> Answer {
        let bytes = count.checked_mul(pattern.len() as u64).ok_or(Code::ILLEGAL_ADDRESS)?;
        let (block, place) = self.range(address, bytes)?;
        for nth in 0..usize::try_from(count).unwrap_or(0) {
            let place = place.wrapping_add(nth * pattern.len());
            // SAFETY: within the block, which holds all of the range; the pattern lies elsewhere.
            unsafe { std::ptr::copy_nonoverlapping(pattern.as_ptr(), place, pattern.len()) };
        }
        block.force(address, bytes);
        Ok(())
    }
}

impl Global for View {
    fn load(&self, address: u64, bytes: &mut [u8]) -> Result<(), Trap> {
        self.read_into(address, bytes.as_mut_ptr(), bytes.len() as u64).map_err(|_| Trap::Address(address))
    }

    fn store(&self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        self.write_from(address, bytes.as_ptr(), bytes.len() as u64).map_err(|_| Trap::Address(address))
    }

    fn update(&self, address: u64, size: usize, change: &mut dyn FnMut(u64) -> u64) -> Result<u64, Trap> {
        let (block, place) = self.range(address, size as u64).map_err(|_| Trap::Address(address))?;
        if !place.addr().is_multiple_of(size) {
            return Err(Trap::Misaligned(address));
        }
        let before = match size {
            4 => {
                // SAFETY: four bytes of the block at a multiple of 4, shared with others only by atomic steps.
                let word = unsafe { AtomicU32::from_ptr(place.cast()) };
                let mut change = |old: u32| u32::try_from(change(old.into()) & 0xFFFF_FFFF).ok();
                word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, &mut change).map(u64::from).ok()
            }
            8 => {
                // SAFETY: as above, with eight.
                let word = unsafe { AtomicU64::from_ptr(place.cast()) };
                word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |old| Some(change(old))).ok()
            }
            _ => return Err(Trap::Misaligned(address)),
        };
        block.force(address, size as u64);
        before.ok_or(Trap::Address(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(blocks: &[&Arc<Block>]) -> View {
        View::of(blocks.iter().copied())
    }

    #[test]
    fn what_is_written_is_read_and_nothing_beside_it() {
        let mut pool = Pool::new(0, 1 << 20, None);
        let (one, two) = (pool.allocate(100, 7).unwrap(), pool.allocate(5000, 7).unwrap());
        let view = view(&[&two, &one]);
        view.store(one.address + 10, &[1, 2, 3, 4]).unwrap();
        let mut bytes = [0; 6];
        view.load(one.address + 9, &mut bytes).unwrap();
        assert_eq!(bytes, [JUNK, 1, 2, 3, 4, JUNK]);
        for (address, length) in
            [(one.address + 98, 4), (one.address - 1, 1), (two.address + 5000, 1), (0, 1), (u64::MAX, 8)]
        {
            assert_eq!(view.load(address, &mut vec![0; length]), Err(Trap::Address(address)));
            assert_eq!(view.store(address, &vec![0; length]), Err(Trap::Address(address)));
        }
        view.copy(two.address, one.address, 100).unwrap();
        view.fill(two.address + 4, &[0xEF, 0xBE, 0xAD, 0xDE], 3).unwrap();
        view.load(two.address + 12, &mut bytes).unwrap();
        assert_eq!(bytes, [0xEF, 0xBE, 0xAD, 0xDE, JUNK, JUNK]);
        assert_eq!(view.fill(two.address + 4996, &[0; 4], 2), Err(Code::ILLEGAL_ADDRESS));
    }

    #[test]
    fn memory_is_counted_and_given_back_and_no_address_comes_twice() {
        let mut pool = Pool::new(3, 4096, None);
        let first = pool.allocate(1, 7).unwrap();
        assert_eq!(pool.left(), 4096 - 512);
        assert_eq!(pool.allocate(4000, 7).unwrap_err(), Code::OUT_OF_MEMORY);
        assert_eq!(pool.allocate(u64::MAX, 7).unwrap_err(), Code::OUT_OF_MEMORY);
        pool.release(first.address);
        assert_eq!(pool.left(), 4096);
        let second = pool.allocate(4096, 7).unwrap();
        assert_ne!(first.address, second.address);
        assert_eq!(pool.left(), 0);
    }

    #[test]
    fn a_large_device_costs_nothing_until_it_is_used() {
        let mut pool = Pool::new(0, 80 << 30, None);
        let block = pool.allocate(70 << 30, 7).unwrap();
        let view = view(&[&block]);
        view.store(block.address + (69 << 30), &[9]).unwrap();
        assert_eq!((pool.left(), block.bytes), (10 << 30, 70 << 30));
    }

    #[test]
    fn a_stuck_bit_stays_where_it_is_in_whatever_is_put_there() {
        let stuck = StuckBit { device: 0, offset: 1030, bit: 3, value: true };
        let mut pool = Pool::new(0, 1 << 20, Some(stuck));
        let before = pool.allocate(1024, 7).unwrap();
        let block = pool.allocate(64, 7).unwrap();
        let view = view(&[&before, &block]);
        view.fill(before.address, &[0], 1024).unwrap();
        view.fill(block.address, &[0], 64).unwrap();
        let mut bytes = [0; 8];
        view.load(block.address, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 8, 0]);
        view.store(block.address + 4, &[0xFF; 4]).unwrap();
        view.update(block.address + 4, 4, &mut |_| 0).unwrap();
        view.load(block.address, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 8, 0]);
        pool.release(block.address);
        let again = pool.allocate(64, 7).unwrap();
        let view = View::of([&again].into_iter());
        view.store(again.address, &[0; 8]).unwrap();
        view.load(again.address, &mut bytes).unwrap();
        assert_eq!(bytes[6], 8);
    }

    #[test]
    fn an_atomic_step_loses_nothing() {
        let mut pool = Pool::new(0, 1 << 20, None);
        let block = pool.allocate(16, 7).unwrap();
        let view = view(&[&block]);
        view.fill(block.address, &[0], 16).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| drop(view.update(block.address + 8, 8, &mut |old| old + 1))));
            }
        });
        assert_eq!(view.update(block.address + 8, 8, &mut |_| 0), Ok(4000));
        assert_eq!(view.update(block.address + 2, 4, &mut |_| 0), Err(Trap::Misaligned(block.address + 2)));
    }
}
