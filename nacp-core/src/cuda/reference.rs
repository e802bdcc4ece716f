//! The same kernels on the CPU, bit for bit.
