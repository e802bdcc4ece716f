//! What the interpreter does, seen through the texts that it is given.

mod arithmetic;
mod bench;
mod bits;
mod conversion;
mod flips;
mod flow;
mod kernels;
mod memory;
mod parsing;
mod product;
mod speed;
mod traps;
