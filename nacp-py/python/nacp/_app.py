"""What to run: apps, services and their needs. The core validates; here are names and defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from nacp import _nacp
from nacp._decode import Record, decode
from nacp._node import Node
from nacp._types import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuNeed(Record):
    """What each replica of a service needs of the GPUs."""

    memory: int | str
    """Memory on each GPU: text such as `3.3GiB`, or bytes."""
    count: int = 1
    """How many GPUs."""
    sharing: Literal["shared", "exclusive"] = "shared"
    """Whether other replicas may use the same GPU."""
    compute: str | None = None
    """The least compute capability, written `>=8.0`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Record):
    """How to tell that a replica is ready: `GET` on a path answers 200 to 399."""

    http: str
    """The path, beginning with a slash."""
    within: str = "1m"
    """How long it may take after the start, written `90s` or `10m`."""


@dataclass(frozen=True, slots=True)
class Service(Record):
    """One service of an app: an image, what it serves and what it needs.

    >>> nacp.Service("ollama/ollama:0.16.1", model="phi3:mini", port=11434, gpu=nacp.GpuNeed(memory="3.3GiB")).replicas
    1
    """

    image: str
    """The container image."""
    _: KW_ONLY
    command: Sequence[str] = ()
    """The arguments of the image's program; empty for the image's own."""
    model: str | None = None
    """The model that it serves. Requests that name it are routed here; the container sees it as `NACP_MODEL`."""
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables."""
    gpu: GpuNeed | None = None
    """What each replica needs of the GPUs; None for a service without a GPU."""
    port: int | None = None
    """The port on which the program listens inside the container."""
    ready: Probe | None = None
    """How to tell that a replica is ready; None when running is enough."""
    volumes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Named volumes and where they are mounted."""
    replicas: int = 1
    """How many copies run."""
    depends_on: Sequence[str] = ()
    """Which services must be ready before this one starts."""
    priority: int = 0
    """Services of higher priority choose their GPUs first."""
    determinism: Literal["strict"] | None = None
    """Whether its containers get the environment that lets CUDA programs repeat; what `env` has stays as it is."""

    def __post_init__(self) -> None:
        for name in ("command", "depends_on"):
            given = getattr(self, name)
            if not isinstance(given, str):  # the core says what is wrong with a text
                object.__setattr__(self, name, tuple(given))


class App:
    """A set of services that belong together, as `nacp.yaml` describes them. Valid, and immutable.

    >>> app = nacp.App("assistant", services={"llm": nacp.Service("ollama/ollama:0.16.1", model="phi3:mini")})
    >>> app == nacp.App.parse("{name: assistant, services: {llm: {image: 'ollama/ollama:0.16.1', model: phi3:mini}}}")
    True
    >>> app.services["llm"].model
    'phi3:mini'
    """

    __slots__ = ("_json", "_native", "_services")

    def __init__(self, name: str, *, services: Mapping[str, Service]) -> None:
        """Builds an app and validates it.

        Args:
            name: Lower-case letters, digits and hyphens, 40 at most.
            services: The services by name; names follow the same rule.

        Raises:
            InvalidArgument: Something in it cannot be right, with the path of the field.
        """
        described = {key: _described(service) for key, service in services.items()}
        self._take(_nacp.App.parse(json.dumps({"name": name, "services": described})))

    def _take(self, native: _nacp.App) -> None:
        self._native = native
        self._json = native.to_json()
        self._services: Mapping[str, Service] = {
            name: decode(Service, service) for name, service in json.loads(self._json)["services"].items()
        }

    @classmethod
    def _from_native(cls, native: _nacp.App) -> App:
        app = cls.__new__(cls)
        app._take(native)
        return app

    @classmethod
    def parse(cls, text: str) -> App:
        """Reads an app from YAML or JSON text and validates it.

        Raises:
            InvalidArgument: With line, column and, for an unknown field, the nearest one that exists.
        """
        return cls._from_native(_nacp.App.parse(text))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> App:
        """Reads an app from a file such as `nacp.yaml`.

        Raises:
            OSError: The file cannot be read.
            InvalidArgument: As for `parse`, with the file; also when the file is not UTF-8.
        """
        name = os.fsencode(path).decode("utf-8", "replace")
        return cls._from_native(_nacp.App.read(Path(path).read_bytes(), name))

    @property
    def name(self) -> str:
        """The app's name."""
        return str(json.loads(self._json)["name"])

    @property
    def services(self) -> dict[str, Service]:
        """The services by name, in the core's normal form: memory in bytes, defaults filled in."""
        return dict(self._services)

    def start_order(self) -> tuple[str, ...]:
        """The services' names in the order in which they start: what a service depends on comes first."""
        return tuple(self._native.start_order())

    def to_json(self) -> str:
        """The app in the core's normal form."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries."""
        return dict(json.loads(self._json))

    def __eq__(self, other: object) -> bool:
        return self._json == other._json if isinstance(other, App) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        return f"App({self.name!r}, services={self._services!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (App.parse, (self._json,))


def native_app(app: App) -> _nacp.App:
    """The core's half of an app.

    Raises:
        TypeError: It is none; text must be parsed first.
    """
    if not isinstance(app, App):
        raise TypeError(f"an nacp.App is needed, not {type(app).__name__}; App.parse and App.from_file read one")
    return app._native


def _described(service: Service) -> dict[str, Any]:
    described = service.to_dict()
    for part in ("gpu", "ready"):
        if described[part] is not None:
            described[part] = {key: value for key, value in described[part].items() if value is not None}
    return {key: value for key, value in described.items() if value is not None}


def plan(app: App, node: Node) -> tuple[Placement, ...]:
    """Gives each replica its GPUs, on a node where nothing of NACP runs yet. Nothing is done.

    >>> app = nacp.App("a", services={"llm": nacp.Service("image", gpu=nacp.GpuNeed(memory="3GiB"))})
    >>> [placement] = nacp.plan(app, nacp.simulated_node())
    >>> placement.gpus, placement.reason
    (('GPU-3050a701-0000-4000-8000-000000000001',), 'best fit of the only GPU: 3 GiB needed, 3.50 GiB free')

    Raises:
        ResourceExhausted: A replica fits nowhere, with the reason for each GPU and with what would help.
    """
    return decode(tuple[Placement, ...], json.loads(_nacp.place(native_app(app), node._native)))
