//! A world without GPUs: simulated machines, labelled as such in everything that they say.
//!
//! [`Node`] plays a machine with GPUs, [`Cuda`] their CUDA driver, [`Engine`] a container engine and [`Service`] an
//! inference server. They are public, so that a program that uses NACP can be tested on any laptop.

#[cfg(feature = "cuda")]
mod cuda;
mod engine;
pub mod node;
pub mod service;

#[cfg(feature = "cuda")]
pub use cuda::Cuda;
pub use engine::Engine;
pub use node::{GpuFile, MemoryFile, Node, NodeFile, Pid, ProcessFile};
pub use service::{Service, ServiceOptions, ServiceStats};
