"""Metrics as Prometheus text."""

from __future__ import annotations

from pathlib import Path

import pytest

import nacp


def test_the_name_of_the_machine_stands_under_the_label_that_was_chosen(node: nacp.Node) -> None:
    def labels(text: str) -> str:
        return next(line for line in text.splitlines() if line.startswith("DCGM_FI_DEV_GPU_TEMP{"))

    assert "ostname=" not in labels(node.metrics())
    assert 'hostname="node7"' in labels(node.metrics("node7"))
    assert 'Hostname="node7"' in labels(node.metrics("node7", "Hostname"))
    both = labels(node.metrics("node7", label="both"))
    assert 'Hostname="node7"' in both and 'hostname="node7"' in both
    with pytest.raises(nacp.InvalidArgument, match="it is one of none, hostname, Hostname, both"):
        node.metrics("node7", "host")  # type: ignore[arg-type]


def test_every_number_has_a_name_a_unit_and_a_field() -> None:
    metrics = {metric.name: metric for metric in nacp.metrics()}
    assert metrics["power"] == nacp.Metric(name="power", unit="W", kind="gauge", field="power")
    assert metrics["energy"].kind == "counter" and metrics["memory_used"].field == "memory"


def test_health_and_processes_are_told_where_they_are_wanted(node: nacp.Node) -> None:
    assert "nacp_gpu_verdict" not in node.metrics() and 'command="' not in node.metrics()
    assert "nacp_gpu_verdict" in node.metrics(health=True)
    monitor = nacp.HealthMonitor(node)
    assert "nacp_gpu_verdict" not in node.metrics(health=monitor), "it has not looked yet"
    monitor.observe()
    assert "nacp_gpu_verdict" in node.metrics(health=monitor)
    assert "nacp_gpu_process_memory_bytes" not in node.metrics(processes=True), "its memory is not known"


def test_telemetry_tells_its_last_readings_and_how_it_fares(node: nacp.Node) -> None:
    monitor = nacp.HealthMonitor(node)
    monitor.observe()
    with node.telemetry() as live:
        text = live.prometheus("node7", health=monitor, processes=True)
    for name in ("nacp_telemetry_ticks_total", "DCGM_FI_DEV_GPU_TEMP", "nacp_gpu_verdict", 'hostname="node7"'):
        assert name in text


def test_nobody_is_looked_for_behind_a_made_up_process() -> None:
    file = nacp.node_file("t4")
    file["gpus"][0]["processes"] = [{"pid": 1, "kind": "compute", "memory": "1GiB"}]
    lines = [line for line in nacp.simulated_node(file).metrics(processes=True).splitlines() if 'pid="1"' in line]
    first = Path("/proc/1/comm").read_text().strip()
    assert lines and not any(f'command="{first}"' in line for line in lines), lines
