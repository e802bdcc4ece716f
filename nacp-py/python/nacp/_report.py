"""What the checks of CUDA found: `nacp.check()` gives it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any, Literal

from nacp import _nacp
from nacp._certificate import Certificate
from nacp._decode import Record, decode
from nacp._host import CudaProbe
from nacp.exceptions import NotFound

LevelName = Literal["quick", "standard", "full"]
StatusName = Literal["pass", "warn", "fail", "skipped", "error"]
SkipReason = Literal["deadline", "blocked", "unsupported", "not_asked", "busy", "poisoned", "cancelled"]
VerdictName = Literal["pass", "warn", "unknown", "fail"]
# How many pixels the page's head and a line of it take, and how many it has at most: beyond that it scrolls.
PAGE, LINE, MOST = 240, 36, 900
UnitName = Literal[
    "seconds",
    "bytes",
    "bytes_per_second",
    "flop_per_second",
    "per_second",
    "megahertz",
    "celsius",
    "watts",
    "ratio",
    "count",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMetric(Record):
    """One measured value."""

    name: str
    """What, such as `pinned`."""
    value: float
    """The value in its unit: the median where it was measured more than once."""
    unit: UnitName
    """Its unit."""
    n: int
    """How often it was measured."""
    p50: float | None = None
    """The median, where it was measured more than once."""
    p99: float | None = None
    """What 99 of 100 stay below."""
    formula: str | None = None
    """How a value that is computed comes about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEvidence(Record):
    """Something that was read, and where."""

    what: str
    """What it is, such as `library`."""
    value: str
    """What was read."""
    source: str
    """Where: a call, a file, a variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport(Record):
    """What one check found on one device, or on the machine."""

    id: str
    """Which check, such as `det.bits`."""
    device: str | None = None
    """The id of the device; None where it is about the machine."""
    status: StatusName
    """How it ended."""
    reason: str | None = None
    """Why it did not pass, with what can be done; None where it did."""
    why: SkipReason | None = None
    """Why it was not done; None where it was."""
    call: str | None = None
    """The call that the driver refused, where it refused one."""
    code: int | None = None
    """The driver's number of that refusal."""
    kind: str | None = None
    """What that number means."""
    metrics: tuple[CheckMetric, ...] = ()
    """What was measured."""
    evidence: tuple[CheckEvidence, ...] = ()
    """What was read, and where."""
    elapsed: float
    """How long it took, in seconds."""

    @property
    def passed(self) -> bool:
        """Whether it passed, with a warning or without."""
        return self.status in ("pass", "warn")

    def metric(self, name: str) -> CheckMetric:
        """What was measured under this name.

        Raises:
            NotFound: There is no such metric, with those that there are.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        known = ",".join(metric.name for metric in self.metrics)
        raise NotFound(
            f"no such metric: check={self.id} metric={name!r} known={known}",
            operation="python.check",
            context={"check": self.id, "metric": name, "known": known},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChange(Record):
    """One difference between two reports."""

    id: str
    """Which check."""
    device: str | None = None
    """On which device."""
    what: str
    """`status`, or the name of the metric."""
    before: str
    """What it was."""
    after: str
    """What it is."""
    worse: bool
    """Whether that is worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportComparison(Record):
    """What changed between two reports."""

    changes: tuple[ReportChange, ...]
    """Each change, in the order of the later report."""
    of_two_worlds: bool
    """Whether one of the two is of a simulated driver and the other is not: then nothing can be compared."""
    text: str
    """All of it in words."""

    def worse(self) -> tuple[ReportChange, ...]:
        """What became worse."""
        return tuple(change for change in self.changes if change.worse)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report(Record):
    """What the checks of CUDA found. It shows itself as a table, and in a notebook as a page with all evidence.

    >>> report = nacp.check("quick", simulated="rtx3050ti-laptop-wsl2", progress=False)
    >>> report.simulated, report.verdict
    (True, 'pass')
    """

    level: LevelName
    """How much was checked."""
    verdict: VerdictName
    """All reports in one word."""
    simulated: bool
    """Whether the driver is a simulated one: its devices do not exist, and no time means anything."""
    started: datetime
    """When it began, in UTC."""
    elapsed: float
    """How long it took, in seconds."""
    probe: CudaProbe | None = None
    """The driver and its devices, where there is one."""
    checks: tuple[CheckReport, ...]
    """What was found, in order."""
    certificates: tuple[Certificate, ...] = ()
    """What proves that each device repeats."""
    _json: str = field(default="", repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """A report from the JSON that `to_json` gave.

        Raises:
            InvalidArgument: It is none.
        """
        _nacp.report_text(text)
        return decode(cls, json.loads(text) | {"_json": text})

    def to_json(self) -> str:
        """The whole report as JSON, to be kept, or read by another program."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return dict(json.loads(self._json))

    def html(self) -> str:
        """A page of its own, to be kept or sent: no script, nothing loaded from elsewhere."""
        return _nacp.report_html(self._json)

    def markdown(self) -> str:
        """The same for an issue or a wiki."""
        return _nacp.report_markdown(self._json)

    def failures(self) -> tuple[CheckReport, ...]:
        """What does not work."""
        return tuple(check for check in self.checks if check.status in ("fail", "error"))

    def of(self, id: str, device: str | None = None) -> CheckReport:
        """What one check found; where it ran on several devices and none is named, on the first.

        Raises:
            NotFound: It did not run, with those that did.
        """
        for check in self.checks:
            if check.id == id and device in (None, check.device):
                return check
        known = ",".join(dict.fromkeys(check.id for check in self.checks))
        raise NotFound(
            f"no report of this check: check={id!r} device={device} known={known}",
            operation="python.check",
            context={"check": id, "device": str(device), "known": known},
        )

    def raise_for_failure(self) -> None:
        """Does nothing unless something does not work.

        Raises:
            NacpError: What does not work first, as the class that fits it.
        """
        _nacp.report_error(self._json)

    def compare(self, earlier: Report) -> ReportComparison:
        """What became better or worse since an earlier report of the same machine."""
        return decode(ReportComparison, json.loads(_nacp.report_compare(self._json, earlier._json)))

    def metrics(self) -> list[dict[str, Any]]:
        """Everything that was measured as rows, for a data frame: check, device, metric, value, unit, n, p50, p99."""
        return [
            {
                "check": check.id,
                "device": check.device,
                "metric": metric.name,
                "value": metric.value,
                "unit": metric.unit,
                "n": metric.n,
                "p50": metric.p50,
                "p99": metric.p99,
            }
            for check in self.checks
            for metric in check.metrics
        ]

    def __repr__(self) -> str:
        return _nacp.report_text(self._json)

    def _repr_html_(self) -> str:
        # A frame of its own, so that neither the notebook's style nor the page's reaches the other.
        devices = {check.device for check in self.checks}
        height = min(PAGE + LINE * len(self.checks) + PAGE * len(devices) // 3, MOST)
        style = f"width:100%;height:{height}px;border:0"
        return f'<iframe title="CUDA check" style="{style}" srcdoc="{escape(self.html())}"></iframe>'

    def __bool__(self) -> bool:
        raise TypeError('a report is neither true nor false: ask report.verdict == "pass", or raise_for_failure()')
