//! Memory of a device on which a trial leaves no trace.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::ptx::{Global, Trap};

/// What was written stays here, in front of the memory behind.
pub(super) struct Overlay<'a> {
    behind: &'a dyn Global,
    written: Mutex<BTreeMap<u64, u8>>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(behind: &'a dyn Global) -> Self {
        Self { behind, written: Mutex::default() }
    }
}

impl Global for Overlay<'_> {
    fn load(&self, address: u64, bytes: &mut [u8]) -> Result<(), Trap> {
        self.behind.load(address, bytes)?;
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, byte) in written.range(address..address.saturating_add(bytes.len() as u64)) {
            if let Some(place) = usize::try_from(at - address).ok().and_then(|at| bytes.get_mut(at)) {
                *place = *byte;
            }
        }
        Ok(())
    }

    fn store(&self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        // What cannot be read cannot be written either.
        self.behind.load(address, &mut vec![0; bytes.len()])?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend((address..).zip(bytes.iter().copied()));
        Ok(())
    }

    fn update(&self, address: u64, size: usize, change: &mut dyn FnMut(u64) -> u64) -> Result<u64, Trap> {
        let mut bytes = [0; 8];
        let room = bytes.get_mut(..size).ok_or(Trap::Address(address))?;
        self.load(address, room)?;
        let old = u64::from_le_bytes(bytes);
        let new = change(old).to_le_bytes();
        self.store(address, new.get(..size).unwrap_or(&new))?;
        Ok(old)
    }
}
