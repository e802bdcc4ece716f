//! The questions that a device answers with a number.

/// A question to [`Driver::attribute`](super::Driver::attribute), with the driver's number (`CUdevice_attribute`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Attribute {
    /// The most threads that a block may have.
    MaxThreadsPerBlock = 1,
    /// How many threads a warp has.
    WarpSize = 10,
    /// The highest clock of the multiprocessors, in kHz.
    ClockRate = 13,
    /// How many streaming multiprocessors the device has.
    Multiprocessors = 16,
    /// Whether the system stops a program on the device that runs too long.
    KernelTimeout = 17,
    /// Whether the device shares its memory with the machine.
    Integrated = 18,
    /// Who may have contexts: 0 everybody, 2 nobody, 3 one process at a time.
    ComputeMode = 20,
    /// Whether memory errors are corrected.
    EccEnabled = 32,
    /// Whether the driver model is TCC (Windows).
    TccDriver = 35,
    /// The highest clock of the memory, in kHz.
    MemoryClockRate = 36,
    /// The width of the memory's bus, in bits.
    MemoryBusWidth = 37,
    /// The size of the second-level cache, in bytes.
    L2CacheSize = 38,
    /// The most threads that a multiprocessor holds at once.
    MaxThreadsPerMultiprocessor = 39,
    /// How many engines copy while programs run.
    AsyncEngines = 40,
    /// Whether device and host share one space of addresses.
    UnifiedAddressing = 41,
    /// The major number of the compute capability.
    ComputeMajor = 75,
    /// The minor number of the compute capability.
    ComputeMinor = 76,
    /// Whether streams have priorities.
    StreamPriorities = 78,
    /// Whether memory may be managed by the driver.
    ManagedMemory = 83,
    /// Whether the device reads pageable memory of the host by itself.
    PageableMemoryAccess = 88,
    /// Whether host and device may use managed memory at the same time.
    ConcurrentManagedAccess = 89,
    /// Whether memory may be taken and given back in the order of a stream.
    MemoryPools = 115,
    /// Whether this process is a client of the multi-process service.
    MpsEnabled = 133,
}
