"""Asks NACP and a client that others wrote in one process, and prints what they do not agree on.

Usage: agreement.py CLIENT, with the library of a simulated machine on the loader's path. Prints one JSON object: how
many values were compared, and a list of `[gpu, value, NACP's, theirs]`. What a client does not tell is null, and NACP
then has to say that it is unknown. One client a process, because nvitop changes nvidia-ml-py when it is imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pynvml as nvml

import nacp

UNTOLD = (
    nvml.NVMLError_NotSupported,
    nvml.NVMLError_FunctionNotFound,
    nvml.NVMLError_NoPermission,
    nvml.NVMLError_GpuIsLost,
    nvml.NVMLError_NotFound,
    nvml.NVMLError_InvalidArgument,
    nvml.NVMLLibraryMismatchError,
)
Compared = Iterator[tuple[str, Any, Any]]


def ask(*ways: Callable[[], Any]) -> Any:
    """What the first way that answers tells; null where none does."""
    for way in ways:
        try:
            return way()
        except UNTOLD:
            continue
    return None


def attribute(holder: Any, path: str) -> Any:
    """A value of NACP's by its path; null where a part of it is unknown."""
    for name in path.split("."):
        if holder is None:
            return None
        holder = holder[name] if isinstance(holder, dict) else getattr(holder, name)
    return holder


def by_nvidia_ml_py(gpu: Any, sample: Any) -> Compared:
    """Every value that both tell, each asked of nvidia-ml-py anew."""
    found = ask(lambda: nvml.nvmlDeviceGetHandleByUUID(gpu.id), lambda: nvml.nvmlDeviceGetHandleByIndex(gpu.index))
    if found is None:
        yield "lost", sample.temperature, None
        return
    device = found

    def told(name: str, *arguments: Any, **named: Any) -> Any:
        return ask(lambda: getattr(nvml, name)(device, *arguments, **named))

    memory = told("nvmlDeviceGetMemoryInfo", version=nvml.nvmlMemory_v2)
    if memory is None and (old := told("nvmlDeviceGetMemoryInfo")) is not None:
        yield "memory by the first version", attribute(sample, "memory.used"), old.used
        yield "memory by the first version, free", attribute(sample, "memory.free"), old.free
    else:
        for part in ("total", "used", "free", "reserved"):
            yield f"memory.{part}", attribute(sample, f"memory.{part}"), memory and getattr(memory, part)
    rates = told("nvmlDeviceGetUtilizationRates")
    bar1 = told("nvmlDeviceGetBAR1MemoryInfo")
    compute = told("nvmlDeviceGetCudaComputeCapability")
    constraints = told("nvmlDeviceGetPowerManagementLimitConstraints")
    pci = told("nvmlDeviceGetPciInfo")
    rows = told("nvmlDeviceGetRemappedRows")
    yield "utilization.gpu", attribute(sample, "utilization.gpu"), rates and rates.gpu
    yield "utilization.memory", attribute(sample, "utilization.memory"), rates and rates.memory
    yield "bar1", gpu.processor.bar1, bar1 and bar1.bar1Total
    yield "bar1_used", sample.bar1_used, bar1 and bar1.bar1Used
    yield "compute", gpu.compute, compute and "{}.{}".format(*compute)
    yield "power_min", gpu.limits.power_min, constraints and constraints[0]
    yield "power_max", gpu.limits.power_max, constraints and constraints[1]
    yield "pci", gpu.pci, pci and pci.busId
    yield "pci device", gpu.pcie.device, pci and pci.pciDeviceId
    for nth, part in enumerate(("correctable", "uncorrectable", "pending", "failed")):
        yield f"rows.{part}", attribute(sample, f"rows.{part}"), rows and rows[nth]
    plain = {
        "id": told("nvmlDeviceGetUUID"),
        "name": told("nvmlDeviceGetName"),
        "identity.serial": told("nvmlDeviceGetSerial"),
        "identity.part_number": told("nvmlDeviceGetBoardPartNumber"),
        "identity.board": told("nvmlDeviceGetBoardId"),
        "identity.minor": told("nvmlDeviceGetMinorNumber"),
        "identity.vbios": told("nvmlDeviceGetVbiosVersion"),
        "identity.gsp_firmware": text(told("nvmlDeviceGetGspFirmwareVersion")),
        "identity.inforom.image": told("nvmlDeviceGetInforomImageVersion"),
        "identity.inforom.ecc": told("nvmlDeviceGetInforomVersion", nvml.NVML_INFOROM_ECC),
        "processor.cores": told("nvmlDeviceGetNumGpuCores"),
        "processor.memory_bus": told("nvmlDeviceGetMemoryBusWidth"),
        "pcie.max_generation": told("nvmlDeviceGetMaxPcieLinkGeneration"),
        "pcie.gpu_max_generation": told("nvmlDeviceGetGpuMaxPcieLinkGeneration"),
        "pcie.max_width": told("nvmlDeviceGetMaxPcieLinkWidth"),
        "limits.power_default": told("nvmlDeviceGetPowerManagementDefaultLimit"),
        "limits.clocks.graphics": told("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_GRAPHICS),
        "limits.clocks.sm": told("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
        "limits.clocks.memory": told("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM),
        "limits.video_clock": told("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_VIDEO),
        "limits.temperature.shutdown": told(
            "nvmlDeviceGetTemperatureThreshold", nvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN
        ),
        "limits.temperature.slowdown": told(
            "nvmlDeviceGetTemperatureThreshold", nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        ),
        "limits.temperature.gpu_max": told(
            "nvmlDeviceGetTemperatureThreshold", nvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX
        ),
        "limits.temperature.memory_max": told(
            "nvmlDeviceGetTemperatureThreshold", nvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX
        ),
        "modes.persistence": told("nvmlDeviceGetPersistenceMode"),
        "modes.display_active": told("nvmlDeviceGetDisplayActive"),
        "modes.display_connected": told("nvmlDeviceGetDisplayMode"),
        "modes.accounting": told("nvmlDeviceGetAccountingMode"),
        "affinity.numa_node": told("nvmlDeviceGetNumaNodeId"),
    }
    for path, value in plain.items():
        yield path, attribute(gpu, path), value
    for name, path in (("nvmlDeviceGetEccMode", "modes.ecc"), ("nvmlDeviceGetMigMode", "mig.mode")):
        mode = told(name)
        yield f"{path}.current", attribute(gpu, f"{path}.current"), mode and mode[0]
        yield f"{path}.pending", attribute(gpu, f"{path}.pending"), mode and mode[1]
    moving = {
        "temperature": ask(
            lambda: nvml.nvmlDeviceGetTemperatureV(device, nvml.NVML_TEMPERATURE_GPU),
            lambda: nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU),
        ),
        "power": told("nvmlDeviceGetPowerUsage"),
        "power_limit": told("nvmlDeviceGetEnforcedPowerLimit"),
        "energy": told("nvmlDeviceGetTotalEnergyConsumption"),
        "performance": told("nvmlDeviceGetPerformanceState"),
        "clocks.graphics": told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_GRAPHICS),
        "clocks.sm": told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
        "clocks.memory": told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
        "video_clock": told("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_VIDEO),
        "clock_events": ask(
            lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(device),
            lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device),
        ),
        "encoder": first(told("nvmlDeviceGetEncoderUtilization")),
        "decoder": first(told("nvmlDeviceGetDecoderUtilization")),
        "jpeg": first(told("nvmlDeviceGetJpgUtilization")),
        "optical_flow": first(told("nvmlDeviceGetOfaUtilization")),
        "pcie.generation": told("nvmlDeviceGetCurrPcieLinkGeneration"),
        "pcie.width": told("nvmlDeviceGetCurrPcieLinkWidth"),
        "pcie_replays": told("nvmlDeviceGetPcieReplayCounter"),
    }
    corrected, uncorrected = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    now, always = nvml.NVML_VOLATILE_ECC, nvml.NVML_AGGREGATE_ECC
    moving |= {
        "ecc.corrected": told("nvmlDeviceGetTotalEccErrors", corrected, now),
        "ecc.uncorrected": told("nvmlDeviceGetTotalEccErrors", uncorrected, now),
        "ecc.corrected_total": told("nvmlDeviceGetTotalEccErrors", corrected, always),
        "ecc.uncorrected_total": told("nvmlDeviceGetTotalEccErrors", uncorrected, always),
    }
    for path, value in moving.items():
        yield path, attribute(sample, path), value
    fans = [told("nvmlDeviceGetFanSpeed_v2", fan) for fan in range(told("nvmlDeviceGetNumFans") or 0)]
    told_fans = [fan.speed for fan in sample.fans or () if fan.speed is not None]
    yield "fans", told_fans, [speed for speed in fans if speed is not None]
    ids = {field: value_of(device, field) for field in (82, 230)}
    yield "memory_temperature", sample.memory_temperature, ids[nvml.NVML_FI_DEV_MEMORY_TEMP]
    active = [told("nvmlDeviceGetNvLinkState", link) for link in range(nvml.NVML_NVLINK_MAX_LINKS)]
    known = [bool(state) for state in active if state is not None]
    yield "nvlinks", gpu.nvlinks and [link.active for link in gpu.nvlinks], known or None
    parts = [
        ask(lambda nth=nth: nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, nth)))
        for nth in range(told("nvmlDeviceGetMaxMigDeviceCount") or 0)
    ]
    there = [part for part in parts if part]
    yield "mig", [part.id for part in gpu.mig.devices or ()], there
    if not there:
        lists = [running(device, kind) for kind in ("Compute", "Graphics")]
        theirs = {process.pid: process.usedGpuMemory for listed in lists for process in listed or []}
        told_by_us = {process.pid: process.memory for process in sample.processes or ()}
        yield "processes", told_by_us, theirs


def first(answer: Any) -> Any:
    """The first of several numbers."""
    return None if answer is None else answer[0]


def running(device: Any, kind: str) -> Any:
    """The processes of this kind, by the newest call that the driver has."""
    calls = [getattr(nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}") for version in ("_v3", "_v2")]
    return ask(*(lambda call=call: call(device) for call in calls))


def text(answer: Any) -> Any:
    """nvidia-ml-py forgets to decode some texts."""
    return answer.decode() if isinstance(answer, bytes) else answer


def value_of(device: Any, field: int) -> Any:
    """A field's value, if it has one."""
    values = ask(lambda: nvml.nvmlDeviceGetFieldValues(device, [field]))
    return values[0].value.uiVal if values and values[0].nvmlReturn == 0 else None


def by_gpustat(gpus: dict[str, Any]) -> Iterator[tuple[int, str, Any, Any]]:
    """What gpustat shows, in its units."""
    import gpustat

    def watts(milliwatts: int | None) -> int | None:
        return None if milliwatts is None else milliwatts // 1000

    def mebibytes(count: int | None) -> int | None:
        return None if count is None else count // 2**20

    for shown in gpustat.new_query():
        entry = shown.entry
        if entry["uuid"] not in gpus:  # a GPU that is lost: gpustat calls it `?`
            continue
        gpu, sample = gpus[entry["uuid"]].gpu, gpus[entry["uuid"]].sample
        values = {
            "name": gpu.name,
            "temperature.gpu": sample.temperature,
            "utilization.gpu": attribute(sample, "utilization.gpu"),
            "utilization.enc": sample.encoder,
            "utilization.dec": sample.decoder,
            "power.draw": watts(sample.power),
            "enforced.power.limit": watts(sample.power_limit),
            "memory.used": mebibytes(attribute(sample, "memory.used")),
            "memory.total": mebibytes(attribute(sample, "memory.total")),
        }
        for name, ours in values.items():
            yield gpu.index, name, ours, entry[name]


def by_nvitop(gpus: dict[str, Any]) -> Iterator[tuple[int, str, Any, Any]]:
    """What a snapshot of nvitop holds."""
    import nvitop

    for device in nvitop.Device.all():
        if device.uuid() not in gpus:
            continue
        gpu, sample = gpus[device.uuid()].gpu, gpus[device.uuid()].sample
        shown = device.as_snapshot()
        values = {
            "name": gpu.name,
            "memory_total": attribute(sample, "memory.total"),
            "memory_used": attribute(sample, "memory.used"),
            "memory_free": attribute(sample, "memory.free"),
            "gpu_utilization": attribute(sample, "utilization.gpu"),
            "memory_utilization": attribute(sample, "utilization.memory"),
            "encoder_utilization": sample.encoder,
            "decoder_utilization": sample.decoder,
            "temperature": sample.temperature,
            "power_usage": sample.power,
        }
        for name, ours in values.items():
            theirs = getattr(shown, name)
            yield gpu.index, name, ours, None if theirs == nvitop.NA else theirs
        for name, path in (("sm", "clocks.sm"), ("graphics", "clocks.graphics"), ("memory", "clocks.memory")):
            theirs = getattr(device.clock_infos(), name)
            yield gpu.index, f"clock {name}", attribute(sample, path), None if theirs == nvitop.NA else theirs


def by_pynvml(gpus: dict[str, Any]) -> Iterator[tuple[int, str, Any, Any]]:
    """Every value of every GPU."""
    nvml.nvmlInit()
    for state in gpus.values():
        for name, ours, theirs in by_nvidia_ml_py(state.gpu, state.sample):
            yield state.gpu.index, name, ours, theirs


CLIENTS = {"nvidia-ml-py": by_pynvml, "gpustat": by_gpustat, "nvitop": by_nvitop}


def main() -> None:
    """Compares on every GPU that answers."""
    node = nacp.discover()  # kept: the library's made-up processes live as long as somebody uses it
    gpus = {state.gpu.id: state for state in node.snapshot().gpus}
    compared, mismatches = 0, []
    for index, name, ours, theirs in CLIENTS[sys.argv[1]](gpus):
        compared += 1
        if ours != theirs:
            mismatches.append([index, name, repr(ours), repr(theirs)])
    print(json.dumps({"compared": compared, "mismatches": mismatches}))


if __name__ == "__main__":
    main()
