//! The program as a user runs it: what it prints, how it ends, what it does to streams that go away.

mod app;
mod common;
mod completions;
mod compose;
mod docker;
mod exits;
mod json;
mod lock;
mod serve;
mod snapshots;
mod streams;
