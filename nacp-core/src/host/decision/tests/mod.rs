//! Whole decisions, on machines that are made up.

mod machines;
mod properties;
mod shown;
mod whole;

pub(super) use machines::{device, engine, linux, observed, report, wsl2};
