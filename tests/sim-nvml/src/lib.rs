//! A simulated NVIDIA Management Library: `libnvidia-ml.so.1` for machines without a GPU.
//!
//! Programs that others wrote (nvml-wrapper, nvidia-ml-py, gpustat, nvitop) load it unchanged and see the machine of a
//! node file, the same file from which [`sim::Node`](nacp_core::sim::Node) answers. It is a part of the tests and is
//! never installed.
//!
//! - `NACP_SIM_NODE`: a node that comes with NACP, or the path of a node file. Read once, at the first `nvmlInit`.
//! - `NACP_SIM_NVML_FAULTS`: functions that answer with a return code instead, see [`fault`].
//!
//! It keeps the library's contract: every call before `nvmlInit` answers "uninitialized", a null pointer "invalid
//! argument", a buffer that is too small "insufficient size" with the size that is needed, a structure of another
//! version "argument version mismatch". What a node file does not model answers "not supported"; a function that is not
//! here is missing from the library, as in an old driver.

mod device;
mod fault;
mod memory;
mod node;
mod process;
mod system;

#[cfg(test)]
mod contract;
