//! A simulated NVIDIA Management Library: `libnvidia-ml.so.1` for machines without a GPU.
//!
//! Programs that others wrote (nvml-wrapper, nvidia-ml-py, gpustat, nvitop) load it unchanged and see the machine of a
//! node file, the same file from which [`sim::Node`](nacp_core::sim::Node) answers. It is a part of the tests and is
//! never installed. What it reads from the environment is in its README.
//!
//! It keeps the library's contract: every call before `nvmlInit` answers "uninitialized", a null pointer "invalid
//! argument", a buffer that is too small "insufficient size" with the size that is needed, a structure of another
//! version "argument version mismatch". Every function of nvml.h is there; what a node file does not model answers "not
//! supported".

mod call;
mod calls;
mod fault;
mod latency;
mod machine;
mod memory;
mod sets;

#[cfg(test)]
mod contract;
