//! A simulated CUDA driver: `libcuda.so.1` for machines without a GPU. Never installed.
//!
//! Programs that use the driver's API (NACP, cudarc, anything in C) load it unchanged and see the devices of a node
//! file. What they load is compiled by an interpreter of PTX, and their kernels really run, on the CPU. Every handle,
//! address and number that a caller gives is checked; misuse is refused with the number that the driver documents.
//! What the environment may ask, faults above all, is in the README.
#![cfg(unix)]

mod api;
mod call;
mod caller;
mod code;
mod config;
mod faults;
mod machine;
mod ptx;
