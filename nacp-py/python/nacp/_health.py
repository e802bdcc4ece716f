"""How healthy the GPUs are, and what to do about it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nacp import _nacp, _table
from nacp._check import gpu_id, known_id, seconds
from nacp._decode import Record, decode
from nacp._display import source
from nacp._gpu import Gpu
from nacp._guard import probe
from nacp._host import Evidence
from nacp._sample import Partition
from nacp._types import Origin

if TYPE_CHECKING:
    from nacp._node import Node

Severity = Literal["info", "watch", "drain", "unusable"]
Verdict = Literal["healthy", "watch", "drain", "unusable"]
Thresholds: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]

# Each with its own ground, so that it can be read on white and on black.
BADGE = "padding:0.1em 0.6em;border-radius:0.6em;color:#fff;background:"
COLOURS = {"healthy": "#2e7d32", "info": "#1565c0", "watch": "#9a5b00", "drain": "#b71c1c", "unusable": "#6a1b9a"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Record):
    """Something that is wrong with a GPU or with the machine."""

    gpu: str | None
    """The id of the GPU; None where it concerns the machine, or a GPU that the driver does not list."""
    partition: Partition | None = None
    """Which partition of it, where only one is concerned."""
    kind: str
    """What is wrong, by the names of the table in the book, such as `row_remap_pending`."""
    code: int | None = None
    """The number that came with it: of the Xid or SXid, or the unknown bits of an event."""
    severity: Severity
    """How bad it is."""
    message: str
    """What is wrong in one line, with the numbers."""
    evidence: tuple[Evidence, ...]
    """What was read, and where."""
    action: str
    """What has to be done, such as `reset_gpu`."""
    action_text: str
    """The same in words, such as `reset the GPU`."""
    command: str | None = None
    """The command that does it, where one command does."""
    since: datetime
    """When it was seen first, in UTC."""
    last: datetime
    """When it was seen last."""
    count: int
    """How often it was seen: readings that showed it, or events that told it."""
    text: str
    """All of it in one line."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHealth(Record):
    """How healthy one GPU is."""

    id: str
    """The id of the GPU."""
    index: int
    """Its position in the driver's list, for display only."""
    name: str
    """Its name."""
    verdict: Verdict
    """What may be done with it."""
    partitions: tuple[str, ...] = ()
    """The ids of its partitions that programs can use: what holds for the GPU holds for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked(Record):
    """A condition of which nobody can say whether it holds. It counts neither for nor against a GPU."""

    gpu: str | None
    """The id of the GPU; None where it concerns the machine."""
    kind: str
    """Which condition."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cordon(Record):
    """Advice for placement: a GPU that should get no new work."""

    gpu: str
    """The id of the GPU."""
    verdict: Verdict
    """`drain`: move off what runs; `unusable`: nothing runs any more."""
    reason: str
    """Why: the message of the worst condition."""
    until: tuple[str, ...]
    """What must be done before it may get work again."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Health(Record):
    """How healthy a node is: what is wrong, and what could not be checked. It shows itself as a table.

    >>> health = nacp.simulated_node().health()
    >>> health.verdict, health.cordon
    ('healthy', ())
    """

    at: datetime
    """When it was read, in UTC."""
    origin: Origin
    """What it was read from."""
    verdict: Verdict
    """What may be done with the node as a whole: the worst of everything."""
    summary: str
    """One line: the verdict, and what could not be checked, with why."""
    gpus: tuple[GpuHealth, ...]
    """The GPUs, in the driver's order."""
    conditions: tuple[Condition, ...]
    """What is wrong, the worst first."""
    unchecked: tuple[Unchecked, ...]
    """What could not be checked."""
    cordon: tuple[Cordon, ...]
    """The GPUs that should get no new work."""

    def of(self, gpu: Gpu | str) -> tuple[Condition, ...]:
        """What is wrong with this GPU itself, given itself or by its id; the worst first.

        Raises:
            NotFound: There is no such GPU, with those that there are.
        """
        ids = [one.id for one in self.gpus] + [one.gpu for one in self.conditions if one.gpu is not None]
        wanted = known_id(gpu, ids)
        return tuple(condition for condition in self.conditions if condition.gpu == wanted)

    def _title(self) -> str:
        found = _table.count(len(self.conditions), "condition")
        blind = _table.count(len({one.kind for one in self.unchecked}), "kind")
        counts = f"{found}, {blind} of condition not checked, {_table.count(len(self.gpus), 'GPU')}"
        nothing = not self.gpus and self.origin.driver is None and self.verdict == "healthy"
        verdict = "no NVIDIA GPU and no driver here" if nothing else self.verdict
        return f"{source(self.origin)}, {self.at:%Y-%m-%d %H:%M:%S} UTC: {verdict}; {counts}"

    def _rows(self) -> list[tuple[str, ...]]:
        short = {gpu.id: f"{gpu.index} · {gpu.id[:SHORT]}" for gpu in self.gpus}
        rows: list[tuple[str, ...]] = [(gpu.verdict, short[gpu.id], gpu.name, "", "") for gpu in self.gpus]
        rows += [
            (
                one.severity,
                "machine" if one.gpu is None else short.get(one.gpu, one.gpu),
                one.kind,
                one.message,
                f"{one.action_text}: {one.command}" if one.command else one.action_text,
            )
            for one in self.conditions
        ]
        return rows

    def __repr__(self) -> str:
        return _table.text(self._title(), HEAD, self._rows(), "no GPU")

    def _repr_html_(self) -> str:
        rows = self._rows()

        def badge(row: int, column: int) -> str:
            return f"{BADGE}{COLOURS[rows[row][0]]}" if column == 0 else ""

        ids = [gpu.id for gpu in self.gpus] + [one.gpu or "" for one in self.conditions]
        return _table.html(
            self._title(), HEAD, rows, "no GPU", style=badge, whole=lambda row, column: ids[row] if column == 1 else ""
        )


HEAD = ("verdict", "GPU", "what", "why", "what to do")
SHORT = len("GPU-4100a801")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Record):
    """What changed in the health of a node."""

    change: Literal["raised", "updated", "cleared"]
    """Something is wrong that was not, it is otherwise than before, or it is over."""
    condition: Condition
    """The condition, as it is now or was last."""

    def __str__(self) -> str:
        return f"{self.change}: {self.condition}"


class HealthMonitor:
    """A watch over the health of a node.

    It knows rates, waits before it raises and before it clears, keeps what events told, and says when restarts did not
    help. It looks when it is asked to; ask it at a steady pace.

    >>> monitor = nacp.HealthMonitor(nacp.simulated_node())
    >>> monitor.observe(), monitor.health().verdict
    ((), 'healthy')
    """

    __slots__ = ("_native",)

    def __init__(
        self, node: Node, thresholds: Thresholds | None = None, history: Mapping[str, Any] | None = None
    ) -> None:
        """Begins with no condition.

        Args:
            node: The node.
            thresholds: From where on something counts; as for `Node.health`.
            history: What an earlier monitor knew, as its `history()` told; None for nothing.

        Raises:
            InvalidArgument: A threshold is wrong, or the history is none.
        """
        past = None if history is None else json.dumps(dict(history))
        self._native = _nacp.HealthMonitor(node._native, text_of(thresholds), past)

    def observe(self) -> tuple[Change, ...]:
        """Reads the node once, with the events since the last time, and tells what changed.

        A driver that does not answer is no error here, it is a condition.
        """
        return _changes(self._native.observe())

    def watch(self, every: float = 10.0) -> Iterator[Change]:
        """Looks every so many seconds, without end, and tells each change. Ctrl-C ends it.

        Raises:
            InvalidArgument: `every` is below 0, or no number.
        """
        seconds("every", every)
        return self._watch(every)

    def _watch(self, every: float) -> Iterator[Change]:
        while True:
            yield from self.observe()
            time.sleep(every)

    def health(self) -> Health:
        """What stands, as it was seen at the last look; without one it looks first."""
        told = self._native.health()
        if told is None:
            self.observe()
            told = self._native.health()
        return decode(Health, json.loads(told or "null"))

    def history(self) -> dict[str, Any]:
        """What it knows of Xids and restarts, to be kept as JSON and given to the next program's monitor."""
        return dict(json.loads(self._native.history()))

    def rebooted(self) -> tuple[Change, ...]:
        """Tells it that the machine was restarted; what is over by that."""
        return _changes(self._native.rebooted())

    def reset(self, gpu: Gpu | str) -> tuple[Change, ...]:
        """Tells it that this GPU was reset; what is over by that."""
        return _changes(self._native.reset(gpu_id(gpu)))

    def forget(self, gpu: Gpu | str) -> tuple[Change, ...]:
        """Tells it that this GPU was taken out or replaced; what is over by that."""
        return _changes(self._native.forget(gpu_id(gpu)))


def health(thresholds: Thresholds | None = None, guard: Literal["auto"] | bool = "auto", limit: float = 30.0) -> Health:
    """How healthy the GPUs of this machine are. A driver that does not answer is no error here, it is a condition.

    Args:
        thresholds: From where on something counts; as for `Node.health`.
        guard: Whether a child process touches the driver first; as for `discover`.
        limit: How many seconds the child may take.

    Raises:
        InvalidArgument: A threshold is wrong, there is no such guard, or the limit is no time.
    """
    program, arguments = probe(guard) or (None, [])
    return decode(Health, json.loads(_nacp.check_health(text_of(thresholds), program, arguments, limit)))


def thresholds() -> dict[str, Any]:
    """The defaults: from where on something counts. Change what you like, and give it to `Node.health`.

    >>> nacp.thresholds()["retired_pages"]
    63
    """
    return dict(json.loads(_nacp.thresholds_template()))


def text_of(thresholds: Thresholds | None) -> str | None:
    """Thresholds as the core reads them. Text that is one line without a colon is the path of a file."""
    match thresholds:
        case None:
            return None
        case str() if thresholds.lstrip().startswith("{") or not thresholds.strip():
            return thresholds
        case str() if "\n" in thresholds or (":" in thresholds and not os.path.isfile(thresholds)):
            return thresholds
        case Mapping():
            return json.dumps(dict(thresholds))
        case _:
            return Path(thresholds).read_text(encoding="utf-8")


def _changes(text: str) -> tuple[Change, ...]:
    return decode(tuple[Change, ...], json.loads(text))
