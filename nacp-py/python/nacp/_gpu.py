"""What a GPU is: everything that does not change while it is in the machine, in groups.

Every attribute that may be None says in the `unknown` of its class why it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nacp._decode import Record
from nacp._sample import Clocks

ComputeMode = Literal["default", "exclusive_thread", "prohibited", "exclusive_process"]
DriverModel = Literal["wddm", "tcc", "mcdm"]
RemoteDevice = Literal["gpu", "ibm_npu", "switch", "unknown"]
FabricState = Literal["not_supported", "not_started", "in_progress", "completed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoRom(Record):
    """The versions of the parts of a GPU's InfoROM."""

    image: str | None
    """The image as a whole."""
    oem: str | None
    """The part of the board's maker."""
    ecc: str | None
    """The part that counts ECC errors."""
    power: str | None
    """The part of power management."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform(Record):
    """Where a GPU sits in a rack of several machines."""

    chassis: str
    """The chassis' serial number; empty where it has none."""
    slot: int
    """The slot of the chassis, from 0."""
    tray: int
    """The tray within the slot, from 0."""
    host: int
    """The host within the tray, from 0."""
    module: int
    """The module within the host, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Record):
    """Who made a GPU, and what is written on it."""

    brand: str | None
    """The product line, such as `GeForce` or `NVIDIA`."""
    serial: str | None
    """The serial number on the board. It identifies the machine."""
    part_number: str | None
    """The board's part number."""
    board: int | None
    """The id of the board, the same for GPUs that share one."""
    minor: int | None
    """The number N of `/dev/nvidiaN`."""
    module: int | None
    """The position of the module on its baseboard."""
    vbios: str | None
    """The version of the video BIOS."""
    gsp_firmware: str | None
    """The version of the firmware of the GPU's system processor."""
    inforom: InfoRom
    """What the InfoROM says about its own versions."""
    platform: Platform | None
    """Where the GPU sits in a rack."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor(Record):
    """What a GPU computes with."""

    architecture: str | None
    """The architecture's name, such as `Ampere`."""
    cores: int | None
    """CUDA cores."""
    multiprocessors: int | None
    """Streaming multiprocessors, computed from the cores and the compute capability."""
    memory_bus: int | None
    """Width of the memory bus, in bits."""
    bar1: int | None
    """Size of the window onto the memory that the CPU sees, in bytes."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pcie(Record):
    """How a GPU sits on the PCIe bus."""

    device: int | None
    """The PCI device and vendor id: `0x233010de` is device 2330 of vendor 10de."""
    subsystem: int | None
    """The subsystem's id."""
    max_generation: int | None
    """The newest PCIe generation that GPU and slot have in common."""
    gpu_max_generation: int | None
    """The newest PCIe generation of the GPU itself."""
    max_width: int | None
    """The widest link that GPU and slot have in common, in lanes."""
    max_speed: int | None
    """The highest speed of a lane, in millions of transfers a second."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureLimits(Record):
    """Temperatures at which something happens, in degrees Celsius."""

    shutdown: int | None
    """The GPU switches itself off."""
    slowdown: int | None
    """The GPU slows down to protect itself."""
    gpu_max: int | None
    """The GPU begins to slow down, so that it stays below."""
    memory_max: int | None
    """The memory begins to slow down, so that it stays below."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Record):
    """Between which limits a GPU works."""

    power_min: int | None
    """The lowest power limit that can be set, in milliwatts."""
    power_max: int | None
    """The highest power limit that can be set, in milliwatts."""
    power_default: int | None
    """The power limit after a start, in milliwatts."""
    clocks: Clocks | None
    """The highest clocks, in MHz."""
    video_clock: int | None
    """The highest video clock, in MHz."""
    temperature: TemperatureLimits
    """At which temperatures something happens."""
    fans: int | None
    """How many fans it has."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistent(Record):
    """A mode that is set now and another that will be at the next reset."""

    current: bool
    """Whether it is on now."""
    pending: bool
    """Whether it will be on after the next reset of the GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes(Record):
    """How a GPU is set up. A mode can change while the machine runs; `Node.reread()` reads it again."""

    compute: ComputeMode | None
    """How many programs may compute at once."""
    persistence: bool | None
    """Whether the driver stays loaded when nobody uses the GPU."""
    display_active: bool | None
    """Whether a display is set up on it."""
    display_connected: bool | None
    """Whether a display is connected to it."""
    ecc: Persistent | None
    """Error correction of the memory."""
    accounting: bool | None
    """Whether accounting of processes is on."""
    virtualization: str | None
    """What the GPU is for virtual machines: `none`, `passthrough`, `vgpu`, `host vgpu`, `host vsga`."""
    driver_model: DriverModel | None
    """Which driver model Windows uses for it."""
    addressing: str | None
    """How the GPU reaches the memory of programs: `none`, `hmm`, `ats`."""
    confidential_memory: int | None
    """Memory set apart for confidential computing, in bytes; zero when it is off."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity(Record):
    """Which processors and which memory of the machine are near a GPU."""

    numa_node: int | None
    """The NUMA node of the GPU's own memory, where the system sees it as one."""
    cpus: tuple[int, ...] | None
    """The nearest logical processors, in ascending order."""
    memory_nodes: tuple[int, ...] | None
    """The nearest NUMA nodes, in ascending order."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NvLink(Record):
    """One NVLink of a GPU."""

    link: int
    """The link's number on this GPU, from 0."""
    active: bool | None
    """Whether it is up."""
    version: int | None
    """The NVLink version as the driver numbers it."""
    remote: str | None
    """The PCI address of what is at its other end."""
    remote_device: RemoteDevice | None
    """What is at its other end."""
    speed: int | None
    """Its speed in each direction, in megabytes (10^6) a second."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric(Record):
    """A GPU's place in an NVLink fabric."""

    state: FabricState
    """How far its registration has come."""
    status: int
    """With which NVML code the registration ended; 0 is success. It counts only once it is completed."""
    cluster: str
    """The UUID of the cluster, in hexadecimal digits; empty while there is none."""
    clique: int
    """The id of the clique: GPUs of one cluster and clique reach each other."""
    health: int | None
    """The driver's mask of health, two bits a property (0 unsupported, 1 true, 2 false)."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigPlacement(Record):
    """Where a GPU instance lies, in slices of memory."""

    start: int
    """The first slice."""
    size: int
    """How many slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigDevice(Record):
    """A partition that programs can use."""

    id: str
    """Its UUID (`MIG-…`)."""
    index: int
    """Its position among the partitions of its GPU, from 0."""
    name: str | None
    """The device's name, such as `NVIDIA A100-SXM4-40GB MIG 1g.5gb`."""
    profile: str | None
    """The profile, such as `1g.5gb` or `1c.3g.20gb`."""
    gpu_instance: int | None
    """The id of its GPU instance."""
    compute_instance: int | None
    """The id of its compute instance."""
    memory: int | None
    """Its memory, in bytes."""
    multiprocessors: int | None
    """Its streaming multiprocessors."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuInstance(Record):
    """A GPU instance: a part of the memory and of the multiprocessors."""

    id: int
    """Its id."""
    profile: int
    """The id of its profile."""
    placement: MigPlacement
    """Where it lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigProfile(Record):
    """A kind of partition that can be made of a GPU."""

    id: int
    """The profile's id."""
    name: str | None
    """Its name, such as `1g.5gb`."""
    slices: int
    """How many slices of the multiprocessors it takes."""
    instances: int
    """How many fit on an empty GPU."""
    remaining: int | None
    """How many more fit now."""
    multiprocessors: int
    """Streaming multiprocessors of one."""
    memory: int
    """Memory of one, in bytes."""
    placements: tuple[MigPlacement, ...] | None
    """Where one may lie."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mig(Record):
    """The partitions of a GPU (Multi-Instance GPU)."""

    mode: Persistent | None
    """Whether the GPU is partitioned; None for GPUs that cannot be."""
    devices: tuple[MigDevice, ...] | None
    """The devices that programs can use: each a compute instance with an id of its own."""
    instances: tuple[GpuInstance, ...] | None
    """The GPU instances, also those without a compute instance."""
    profiles: tuple[MigProfile, ...] | None
    """Which partitions can be made of this GPU."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu(Record):
    """What does not change while a GPU is in the machine. A reading that is not known is None, and says why.

    >>> gpu = nacp.simulated_node("h100x8").gpus[0]
    >>> gpu.name, gpu.compute, gpu.pci
    ('NVIDIA H100 80GB HBM3', '9.0', '00000000:19:00.0')
    """

    id: str
    """The UUID, as the driver spells it."""
    index: int
    """The position in the driver's list. For display only: it can change at the next start."""
    name: str
    """The product's name."""
    compute: str | None
    """The CUDA compute capability, as `8.6`."""
    memory: int | None
    """All memory of the device, in bytes."""
    pci: str | None
    """The PCI address as `domain:bus:device.function`."""
    identity: Identity
    """Who made it, and what is written on it."""
    processor: Processor
    """What it computes with."""
    pcie: Pcie
    """How it sits on the PCIe bus."""
    limits: Limits
    """Between which limits it works."""
    modes: Modes
    """How it is set up."""
    affinity: Affinity
    """Which processors and which memory of the machine are near it."""
    nvlinks: tuple[NvLink, ...] | None
    """Its NVLinks, by number; empty when it has none that the driver tells of."""
    c2c: bool | None
    """Whether a chip-to-chip link to the CPU is on (Grace Hopper, Grace Blackwell)."""
    fabric: Fabric | None
    """Its place in an NVLink fabric."""
    mig: Mig
    """Its partitions."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""
