"""From the core's JSON to classes with attributes."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Record:
    """Plain data of the core: frozen, comparable, with the names that the core's JSON has."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return _plain(self)  # type: ignore[no-any-return]

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Brings the core's JSON into the form of the class's fields, where they differ."""
        return data


def decode(cls: type[T], data: Any) -> T:
    """A value of this type from JSON. A reading that is `{"unknown": reason}` becomes None, noted in `unknown`."""
    return _build(cls, data)  # type: ignore[no-any-return]


def _build(kind: Any, data: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [part for part in get_args(kind) if part is not type(None)]
        return None if data is None else _build(inner[0], data)
    if origin in (tuple, Sequence):
        return tuple(_build(get_args(kind)[0], item) for item in data)
    if kind is datetime:
        return _time(data)
    if isinstance(kind, type) and issubclass(kind, Record) and dataclasses.is_dataclass(kind):
        return _record(kind, data)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    return data


def _record(kind: Any, data: dict[str, Any]) -> Any:
    data = kind._prepare(dict(data))
    hints = _hints(kind)
    unknown = {name: value["unknown"] for name, value in data.items() if "unknown" in hints and _is_unknown(value)}
    known = (name for name in data if name in hints and name not in unknown)
    fields = {name: _build(hints[name], data[name]) for name in known}
    if "unknown" in hints:
        fields |= dict.fromkeys(unknown) | {"unknown": unknown}
    return kind(**fields)


def _is_unknown(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"unknown"}


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _time(text: str) -> datetime:
    """A UTC time as the core writes it; digits below the microsecond are cut."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    time = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return time.replace(microsecond=int(fraction[:6].ljust(6, "0")))


def _plain(value: Any) -> Any:
    if isinstance(value, Record) and dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value
