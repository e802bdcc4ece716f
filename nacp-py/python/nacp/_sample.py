"""What a GPU was doing: one reading of everything that changes.

Every attribute that may be None says in the `unknown` of its class why it is.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal

from nacp._decode import Record

ProcessKind = Literal["compute", "graphics", "both"]
RecoveryAction = Literal["none", "reset_gpu", "reboot", "drain_peers", "drain_and_reset", "recover_imex"]


class ClockEvents(enum.IntFlag):
    """What holds the clocks back: NVML's bits, all of them kept, also those that have no name here.

    >>> nacp.ClockEvents.POWER_CAP in nacp.ClockEvents(0x4 | 0x40)
    True
    """

    IDLE = 0x1
    """Nothing runs."""
    APPLICATION_CLOCKS = 0x2
    """The clocks that somebody has set."""
    POWER_CAP = 0x4
    """The power limit."""
    HW_SLOWDOWN = 0x8
    """The hardware slows down: hot, or the power supply asks for it."""
    SYNC_BOOST = 0x10
    """Clocks in step with other GPUs."""
    SW_THERMAL = 0x20
    """The driver keeps the temperature down."""
    HW_THERMAL = 0x40
    """The hardware keeps the temperature down: clocks at half or less."""
    POWER_BRAKE = 0x80
    """The power supply asks for less: clocks at half or less."""
    DISPLAY = 0x100
    """The clocks of the display."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse(Record):
    """Memory of a GPU, in bytes. `total = used + free + reserved`."""

    total: int
    """All of it."""
    used: int
    """Allocated by programs."""
    free: int
    """Not allocated."""
    reserved: int
    """Kept by the driver and the firmware. Drivers before 510 count it as used and tell zero here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilization(Record):
    """Percent of the driver's last sampling period during which the GPU was at work."""

    gpu: int
    """At least one kernel was running, in percent."""
    memory: int
    """Device memory was being read or written, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks(Record):
    """Clocks, in MHz."""

    graphics: int
    """The graphics clock."""
    sm: int
    """The clock of the streaming multiprocessors."""
    memory: int
    """The memory clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown(Record):
    """For how long the clocks were held back, in nanoseconds since the driver was loaded."""

    power: int | None
    """By the power limit."""
    thermal: int | None
    """By temperature."""
    sync_boost: int | None
    """In step with other GPUs."""
    board: int | None
    """By the limit of the whole board."""
    low_utilization: int | None
    """Because there was too little to do."""
    reliability: int | None
    """By the reliability of the voltage."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan(Record):
    """One fan: how fast it should turn."""

    speed: int | None
    """In percent of the highest speed; above 100 is possible."""
    rpm: int | None
    """In turns a minute."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcieLink(Record):
    """The PCIe link as it is now."""

    generation: int
    """The generation at which it runs."""
    width: int
    """Its width, in lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ecc(Record):
    """Errors of the memory, counted."""

    corrected: int
    """Corrected, since the driver was loaded."""
    uncorrected: int
    """Not corrected, since the driver was loaded."""
    corrected_total: int
    """Corrected, over the life of the GPU."""
    uncorrected_total: int
    """Not corrected, over the life of the GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SramEcc(Record):
    """Errors of the memory within the chip, over the life of the GPU."""

    uncorrected_parity: int
    """Uncorrected, found by parity."""
    uncorrected_secded: int
    """Uncorrected, found by SEC-DED."""
    corrected: int
    """Corrected."""
    threshold_exceeded: bool
    """Whether there are so many that NVIDIA wants the GPU replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Record):
    """Rows of memory that were replaced by spare ones."""

    correctable: int
    """Because of errors that could be corrected."""
    uncorrectable: int
    """Because of errors that could not."""
    pending: bool
    """Whether one is to be replaced at the next reset."""
    failed: bool
    """Whether replacing one has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredPages(Record):
    """Pages of memory that are no longer used."""

    single_bit: int
    """Because of several single-bit errors."""
    double_bit: int
    """Because of a double-bit error."""
    pending: bool
    """Whether one is to be retired at the next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounters(Record):
    """What was sent over all NVLinks of a GPU together, and which errors they counted."""

    sent: int | None
    """Data sent, in KiB."""
    received: int | None
    """Data received, in KiB."""
    active: int | None
    """Links that are up."""
    replays: int | None
    """Packets that were sent again."""
    recoveries: int | None
    """Times that a link was trained anew."""
    crc_flit: int | None
    """Checksums of flow control that were wrong."""
    crc_data: int | None
    """Checksums of data that were wrong."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Record):
    """How busy the parts of the chip were between two readings, in thousandths of the highest possible."""

    graphics: int
    """Any graphics or compute engine was active, in thousandths of the time."""
    sm: int
    """The multiprocessors were active, in thousandths."""
    occupancy: int
    """Warps were resident on the multiprocessors, in thousandths of the most that can be."""
    tensor: int
    """The tensor cores were active, in thousandths."""
    dram: int
    """The memory interface was active, in thousandths."""
    fp64: int
    """The FP64 units were active, in thousandths."""
    fp32: int
    """The FP32 units were active, in thousandths."""
    fp16: int
    """The FP16 units were active, in thousandths."""
    pcie_sent: int
    """Sent over PCIe, in bytes a second."""
    pcie_received: int
    """Received over PCIe, in bytes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigUse(Record):
    """What one partition of a GPU is doing."""

    id: str
    """The partition's UUID."""
    memory: MemoryUse | None
    """Its memory in use."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Record):
    """A partition by the ids of its instances."""

    gpu_instance: int
    """The id of the GPU instance."""
    compute_instance: int | None
    """The id of the compute instance; None for some kinds of programs, of which the driver does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUtilization(Record):
    """Percent of the driver's last sampling periods that one program kept the parts of a GPU busy."""

    sm: int
    """The streaming multiprocessors, in percent."""
    memory: int
    """The memory, in percent."""
    encoder: int
    """The video encoder, in percent."""
    decoder: int
    """The video decoder, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Record):
    """A program that uses a GPU."""

    pid: int
    """The process id, in the namespace of the driver."""
    kind: ProcessKind
    """Whether it computes, draws, or both."""
    memory: int | None
    """Device memory that it holds, in bytes; not available under WDDM and WSL2."""
    partitions: tuple[Partition, ...] = ()
    """The partitions on which it runs; empty on a GPU that has none."""
    utilization: ProcessUtilization | None
    """How busy it kept the GPU."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Record):
    """One reading of one GPU. A reading that is not known is None, and says why."""

    id: str
    """Which GPU."""
    memory: MemoryUse | None
    """Memory in use."""
    utilization: Utilization | None
    """How busy the GPU was."""
    temperature: int | None
    """Temperature of the GPU's die, in degrees Celsius."""
    power: int | None
    """Power drawn by the board, in milliwatts."""
    power_limit: int | None
    """The limit at which the board is held, in milliwatts."""
    clocks: Clocks | None
    """Current clocks."""
    processes: tuple[Process, ...] | None
    """Programs that use the GPU, by process id."""
    video_clock: int | None
    """The current video clock, in MHz."""
    performance: int | None
    """The performance state, from 0 (the fastest) to 15."""
    clock_events: ClockEvents | None
    """What holds the clocks back at this moment."""
    slowdown: Slowdown | None
    """For how long the clocks were held back since the driver was loaded."""
    energy: int | None
    """Energy used since the driver was loaded, in millijoules."""
    memory_temperature: int | None
    """Temperature of the memory, in degrees Celsius."""
    margin: int | None
    """How many degrees the GPU is below the temperature at which it slows down; unreliable where not above zero."""
    fans: tuple[Fan, ...] | None
    """Each fan."""
    encoder: int | None
    """How busy the video encoder was, in percent."""
    decoder: int | None
    """How busy the video decoder was, in percent."""
    jpeg: int | None
    """How busy the JPEG decoder was, in percent."""
    optical_flow: int | None
    """How busy the optical-flow unit was, in percent."""
    bar1_used: int | None
    """Use of the window onto the memory that the CPU sees, in bytes."""
    pcie: PcieLink | None
    """The PCIe link as it is now: slower when the GPU idles, which is no fault."""
    pcie_replays: int | None
    """How often a PCIe packet was sent again."""
    pcie_sent: int | None
    """Bytes sent over PCIe."""
    pcie_received: int | None
    """Bytes received over PCIe."""
    ecc: Ecc | None
    """Errors of the memory that were corrected or not."""
    sram: SramEcc | None
    """Errors of the memory within the chip."""
    rows: Rows | None
    """Rows of memory that were replaced by spare ones."""
    retired_pages: RetiredPages | None
    """Pages of memory that are no longer used (before Ampere)."""
    nvlink: LinkCounters | None
    """What was sent over all NVLinks together, and which errors they counted."""
    recovery: RecoveryAction | int | None
    """What the driver wants to be done to bring the GPU back to health; its number where NACP does not know it."""
    profile: Profile | None
    """How busy the parts of the chip were since the last reading (Hopper and later)."""
    mig: tuple[MigUse, ...] | None
    """The partitions of the GPU."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""
