"""What the GPUs do: read at a steady pace, kept for a while, told to whoever wants to know."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from nacp import _nacp
from nacp._check import gpu_id
from nacp._decode import Record, decode
from nacp._event import Event, decode_event
from nacp._gpu import Gpu
from nacp._history import EPOCH, History
from nacp._record import LEVEL, Recording
from nacp._sample import Sample
from nacp._snapshot import Snapshot
from nacp._stream import Stream
from nacp._types import Origin
from nacp.exceptions import NacpError, Timeout

if TYPE_CHECKING:
    from nacp._health import HealthMonitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Record):
    """What one number of one GPU did over a time that ends with the last reading.

    Each reading counts the same. A figure is None where nothing was known, and never zero for it.
    """

    gpu: str
    """The id of the GPU."""
    metric: str
    """The name of the number."""
    unit: str
    """The unit of all figures here."""
    from_: datetime | None
    """When the first reading was made; None where there was none."""
    to: datetime | None
    """When the last one was made."""
    count: int
    """Readings with a value."""
    missing: int
    """Readings without one."""
    first: float | None
    """The first value."""
    last: float | None
    """The last value."""
    min: float | None
    """The smallest value."""
    max: float | None
    """The largest value."""
    mean: float | None
    """The mean of all values."""
    p50: float | None
    """The median: the smallest value that at least half of all do not exceed."""
    p99: float | None
    """The smallest value that at least 99 % of all do not exceed."""
    delta: float | None
    """For a counter: by how much it rose; at least, where it was reset."""
    rate: float | None
    """For a counter: the rise a second."""
    resets: int | None
    """For a counter: how often it fell."""

    @classmethod
    def _prepare(cls, data: dict[str, object]) -> dict[str, object]:
        return data | {"from_": data["from"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy(Record):
    """How much energy a GPU used."""

    gpu: str
    """The id of the GPU."""
    joules: float | None
    """Joules, from the first known reading of the time to the last."""
    seconds: float | None
    """The time between these two readings."""
    by: Literal["counter", "power"] | None
    """The GPU's own counter, which is exact, or its power, as if that changed evenly between two readings."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why it is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hears(Record):
    """What a wait for events hears. What nobody listens to is unknown, not absent."""

    driver: bool
    """What the driver tells through its library: Xids and all kinds but two."""
    kernel_log: bool
    """What the driver writes into the kernel's log: Xids, and what stands only there, `sxid` and `fell_off_bus`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryStatus(Record):
    """How telemetry fares."""

    ticks: int
    """Readings: each is one call of the driver for all GPUs."""
    missed: int
    """Readings that were passed over because the one before took too long, or the machine was too busy."""
    errors: int
    """Readings at which the driver did not answer."""
    error: str | None
    """Why it does not answer now; None while it does."""
    last: datetime | None
    """When the last reading was."""
    last_duration: float | None
    """How long it took, in seconds."""
    longest_duration: float | None
    """How long the longest took, in seconds."""
    events: Literal["on", "off", "not_offered", "failing"]
    """Whether it hears what happens to the GPUs."""
    hears: Hears
    """What it hears while it does."""
    events_error: str | None
    """Why it does not, where it should."""
    subscribers: int
    """How many subscribers there are."""
    lagged: int
    """How many updates they have lost because they were too slow."""


class Frame:
    """What all GPUs were doing at one reading. What is not looked at costs nothing."""

    __slots__ = ("_native", "_samples")

    def __init__(self, native: _nacp.Frame) -> None:
        self._native = native
        self._samples: tuple[Sample, ...] | None = None

    @property
    def at(self) -> datetime:
        """When it was read, in UTC."""
        return EPOCH + timedelta(microseconds=self._native.at)

    @property
    def tick(self) -> int:
        """Which reading it was, from 1."""
        return self._native.tick

    @property
    def fields(self) -> list[str]:
        """What was read; the other readings are the last ones before."""
        return self._native.fields

    @property
    def samples(self) -> tuple[Sample, ...]:
        """A sample for each GPU."""
        if self._samples is None:
            self._samples = decode(tuple[Sample, ...], json.loads(self._native.samples()))
        return self._samples

    def values(self, metric: str) -> list[float | None]:
        """A number of each GPU, in the order of `samples`, in the unit of `nacp.metrics()`; None where not known.

        Raises:
            InvalidArgument: There is no such number, with the nearest that there is.
        """
        return self._native.values(metric)

    def __repr__(self) -> str:
        return f"<Frame {self.tick} at {self.at:%H:%M:%S.%f}: {', '.join(self.fields)}>"


@dataclass(frozen=True, slots=True)
class Lagged:
    """Updates were lost before the next one, because the subscriber was too slow."""

    count: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The driver has begun to fail; its readings are unknown until it answers again."""

    error: NacpError
    """Why."""


Update = Frame | Event | Lagged | Failed


class Subscription(Stream[Update]):
    """Every reading and every event, from the moment when this was made. It comes from `Telemetry.subscribe()`.

    Iterate over it with `for` or `async for`, or ask it with `next`; it ends with the telemetry. Ctrl-C ends a wait, a
    coroutine that waits can be cancelled. Leaving its `with` block closes it.

    >>> with nacp.simulated_node().telemetry() as live, live.subscribe() as updates:
    ...     for update in updates:
    ...         match update:
    ...             case nacp.Frame():
    ...                 print(update.values("power"))
    ...                 break
    ...             case nacp.Lagged(count):
    ...                 print(f"{count} updates lost")
    [11.2]
    """

    __slots__ = ("_native",)

    def __init__(self, native: _nacp.Subscription, timeout: float | None) -> None:
        super().__init__(native, timeout)
        self._native = native

    def _take(self) -> Update | None:
        match self._native.take():
            case _nacp.Frame() as frame:
                return Frame(frame)
            case str() as event:
                return decode_event(event)
            case int() as count:
                return Lagged(count)
            case NacpError() as error:
                return Failed(error)
            case _:
                return None


class Telemetry:
    """The GPUs of a node, read at a steady pace on a thread of its own. It comes from `Node.telemetry()`.

    Leaving its `with` block ends it; what was read can be asked for after that too. Threads may share it. Where a node
    has several GPUs, one must be named for a window.

    >>> with nacp.simulated_node().telemetry(fast=0.05) as live:
    ...     live.latest().gpus[0].sample.temperature
    ...     live.window("power").mean
    51
    11.2
    """

    __slots__ = ("_native", "origin")

    origin: Origin
    """What it reads."""

    def __init__(self, native: _nacp.Telemetry, origin: Origin) -> None:
        self._native = native
        self.origin = origin

    def latest(self, wait: float = 10.0) -> Snapshot:
        """The last readings, each as old as its tier allows.

        Args:
            wait: How many seconds to wait at most for the first one.

        Raises:
            Timeout: There was none in that time.
        """
        self._native.wait(wait)
        latest = self._native.latest()
        if latest is None:
            raise _no_reading(wait)
        return decode(Snapshot, json.loads(latest))

    def window(self, metric: str, *, gpu: Gpu | str | None = None, last: float = 60.0) -> Window:
        """What a number of a GPU did in the last seconds, as far as the history goes back.

        Args:
            metric: The name of the number, as in `nacp.metrics()`.
            gpu: The GPU or its id; needed where there are several.
            last: How many seconds.

        Raises:
            InvalidArgument: There is no such number, or it is not read.
            NotFound: There is no such GPU.
        """
        return decode(Window, json.loads(self._native.window(metric, None if gpu is None else gpu_id(gpu), last)))

    def energy(self, *, gpu: Gpu | str | None = None, last: float = 60.0) -> Energy:
        """The energy that a GPU used in the last seconds; None with the reason while it is not known.

        Raises:
            InvalidArgument: Neither energy nor power is read.
            NotFound: There is no such GPU.
        """
        return decode(Energy, json.loads(self._native.energy(None if gpu is None else gpu_id(gpu), last)))

    def history(
        self,
        metrics: str | Iterable[str] | None = None,
        *,
        gpus: Gpu | str | Iterable[Gpu | str] | None = None,
        last: float | None = None,
    ) -> History:
        """What was read, as a table.

        Args:
            metrics: The names of the numbers; None for all that are read.
            gpus: The GPUs or their ids, also a single one; None for all.
            last: How many seconds back; None for all that is kept.

        Raises:
            InvalidArgument: There is no such number, or it is not read.
            NotFound: There is no such GPU.
        """
        names = metrics.split(",") if isinstance(metrics, str) else metrics
        wanted = None if names is None else [name.strip() for name in names]
        if isinstance(gpus, (Gpu, str)):
            gpus = [gpus]
        ids = None if gpus is None else [gpu_id(gpu, "gpus") for gpu in gpus]
        return History(self._native.history(wanted, ids, last), self.origin)

    def subscribe(self, timeout: float | None = None) -> Subscription:
        """Begins to tell every reading and every event: `for update in live.subscribe()`, or `async for`.

        An update is a `Frame`, an `Event`, `Lagged` where this was too slow, or `Failed` where the driver is.

        Args:
            timeout: The iteration ends when nothing has come for so many seconds; None for never.
        """
        return Subscription(self._native.subscribe(), timeout)

    def record(self, path: str | os.PathLike[str], *, scrub: bool = True) -> Recording:
        """Records every reading and every event from now on to a new file; as `Node.record`.

        Raises:
            Conflict: There is such a file, or this has ended.
        """
        return Recording(self._native.record(os.fspath(path), scrub, LEVEL))

    def prometheus(
        self,
        hostname: str | None = None,
        label: Literal["hostname", "Hostname", "both", "none"] = "hostname",
        *,
        health: HealthMonitor | None = None,
        processes: bool = False,
        wait: float = 10.0,
    ) -> str:
        """The last readings as Prometheus text, with how the reading fares: nothing waits for the driver.

        Args:
            hostname: As for `Node.metrics`.
            label: The same.
            health: Whose last look to tell; None to leave health out.
            processes: Whether to tell whose the processes on the GPUs are.
            wait: How many seconds to wait at most for the first reading.

        Raises:
            Timeout: There was none in that time.
        """
        self._native.wait(wait)
        text = self._native.render(hostname, label, None if health is None else health._native, processes)
        if text is None:
            raise _no_reading(wait)
        return text

    def status(self) -> TelemetryStatus:
        """How it fares."""
        return decode(TelemetryStatus, json.loads(self._native.status()))

    @property
    def metrics(self) -> list[str]:
        """The names of the numbers that are read, whether or not the GPUs tell them."""
        return self._native.metrics()

    @property
    def closed(self) -> bool:
        """Whether it has ended. In a forked child it always has."""
        return self._native.closed

    def close(self) -> None:
        """Ends it. Closing twice is no error.

        Raises:
            Timeout: The driver does not answer; the thread that waits for it ends when it does.
        """
        self._native.close()

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        status = self.status()
        error = f", failing: {status.error}" if status.error else ""
        return f"<Telemetry, {status.ticks} readings{', closed' if self.closed else ''}{error}>"

    def _repr_html_(self) -> str:
        return self.history(last=60.0)._repr_html_()


def _no_reading(wait: float) -> Timeout:
    return Timeout(f"no reading in time: wait={wait}", operation="gpu.telemetry", retryable=True)
