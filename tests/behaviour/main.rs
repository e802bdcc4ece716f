//! The seams' behaviour suites: the same cases for each implementation.

#[path = "../common/mod.rs"]
mod common;
mod engine;
