"""The text of `nacp metrics --listen`, read by the parser of prometheus_client and held to the rules of Prometheus.

    cargo build -p nacp-cli
    NACP_PROGRAM=target/debug/nacp python -m pytest tests/python/test_exposition.py

The lists here are written from dcgm-exporter's documentation and not from NACP's table.
"""

from __future__ import annotations

import json
import math
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

NODES = sorted((Path(__file__).resolve().parents[2] / "nacp-core" / "nodes").glob("*.json"))

# What dcgm-exporter has without being asked: the name after `DCGM_FI_`, the type, and the reading of NACP behind it.
DEFAULT = {
    "DEV_SM_CLOCK": ("gauge", "clocks"),
    "DEV_MEM_CLOCK": ("gauge", "clocks"),
    "DEV_MEMORY_TEMP": ("gauge", "memory_temperature"),
    "DEV_GPU_TEMP": ("gauge", "temperature"),
    "DEV_POWER_USAGE": ("gauge", "power"),
    "DEV_TOTAL_ENERGY_CONSUMPTION": ("counter", "energy"),
    "DEV_PCIE_REPLAY_COUNTER": ("counter", "pcie_replays"),
    "DEV_GPU_UTIL": ("gauge", "utilization"),
    "DEV_MEM_COPY_UTIL": ("gauge", "utilization"),
    "DEV_ENC_UTIL": ("gauge", "encoder"),
    "DEV_DEC_UTIL": ("gauge", "decoder"),
    "DEV_XID_ERRORS": ("gauge", None),
    "DEV_FB_FREE": ("gauge", "memory"),
    "DEV_FB_USED": ("gauge", "memory"),
    "DEV_FB_RESERVED": ("gauge", "memory"),
    "DEV_NVLINK_BANDWIDTH_TOTAL": ("counter", None),
    "DEV_VGPU_LICENSE_STATUS": ("gauge", None),
    "DEV_UNCORRECTABLE_REMAPPED_ROWS": ("counter", "rows"),
    "DEV_CORRECTABLE_REMAPPED_ROWS": ("counter", "rows"),
    "DEV_ROW_REMAP_FAILURE": ("gauge", "rows"),
    "PROF_GR_ENGINE_ACTIVE": ("gauge", "profile"),
    "PROF_PIPE_TENSOR_ACTIVE": ("gauge", "profile"),
    "PROF_DRAM_ACTIVE": ("gauge", "profile"),
    "PROF_PCIE_TX_BYTES": ("gauge", "profile"),
    "PROF_PCIE_RX_BYTES": ("gauge", "profile"),
}
# What it has when its list of counters is extended.
OPTIONAL = {
    "DEV_POWER_VIOLATION": ("counter", "slowdown.power"),
    "DEV_THERMAL_VIOLATION": ("counter", "slowdown.thermal"),
    "DEV_SYNC_BOOST_VIOLATION": ("counter", "slowdown.sync_boost"),
    "DEV_BOARD_LIMIT_VIOLATION": ("counter", "slowdown.board"),
    "DEV_LOW_UTIL_VIOLATION": ("counter", "slowdown.low_utilization"),
    "DEV_RELIABILITY_VIOLATION": ("counter", "slowdown.reliability"),
    "DEV_ECC_SBE_VOL_TOTAL": ("counter", "ecc"),
    "DEV_ECC_DBE_VOL_TOTAL": ("counter", "ecc"),
    "DEV_ECC_SBE_AGG_TOTAL": ("counter", "ecc"),
    "DEV_ECC_DBE_AGG_TOTAL": ("counter", "ecc"),
    "DEV_RETIRED_SBE": ("counter", "retired_pages"),
    "DEV_RETIRED_DBE": ("counter", "retired_pages"),
    "DEV_RETIRED_PENDING": ("counter", "retired_pages"),
    "DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": ("counter", "nvlink.crc_flit"),
    "DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": ("counter", "nvlink.crc_data"),
    "DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": ("counter", "nvlink.replays"),
    "DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": ("counter", "nvlink.recoveries"),
    "PROF_SM_ACTIVE": ("gauge", "profile"),
    "PROF_SM_OCCUPANCY": ("gauge", "profile"),
    "PROF_PIPE_FP64_ACTIVE": ("gauge", "profile"),
    "PROF_PIPE_FP32_ACTIVE": ("gauge", "profile"),
    "PROF_PIPE_FP16_ACTIVE": ("gauge", "profile"),
}
DCGM = {f"DCGM_FI_{name}": row for name, row in (DEFAULT | OPTIONAL).items()}

# The labels of a line of dcgm-exporter, in its order; those of a GPU instance stand only at its lines.
LABELS = ["gpu", "UUID", "pci_bus_id", "device", "modelName", "GPU_I_PROFILE", "GPU_I_ID", "hostname"]
LABELS += ["DCGM_FI_DRIVER_VERSION", "container", "err_code", "err_msg", "namespace", "pod", "simulated"]
ALWAYS = {"gpu", "UUID", "pci_bus_id", "device", "modelName", "hostname", "DCGM_FI_DRIVER_VERSION", "simulated"}

LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def scrape(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
        assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return str(reply.read().decode())


@pytest.fixture(params=NODES, ids=lambda path: path.stem)
def node(request: pytest.FixtureRequest) -> Path:
    """Each node file that comes with NACP."""
    return Path(request.param)


@pytest.fixture
def text(exporter: Callable[..., Any], node: Path) -> str:
    """The text of a second scrape."""
    url = exporter(f"--node=simulated:{node}", "--hostname=server-7").url
    scrape(url)
    return scrape(url)


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The lines, each with the name that is written there."""
    for line in text.splitlines():
        if not line.startswith("#"):
            found = LINE.fullmatch(line)
            assert found, f"no line of Prometheus: {line}"
            yield found[1], dict(LABEL.findall(found[2] or "")), float(found[3])


def types(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE))


def test_the_parser_reads_every_line_with_the_type_that_was_written(text: str) -> None:
    written = types(text)
    read: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives the names of OpenMetrics to counters.
            plain = sample.name.removesuffix("_total")
            name = sample.name if sample.name in written else plain
            assert written[name] == family.type, sample.name
            read[name] += 1
    assert read == Counter(name for name, _, _ in samples(text))


def test_help_and_type_come_once_and_stand_before_the_lines_of_their_family(text: str) -> None:
    assert text.endswith("\n") and "\n\n" not in text and "# EOF" not in text
    seen: list[tuple[str, str]] = []
    for line in text.splitlines():
        found = re.fullmatch(r"# (HELP|TYPE) (\S+) (.+)", line)
        step = (found[2], found[1]) if found else (line.partition("{")[0], "line")
        if not seen or seen[-1] != step:
            seen.append(step)
    assert len(seen) % 3 == 0 and len(seen) > 20
    for at in range(0, len(seen), 3):
        name = seen[at][0]
        assert seen[at : at + 3] == [(name, "HELP"), (name, "TYPE"), (name, "line")]
    names = [name for name, _ in seen[::3]]
    assert len(names) == len(set(names)), "a family is told twice"


def test_no_line_comes_twice_and_no_value_is_nan(text: str) -> None:
    lines = [(name, *sorted(labels.items())) for name, labels, _ in samples(text)]
    assert len(lines) == len(set(lines))
    assert all(math.isfinite(value) and value >= 0 for _, _, value in samples(text))


def test_names_and_types_are_those_of_dcgm_exporter(text: str) -> None:
    for name, kind in types(text).items():
        if name.startswith("DCGM_"):
            assert DCGM[name][0] == kind, name
        else:
            assert re.fullmatch(r"nacp_[a-z0-9_]+", name), name
            assert name.endswith("_total") == (kind == "counter"), name


def test_a_server_has_what_dcgm_exporter_has_by_default(exporter: Callable[..., Any]) -> None:
    url = exporter("--node=simulated:h100x8", "--every=0.05").url
    scrape(url)
    time.sleep(0.5)  # until another reading: a bandwidth needs two
    missing = {f"DCGM_FI_{name}" for name in DEFAULT} - types(scrape(url)).keys()
    # A node file that does not say whether the machine is a virtual one leaves the licence unknown.
    assert missing <= {"DCGM_FI_DEV_VGPU_LICENSE_STATUS"}


def test_each_gpu_has_its_line_or_its_reading_is_counted_as_unknown(text: str, node: Path) -> None:
    # The driver lists no GPU that is off the bus.
    gpus = {labels["UUID"] for name, labels, _ in samples(text) if name == "nacp_gpu_verdict"}
    assert gpus and gpus <= {gpu["uuid"] for gpu in json.loads(node.read_text())["gpus"]}
    unknown: Counter[str] = Counter()
    told: dict[str, set[str]] = {}
    partitioned = set()
    for name, labels, value in samples(text):
        if name == "nacp_gpu_unknown":
            unknown[labels["reading"]] += int(value)
        if "GPU_I_ID" in labels:
            partitioned.add(labels["UUID"])
        told.setdefault(name, set()).add(labels.get("UUID", ""))
    for name, (_, reading) in DCGM.items():
        if reading is not None and not (reading == "memory" and partitioned):
            whole = reading.partition(".")[0]
            missing = unknown[reading] + (unknown[whole] if whole != reading else 0)
            assert len(told.get(name, set())) == len(gpus) - missing, f"{name}: {missing} unknown"
            assert told.get(name, set()) <= gpus


def test_labels_are_those_of_dcgm_exporter_in_their_order(text: str) -> None:
    for name, labels, _ in samples(text):
        if name.startswith("DCGM_"):
            assert list(labels) == [label for label in LABELS if label in labels], name
            assert set(labels) >= ALWAYS, name
            assert labels["device"] == f"nvidia{labels['gpu']}" and labels["hostname"] == "server-7"
        assert labels["simulated"] == "true", name


@pytest.mark.parametrize("label", ["hostname", "Hostname", "both", "none"])
def test_the_name_of_the_machine_stands_where_the_dashboards_of_its_time_look(
    exporter: Callable[..., Any], label: str
) -> None:
    url = exporter("--node=simulated:h100x8", "--hostname=server-7", f"--hostname-label={label}").url
    expected = {"both": {"hostname", "Hostname"}, "none": set()}.get(label, {label})
    for name, labels, _ in samples(scrape(url)):
        if name.startswith("DCGM_"):
            found = {key for key in labels if key.lower() == "hostname"}
            assert found == expected and all(labels[key] == "server-7" for key in found)


def test_a_name_with_quotes_and_backslashes_and_ends_of_lines_comes_through(
    exporter: Callable[..., Any], tmp_path: Path
) -> None:
    odd = 'a "GPU" of C:\\new\nand {more}, x="1"'
    file = json.loads(NODES[0].read_text())
    file["gpus"][0]["name"] = odd
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(file))
    text = scrape(exporter(f"--node=simulated:{path}").url)
    [found] = {
        sample.labels["modelName"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "DCGM_FI_DEV_GPU_TEMP" and sample.labels["gpu"] == "0"
    }
    assert found == odd
    assert sum(name == "DCGM_FI_DEV_GPU_TEMP" for name, _, _ in samples(text)) == len(file["gpus"])
