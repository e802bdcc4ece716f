//! The library's contract with its callers.
