"""Nodes, snapshots and how they look."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest

import nacp
from nacp import _decode, _node

LAPTOP = "GPU-3050a701-0000-4000-8000-000000000001"


def test_a_simulated_node_says_so_everywhere(node: nacp.Node) -> None:
    assert node.simulated and node.origin.simulated and node.snapshot().origin.simulated
    assert node.to_dict()["origin"]["simulated"] is True
    assert "simulated node rtx3050ti-laptop-wsl2" in repr(node)
    assert "simulated node rtx3050ti-laptop-wsl2" in (node._repr_html_() or "")


def test_gpus_have_real_attributes(node: nacp.Node) -> None:
    [gpu] = node.gpus
    assert (gpu.id, gpu.index, gpu.name) == (LAPTOP, 0, "NVIDIA GeForce RTX 3050 Ti Laptop GPU")
    assert (gpu.compute, gpu.memory, gpu.pci) == ("8.6", 4 << 30, "00000000:01:00.0")
    assert not {"compute", "memory", "pci"} & gpu.unknown.keys()
    assert node.gpu(LAPTOP) == gpu
    assert (node.driver, node.origin.cuda) == ("591.44", "13.1")


def test_a_sample_has_values_or_reasons_never_zero_for_unknown(node: nacp.Node) -> None:
    [state] = node.snapshot().gpus
    sample = state.sample
    assert sample.memory == nacp.MemoryUse(total=4 << 30, used=412 << 20, free=3587 << 20, reserved=97 << 20)
    assert sample.utilization == nacp.Utilization(gpu=7, memory=3)
    assert sample.clocks == nacp.Clocks(graphics=1035, sm=1035, memory=6001)
    assert (sample.temperature, sample.power) == (51, 11200)
    assert sample.power_limit is None
    assert sample.unknown["power_limit"] == "not supported"
    assert {name for name, value in sample.to_dict().items() if value is None} == sample.unknown.keys()
    assert sample.processes is not None
    [process] = sample.processes
    assert (process.memory, process.unknown["memory"]) == (None, "not available")


def test_a_machine_of_your_own_begins_with_a_file(tmp_path: Path) -> None:
    file = nacp.node_file("h100x8")
    file["name"], file["gpus"] = "half", file["gpus"][:4]
    path = tmp_path / "half.json"
    path.write_text(json.dumps(file))
    for node in (nacp.simulated_node(file), nacp.simulated_node(path)):
        assert (node.origin.name, len(node.gpus), node.simulated) == ("half", 4, True)
    assert node.gpus == nacp.simulated_node("h100x8").gpus[:4]
    with pytest.raises(nacp.InvalidArgument, match="not a node file"):
        nacp.simulated_node({"name": "nothing"})
    with pytest.raises(FileNotFoundError):
        nacp.simulated_node(tmp_path / "absent.json")


def test_a_snapshot_knows_when_it_was_read(node: nacp.Node) -> None:
    before = datetime.now(timezone.utc)
    at = node.snapshot().at
    assert before - timedelta(milliseconds=1) <= at <= datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-23T12:00:01Z", 0),
        ("2026-11-23T12:00:01.5Z", 500_000),
        ("2026-11-23T12:00:01.000000999Z", 0),
        ("2026-11-23T12:00:01.123456789Z", 123_456),
    ],
)
def test_times_of_any_precision_are_read(text: str, microsecond: int) -> None:
    expected = datetime(2026, 11, 23, 12, 0, 1, microsecond, tzinfo=timezone.utc)
    assert _decode.decode(datetime, text) == expected


def test_metrics_have_the_names_that_dashboards_know(node: nacp.Node) -> None:
    [line] = [line for line in node.metrics().splitlines() if line.startswith("DCGM_FI_DEV_GPU_TEMP{")]
    assert f'UUID="{LAPTOP}"' in line and float(line.rpartition(" ")[2]) == 51


def test_a_gpu_that_is_not_there_names_those_that_are(node: nacp.Node) -> None:
    other = "GPU-00000000-0000-4000-8000-000000000001"
    with pytest.raises(LookupError) as caught:
        node.gpu(other)
    assert str(caught.value) == f"no such GPU on this node: id={other} known={LAPTOP}"
    with pytest.raises(nacp.InvalidArgument):
        node.gpu("0")


def test_data_cannot_be_changed_and_can_be_copied(node: nacp.Node) -> None:
    snapshot = node.snapshot()
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.gpus[0].gpu.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(snapshot)) == snapshot == copy.deepcopy(snapshot)
    assert hash(snapshot.gpus[0]) == hash(copy.deepcopy(snapshot.gpus[0]))
    assert snapshot.to_dict()["gpus"][0]["sample"]["unknown"]["power_limit"] == "not supported"


class Table(HTMLParser):
    """The cells of a table, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.styles: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        assert {name for name, _ in attrs} <= {"style", "colspan"}
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def test_a_notebook_shows_a_table_with_a_bar_and_no_script() -> None:
    table = Table(nacp.simulated_node("h100x8")._repr_html_() or "")
    assert set(table.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "span"}
    assert table.tags.count("tr") == 9
    assert "62 GiB of 79.64 GiB" in table.cells
    assert any("width:77.8%" in style for style in table.styles), "the bar shows 62 of 79.64"
    colours = [style for style in table.styles if "color:" in style and "background:#" not in style]
    assert all("color:inherit" in style or "currentColor" in style for style in colours), "the reader's own colours"


def test_every_cell_of_the_table_is_escaped(node: nacp.Node) -> None:
    [state] = node.snapshot().gpus
    evil = "<script>alert('&')</script>"
    gpu = dataclasses.replace(state.gpu, name=evil, compute=None, unknown={"compute": evil})
    sample = dataclasses.replace(state.sample, memory=None, unknown={"memory": evil})
    origin = nacp.Origin(simulated=False, name=evil, driver=evil, cuda=evil)
    snapshot = nacp.Snapshot(
        at=datetime.now(timezone.utc), origin=origin, gpus=(nacp.GpuState(gpu=gpu, sample=sample),)
    )
    html = snapshot._repr_html_()
    assert "script" not in Table(html).tags
    assert html.count("&lt;script&gt;") == 6
    assert f"unknown ({evil})" in Table(html).cells
    assert f"unknown ({evil})" in repr(snapshot)


def test_text_and_table_are_of_one_snapshot(node: nacp.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[nacp.Snapshot] = []
    take = _node.Node.snapshot

    def counted(self: nacp.Node) -> nacp.Snapshot:
        taken.append(take(self))
        return taken[-1]

    monkeypatch.setattr(_node.Node, "snapshot", counted)
    shown = node._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html"}
    assert [repr(one) for one in taken] == [shown["text/plain"]]
    assert taken[0]._repr_html_() == shown["text/html"]


def test_a_node_that_cannot_be_read_still_has_a_text(node: nacp.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: nacp.Node) -> nacp.Snapshot:
        raise nacp.DriverUnavailable("the driver is gone")

    monkeypatch.setattr(_node.Node, "snapshot", fail)
    text = "<Node of rtx3050ti-laptop-wsl2, not readable: the driver is gone>"
    assert repr(node) == text
    assert node._repr_mimebundle_() == {"text/plain": text}
    assert node._repr_html_() is None


def test_a_node_without_gpus_says_so(node: nacp.Node) -> None:
    empty = dataclasses.replace(node.snapshot(), gpus=())
    assert repr(empty).endswith("\nno GPU")
    assert "no GPU" in Table(empty._repr_html_()).cells


def test_where_we_run_has_evidence() -> None:
    host = nacp.detect()
    assert host.os == "linux" and host.kernel and host.kernel in str(host)
    assert host.layers and all(layer.evidence for layer in host.layers)
    for layer in host.layers:
        assert layer.confidence in str(layer) and layer.evidence[0].source in layer.text
    assert host.gpu.kind in host.to_dict()["gpu"]["kind"]


def test_a_node_file_may_be_named_by_text_that_looks_like_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(nacp.node_file("h100x8")))
    assert len(nacp.simulated_node(str(path)).gpus) == 8
    for absent in ("absent.json", "absent/h100x8"):
        with pytest.raises(FileNotFoundError):
            nacp.simulated_node(absent)


def test_a_gpu_is_no_position(node: nacp.Node) -> None:
    assert node.gpu(node.gpus[0]) == node.gpu(node.gpus[0].id) == node.gpus[0]
    with pytest.raises(nacp.InvalidArgument, match=r"parameter=id value=0; use node.gpus\[0\].id"):
        node.gpu(0)  # type: ignore[arg-type]
