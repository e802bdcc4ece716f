"""nvidia-ml-py: NVIDIA's own view of the same devices."""

from __future__ import annotations

import importlib
from typing import Any

from client import Absent


def devices() -> dict[str, tuple[str, int]]:
    """Name and memory in bytes of every GPU and every partition, by UUID."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except Exception as error:  # whatever a foreign package fails with, it is not there
        raise Absent(f"no nvidia-ml-py: {error}") from error
    try:
        found = {}
        for index in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(index)
            for handle in [gpu, *_partitions(nvml, gpu)]:
                name, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
                found[_text(uuid)] = (_text(name), int(nvml.nvmlDeviceGetMemoryInfo(handle).total))
        return found
    finally:
        nvml.nvmlShutdown()


def _partitions(nvml: Any, gpu: Any) -> list[Any]:
    handles = []
    try:
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
            handles.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index))
    except nvml.NVMLError:
        pass  # no more, or none at all
    return handles


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
