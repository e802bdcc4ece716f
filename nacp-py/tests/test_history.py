"""The history as a table: columns, data frames, Arrow, charts."""

from __future__ import annotations

import re
import sys
import time
import xml.etree.ElementTree
from datetime import datetime, timezone
from types import SimpleNamespace

import numpy
import pandas
import pyarrow
import pytest

import nacp
from nacp import _chart, _history

GPUS = [gpu.id for gpu in nacp.simulated_node("h100x8").gpus]


@pytest.fixture(scope="module")
def history() -> nacp.History:
    """Some ticks of eight GPUs, of which each third has a temperature."""
    with nacp.simulated_node("h100x8").telemetry(fast=0.02, medium=0.06, slow=0.12, history=60) as live:
        end = time.monotonic() + 20
        while live.status().ticks < 16 and time.monotonic() < end:
            time.sleep(0.005)
        return live.history("power, temperature, fan")


def test_the_columns_are_lists_of_one_length(history: nacp.History) -> None:
    table = history.to_dict()
    assert list(table) == history.columns == ["at", "gpu", "power", "temperature", "fan"]
    assert {len(column) for column in table.values()} == {len(history)}
    assert len(history) % 8 == 0 and len(history) >= 96
    assert table["gpu"][:8] == GPUS == history.gpus
    assert table["at"] == sorted(table["at"]) and table["at"][0].tzinfo is timezone.utc
    sample = nacp.simulated_node("h100x8").snapshot().gpus[1].sample
    assert sample.power is not None and table["power"][1::8] == [sample.power / 1000] * (len(history) // 8)


def test_what_was_not_read_at_a_tick_is_null_everywhere(history: nacp.History) -> None:
    known = [value is not None for value in history["temperature"]]
    assert True in known and False in known, "a medium number is not read at each fast tick"
    assert history.to_pandas()["temperature"].notna().tolist() == known
    assert history.to_arrow()["temperature"].is_valid().to_pylist() == known
    assert 0.0 not in history["temperature"]


def test_arrow_has_types_units_and_real_nulls(history: nacp.History) -> None:
    table = pyarrow.table(history)
    table.validate(full=True)
    assert table.schema.field("at").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("gpu").type == pyarrow.dictionary(pyarrow.uint32(), pyarrow.string())
    assert table.schema.field("power").metadata == {b"unit": b"W"}
    assert not table.schema.field("at").nullable and table.schema.field("power").nullable
    assert table.to_pydict() == history.to_dict()
    assert table["fan"].null_count == history["fan"].count(None)


def test_an_arrow_stream_that_nobody_takes_is_given_back(history: nacp.History) -> None:
    for _ in range(50):
        assert "arrow_array_stream" in repr(history.__arrow_c_stream__())


def test_pandas_has_the_same_values_and_may_change_them(history: nacp.History) -> None:
    frame = history.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == history.columns
    assert [at.to_pydatetime() for at in frame["at"]] == history.times
    assert frame["gpu"].tolist() == history["gpu"]
    assert numpy.nansum(frame["power"]) == pytest.approx(sum(history["power"]))
    frame.loc[0, "power"] = 1.0
    assert history["power"][0] != 1.0


def test_a_part_of_the_history_is_of_the_gpus_and_the_time_that_were_asked_for() -> None:
    with nacp.simulated_node("h100x8").telemetry(fast=0.02, medium=None, slow=None, history=60) as live:
        live.latest()
        time.sleep(0.8)
        live.close()
        whole, part = live.history(), live.history("power", gpus=GPUS[6:0:-3], last=0.4)
    assert whole.metrics == ["gpu_utilization", "memory_utilization", "power"]
    assert part.gpus == GPUS[6:0:-3] and set(part["gpu"]) == set(part.gpus)
    assert part.times[-1] == whole.times[-1]
    span = (part.times[-1] - part.times[0]).total_seconds()
    assert 0 < span < 0.4 < (whole.times[-1] - whole.times[0]).total_seconds()
    by_gpu = dict(zip(whole["gpu"], whole["power"], strict=True))
    assert all(value == by_gpu[gpu] for gpu, value in zip(part["gpu"], part["power"], strict=True))
    with pytest.raises(nacp.NotFound, match="no such GPU is read"):
        live.history(gpus=["GPU-00000000-0000-4000-8000-00000000dead"])
    with pytest.raises(nacp.NotFound, match="no such column in this history"):
        part["temperature"]


def test_a_notebook_shows_lines_without_a_script(history: nacp.History) -> None:
    html = history._repr_html_()
    assert html.count("<svg") == 8 * 2, "power and temperature are known, what is not known is not shown"
    assert "<script" not in html and "href" not in html
    assert "69.5 W" in html and "currentColor" in html
    xml.etree.ElementTree.fromstring(html)
    assert re.search(r"<simulated node h100x8, .*: history of 8 GPUs, 3 numbers, \d+ rows, .* UTC", repr(history))
    assert 'pre-line">simulated node h100x8' in html


def test_the_last_value_is_one_that_was_read_and_no_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_history, "POINTS", 1)  # the outline is then one point, the mean of all
    file = nacp.node_file("rtx3050ti-laptop-wsl2")
    file["script"] = [{"tick": tick, "gpu": 0, "set": {"temperature": 20 + tick % 60}} for tick in range(1000)]
    with nacp.simulated_node(file).telemetry(fast=None, medium=0.02, slow=None, history=60) as live:
        live.latest()
        time.sleep(0.5)
        live.close()
        history = live.history("temperature")
    values = [value for value in history["temperature"] if value is not None]
    assert len(values) > 5 and values[-1] > values[0]
    assert f"{values[-1]:.4g} C<" in history._repr_html_().replace("°", "")


def test_a_line_begins_at_zero_and_percent_ends_at_a_hundred() -> None:
    def heights(svg: str) -> list[float]:
        return [float(at) for at in re.findall(r",([0-9.]+)", re.findall(r'points="([^"]*)"', svg)[0])]

    low, high = heights(_chart.sparkline([(0, 50.0), (1, 100.0)], 2, "power"))
    bottom, top = _chart.HEIGHT - _chart.MARGIN, _chart.MARGIN
    assert (low, high) == (pytest.approx((bottom + top) / 2), top), "50 is half of 100, not the bottom"
    [half, _] = heights(_chart.sparkline([(0, 50.0), (1, 50.0)], 2, "gpu_utilization", 100.0))
    assert half == pytest.approx((bottom + top) / 2)


def test_a_line_breaks_where_nothing_is_known_and_a_lone_point_is_seen() -> None:
    line = [(at, float(at % 7)) for at in range(0, 60) if not 20 <= at < 30]
    assert _chart.sparkline(line, 60, "x").count("<polyline") == 2
    assert re.search(r'<polyline points="([\d.]+,[\d.]+) \1"', _chart.sparkline([(3, 5.0)], 60, "x"))
    assert _chart.sparkline([], 60, "x").count("<polyline") == 0
    assert "&lt;script&gt;" in _chart.sparkline([], 1, "<script>")
    for x, y in re.findall(r"([\d.-]+),([\d.-]+)", _chart.sparkline(line, 60, "x").split('points="')[1].split('"')[0]):
        assert 0 <= float(x) <= _chart.WIDTH and 0 <= float(y) <= _chart.HEIGHT


def test_polars_is_given_the_arrow_stream(history: nacp.History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", SimpleNamespace(DataFrame=pyarrow.table))
    assert history.to_polars() == pyarrow.table(history)


class Axis:
    """What matplotlib would have drawn."""

    def __init__(self) -> None:
        self.lines: dict[str, list[float]] = {}
        self.label = ""

    def plot(self, times: list[datetime], values: list[float], label: str) -> None:
        assert len(times) == len(values) and times == sorted(times)
        self.lines[label] = values

    def set_ylabel(self, label: str) -> None:
        self.label = label

    def legend(self, **options: object) -> None:
        assert self.lines


def test_a_plot_has_a_chart_for_each_number_and_a_line_for_each_gpu(
    history: nacp.History, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = numpy.array([[Axis()], [Axis()]])
    figure = SimpleNamespace(autofmt_xdate=lambda: None)
    closed: list[object] = []
    pyplot = SimpleNamespace(subplots=lambda *shape, **options: (figure, axes), close=closed.append)
    monkeypatch.setitem(sys.modules, "matplotlib", SimpleNamespace(pyplot=pyplot))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    assert history.plot() is figure and closed == [figure]
    power, temperature = axes[:, 0]
    assert (power.label, temperature.label) == ("power [W]", "temperature [°C]")
    assert list(power.lines) == GPUS and set(power.lines[GPUS[0]]) == {69.5}
    assert 0 < len(temperature.lines[GPUS[0]]) < len(power.lines[GPUS[0]]), "what is not known is not drawn"


@pytest.mark.parametrize("name", ["pandas", "polars", "pyarrow", "matplotlib"])
def test_a_package_that_is_absent_is_named(history: nacp.History, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    call = {"matplotlib": history.plot, "pyarrow": history.to_arrow}.get(name) or getattr(history, f"to_{name}")
    with pytest.raises(ImportError, match=rf"needs {name}.*: pip install {name}"):
        call()
    assert history.to_dict()["power"][0]
