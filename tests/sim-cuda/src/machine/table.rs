//! Objects that clients hold by a handle: a number that is compared and never followed, and that never comes again.

use std::collections::BTreeMap;

use crate::code::{Answer, Code};

/// What a client holds (`CUcontext`, `CUstream`, `CUevent` …).
pub(crate) type Handle = usize;

/// Marks every handle, above all addresses that a process can have.
const MARK: usize = 0xC0DA << 48;

/// Objects of one kind.
#[derive(Debug)]
pub(crate) struct Table<T> {
    kind: usize,
    next: usize,
    items: BTreeMap<Handle, T>,
}

impl<T> Table<T> {
    /// `kind` tells the handles of one table from those of another.
    pub(crate) fn new(kind: usize) -> Self {
        Self { kind, next: 1, items: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, item: T) -> Handle {
        let handle = MARK | self.kind << 40 | self.next << 4;
        self.next += 1;
        self.items.insert(handle, item);
        handle
    }

    pub(crate) fn get(&self, handle: Handle) -> Answer<&T> {
        self.items.get(&handle).ok_or(Code::INVALID_HANDLE)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Answer<&mut T> {
        self.items.get_mut(&handle).ok_or(Code::INVALID_HANDLE)
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Answer<T> {
        self.items.remove(&handle).ok_or(Code::INVALID_HANDLE)
    }

    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        self.items.retain(|_, item| stays(item));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        self.items.iter().map(|(handle, item)| (*handle, item))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_of_another_kind_or_of_the_past_is_refused() {
        let (mut streams, mut events) = (Table::new(1), Table::new(2));
        let (stream, event) = (streams.insert('s'), events.insert('e'));
        assert_eq!((streams.get(stream), streams.get(event)), (Ok(&'s'), Err(Code::INVALID_HANDLE)));
        assert_eq!(streams.remove(stream), Ok('s'));
        assert_ne!(streams.insert('t'), stream);
        assert_eq!(streams.remove(stream), Err(Code::INVALID_HANDLE));
    }
}
