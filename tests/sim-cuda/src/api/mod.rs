//! The functions of cuda.h, by what they are about.

mod context;
mod device;
mod error;
mod event;
mod graph;
mod launch;
mod memory;
mod module;
mod proc;
mod stream;
