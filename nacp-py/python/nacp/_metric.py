"""The numbers and the readings that there are, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nacp import _nacp
from nacp._decode import Record, decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Record):
    """A number that a GPU tells: what samplers, histories and exporters go through."""

    name: str
    """Its name, the same in Rust, Python and C."""
    unit: str
    """The unit of its values, such as `W`; empty for plain numbers."""
    kind: Literal["gauge", "counter"]
    """Whether it goes up and down, or only rises."""
    field: str
    """The reading of a sample that it comes from: what a sampler must be asked for."""


def metrics() -> tuple[Metric, ...]:
    """Every number that there is, in the order of the columns of samplers and histories.

    >>> {metric.name: metric.unit for metric in nacp.metrics()}["power"]
    'W'
    """
    names = ("name", "unit", "kind", "field")
    return tuple(decode(Metric, dict(zip(names, row, strict=True))) for row in _nacp.metrics())


def fields() -> tuple[str, ...]:
    """The names of the readings of a sample: what `Node.sampler` can be asked for.

    >>> nacp.fields()[:3]
    ('utilization', 'power', 'memory')
    """
    return tuple(_nacp.fields())
