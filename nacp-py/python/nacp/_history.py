"""What was read over a time, as a table: for data frames, plots and notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from nacp import _chart, _nacp, _table
from nacp._display import source
from nacp._extra import package
from nacp._metric import metrics as all_metrics
from nacp._nacp import size
from nacp._types import Origin

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
POINTS = 80
# What a notebook shows, where it is known: the first of these.
SHOWN = ("gpu_utilization", "memory_used", "power", "temperature", "sm_clock", "fan", "pcie_sent", "nvlink_sent")
MOST = 5


class History:
    """The readings of a time, as a table: a row for each tick and GPU, by time; a column for each number.

    The columns are `at` (UTC), `gpu` (the id), and the numbers by the names of `nacp.metrics()`, in the units there. A
    number that was not read at a tick is as unknown in that row as one that the GPU does not tell: None, or null.

    It is an Arrow stream (`pyarrow.table(history)`, `polars.DataFrame(history)`), and shows itself in a notebook.

    >>> with nacp.simulated_node().telemetry() as live:
    ...     live.latest().origin.simulated
    ...     history = live.history(["power", "temperature"])
    True
    >>> history.columns
    ['at', 'gpu', 'power', 'temperature']
    >>> history.to_dict()["power"][0]
    11.2
    """

    __slots__ = ("_native", "origin")

    origin: Origin
    """What it was read from."""

    def __init__(self, native: _nacp.History, origin: Origin) -> None:
        self._native = native
        self.origin = origin

    @property
    def gpus(self) -> list[str]:
        """The ids of the GPUs."""
        return self._native.gpus

    @property
    def metrics(self) -> list[str]:
        """The names of the numbers."""
        return self._native.columns

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return ["at", "gpu", *self.metrics]

    def __len__(self) -> int:
        return len(self._native)

    @property
    def times(self) -> list[datetime]:
        """When each row was read, in UTC."""
        return [EPOCH + timedelta(microseconds=at) for at in memoryview(self._native.at()).cast("q")]

    def __getitem__(self, column: str) -> list[Any]:
        """The values of a column.

        Raises:
            NotFound: There is no such column, with those that there are.
        """
        if column == "at":
            return self.times
        if column == "gpu":
            gpus = self.gpus
            return [gpus[at] for at in memoryview(self._native.gpu()).cast("I")]
        return list(self._native.values(column))

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns by name, as lists; what is not known is None."""
        return {column: self[column] for column in self.columns}

    def to_arrow(self) -> Any:
        """The same as a `pyarrow.Table`; what is not known is null, and each field's metadata has its unit.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return package("pyarrow", "History.to_arrow").table(self)

    def to_polars(self) -> Any:
        """The same as a `polars.DataFrame`; what is not known is null, `gpu` is categorical.

        Raises:
            ImportError: polars is not installed.
        """
        return package("polars", "History.to_polars").DataFrame(self)

    def to_pandas(self) -> Any:
        """The same as a `pandas.DataFrame`; what is not known is NaN, pandas' own null, `gpu` is categorical.

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = package("pandas", "History.to_pandas")
        numpy = package("numpy", "History.to_pandas")
        native = self._native
        columns = {
            "at": pandas.to_datetime(numpy.frombuffer(native.at(), dtype="int64"), unit="us", utc=True),
            "gpu": pandas.Categorical.from_codes(
                numpy.frombuffer(native.gpu(), dtype="uint32").astype("int32"), categories=self.gpus
            ),
        }
        columns |= {name: numpy.frombuffer(native.raw(name), dtype="float64") for name in self.metrics}
        return pandas.DataFrame(columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule interface: whatever schema is wished for, the own one is given, as it allows."""
        return self._native.arrow()

    def plot(self, metrics: Iterable[str] | None = None) -> Any:
        """A `matplotlib.figure.Figure`: below each other one chart for each number, with a line for each GPU.

        Args:
            metrics: Which numbers; None for those that a notebook shows.

        Raises:
            ImportError: matplotlib is not installed.
            NotFound: There is no such column, with those that there are.
        """
        pyplot = package("matplotlib.pyplot", "History.plot")
        names = self._shown() if metrics is None else list(metrics)
        units = {metric.name: metric.unit for metric in all_metrics()}
        times, gpus = self.times, memoryview(self._native.gpu()).cast("I")
        figure, axes = pyplot.subplots(
            max(1, len(names)), 1, sharex=True, squeeze=False, figsize=(9, 2.2 * max(1, len(names))), layout="tight"
        )
        for name, axis in zip(names, axes[:, 0], strict=False):
            values = self[name]
            for at, gpu in enumerate(self.gpus):
                rows = [row for row, of in enumerate(gpus) if of == at and values[row] is not None]
                axis.plot([times[row] for row in rows], [values[row] for row in rows], label=gpu)
            axis.set_ylabel(f"{name} [{units[name]}]" if units[name] else name)
        axes[0, 0].legend(fontsize="x-small")
        figure.autofmt_xdate()
        pyplot.close(figure)  # a notebook shows what a cell returns, and would show this twice
        return figure

    def _shown(self) -> list[str]:
        there = set(self.metrics)
        return [name for name in SHOWN if name in there and self._native.known(name)][:MOST]

    def _title(self) -> str:
        at = memoryview(self._native.at()).cast("q")
        counts = (_table.count(len(self.gpus), "GPU"), _table.count(len(self.metrics), "number"))
        kind = f"{source(self.origin)}: history of {', '.join(counts)}, {_table.count(len(self), 'row')}"
        if not len(at):
            return kind
        first, last = (EPOCH + timedelta(microseconds=at[end]) for end in (0, -1))
        return f"{kind}, {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC"

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def _repr_html_(self) -> str:
        """For each GPU a line of the numbers that say most, each with its last known value."""
        names = self._shown()
        units = {metric.name: metric.unit for metric in all_metrics()}
        rows = len(self) // max(1, len(self.gpus))
        lines = [[self._native.outline(name, at, POINTS) for name in names] for at in range(len(self.gpus))]

        def last(name: str, at: int) -> str:
            value = self._native.last(name, at)
            return "unknown" if value is None else _number(value, units[name])

        def draw(row: int, column: int) -> str:
            if column == 0 or not lines[row][column - 1]:
                return ""
            name = names[column - 1]
            return _chart.sparkline(lines[row][column - 1], rows, name, 100.0 if units[name] == "%" else None)

        cells = [(gpu, *(last(name, at) for name in names)) for at, gpu in enumerate(self.gpus)]
        return _table.html(self._title(), ("GPU", *names), cells, "no GPU", draw=draw)


def _number(value: float, unit: str) -> str:
    if unit == "B":
        return size(int(value))
    return f"{value:.4g} {unit}".rstrip()
