"""The Python peers of `benches/run telemetry`: reads the same twelve values of each GPU, again and again.

Usage: peers.py PEER TICKS. Prints one JSON object with the quantiles of a tick in microseconds.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from unittest import mock

Tick = Callable[[], object]
FIELDS = "utilization,power,memory,temperature,clocks,power_limit,performance,encoder,decoder,energy"


def nvidia_ml_py() -> Tick:
    """The twelve calls through NVIDIA's own package."""
    import pynvml as nvml

    nvml.nvmlInit()
    gpus = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]

    def tick() -> object:
        return [
            (
                nvml.nvmlDeviceGetUtilizationRates(gpu),
                nvml.nvmlDeviceGetPowerUsage(gpu),
                nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2),
                nvml.nvmlDeviceGetTemperatureV(gpu, nvml.NVML_TEMPERATURE_GPU),
                nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_GRAPHICS),
                nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
                nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
                nvml.nvmlDeviceGetEnforcedPowerLimit(gpu),
                nvml.nvmlDeviceGetPerformanceState(gpu),
                nvml.nvmlDeviceGetEncoderUtilization(gpu),
                nvml.nvmlDeviceGetDecoderUtilization(gpu),
                nvml.nvmlDeviceGetTotalEnergyConsumption(gpu),
            )
            for gpu in gpus
        ]

    return tick


def gpustat() -> Tick:
    """As shipped: it also asks for processes, and sleeps 0.1 s for each GPU."""
    import gpustat

    return gpustat.new_query


def gpustat_without_sleep() -> Tick:
    """As shipped but for the sleep."""
    import gpustat

    def tick() -> object:
        with mock.patch("time.sleep", lambda _: None):
            return gpustat.new_query()

    return tick


def nvitop() -> Tick:
    """As shipped: the devices made anew, so that nothing is cached, and a snapshot of each."""
    from nvitop import Device

    def tick() -> object:
        return [device.as_snapshot() for device in Device.all()]

    return tick


def nacp() -> Tick:
    """NACP's own Python door: the twelve values of each GPU as numbers."""
    import nacp

    return nacp.discover().sampler(FIELDS).read


PEERS = {
    "nvidia-ml-py": nvidia_ml_py,
    "gpustat": gpustat,
    "gpustat-no-sleep": gpustat_without_sleep,
    "nvitop": nvitop,
    "nacp": nacp,
}


def main() -> None:
    """Measures one peer."""
    name, ticks = sys.argv[1], int(sys.argv[2])
    with contextlib.redirect_stdout(sys.stderr):
        start = time.perf_counter()
        tick = PEERS[name]()
        tick()
        first = time.perf_counter() - start
        times = []
        for _ in range(ticks):
            start = time.perf_counter()
            tick()
            times.append(time.perf_counter() - start)
    times.sort()

    def quantile(share: float) -> float:
        return times[min(len(times) - 1, int(share * len(times)))] * 1e6 if times else 0.0

    print(json.dumps({"p50_us": quantile(0.5), "p99_us": quantile(0.99), "first_ms": first * 1e3}))


if __name__ == "__main__":
    main()
