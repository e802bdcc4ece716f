//! The rules of a run, with checks and a driver that do what a test tells them.

mod devices;
mod fake;
mod rules;
mod time;
