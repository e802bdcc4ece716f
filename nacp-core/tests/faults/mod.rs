//! Parts of the sweep over the faults of the management library.

pub(crate) mod dependents;
pub(crate) mod library;
pub(crate) mod worker;
