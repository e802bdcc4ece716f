"""What to run: apps, services and their needs. The core validates; here are names and defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nacp import _nacp
from nacp._decode import Record, decode
from nacp._node import Node
from nacp._types import Placement

ConditionName = Literal["started", "ready", "completed"]
StrategyName = Literal["rolling", "blue_green"]


def _tuples(record: Record, *names: str) -> None:
    """Keeps sequences as tuples; a text stays as it is, and the core says what is wrong with it."""
    for name in names:
        given = getattr(record, name)
        if not isinstance(given, (str, Mapping)):
            object.__setattr__(record, name, tuple(given))


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuNeed(Record):
    """What each replica of a service needs of the GPUs.

    >>> nacp.GpuNeed(memory="20GiB", count=2, topology="nvlink").sharing
    'shared'
    """

    memory: int | str
    """Memory on each GPU: text such as `3.3GiB`, bytes, or `auto`: whatever the model needs."""
    count: int = 1
    """How many GPUs."""
    sharing: Literal["shared", "exclusive"] = "shared"
    """Whether other replicas may use the same GPU."""
    compute: str | None = None
    """The compute capabilities that will do, written `>=8.0` or `>=8.0 <10.0`."""
    cuda: str | None = None
    """The versions of CUDA that the driver must offer, written `>=12.4`."""
    mig: str | None = None
    """A partition of this profile, such as `1g.10gb`, instead of a whole GPU."""
    topology: Literal["any", "nvlink", "numa"] = "any"
    """How several GPUs must be connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Record):
    """How to tell that a replica is ready, or still alive: one of `http`, `tcp`, `exec` and `log`, and the times.

    >>> nacp.Probe(exec=["ollama", "list"], within="5m").exec
    ('ollama', 'list')
    """

    http: str | None = None
    """`GET` on this path, beginning with a slash, answers 200 to 399."""
    tcp: bool = False
    """The service's port takes a connection."""
    exec: Sequence[str] = ()
    """This program, run inside the container, ends with 0."""
    log: str | None = None
    """A line with this text has been written since the start."""
    within: str = "1m"
    """How long it may take after the start until it first succeeds, written `90s` or `10m`."""
    every: str = "5s"
    """How long after one question the next one is asked."""
    timeout: str = "2s"
    """How long one answer may take."""
    successes: int = 1
    """How many good answers in a row count as ready."""
    failures: int = 3
    """How many bad answers in a row count as no longer ready."""

    def __post_init__(self) -> None:
        _tuples(self, "exec")


@dataclass(frozen=True, slots=True)
class Mount(Record):
    """What is mounted into a container: a volume of the app's own, unless one of the sources is given.

    >>> nacp.Mount("/data", host="/srv/data", read_only=True).path
    '/data'
    """

    path: str
    """Where in the container, from the root."""
    _: KW_ONLY
    external: str | None = None
    """The volume of exactly this name, which others may use too."""
    host: str | None = None
    """A folder or file of the engine's machine."""
    memory: int | str | None = None
    """Memory, of this size at most, gone with the container: text such as `64MiB`, or bytes."""
    read_only: bool = False
    """Whether the container may only read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret(Record):
    """Where the value of a secret comes from: a file or a variable. The container reads `/run/secrets/NAME`.

    >>> nacp.Secret(env="HF_TOKEN").file is None
    True
    """

    file: str | None = None
    """A file that the program that applies the app can read."""
    env: str | None = None
    """A variable of that program's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security(Record):
    """How far a container is locked up. Every default is the strict one; each field loosens one thing.

    >>> nacp.Security(capabilities=["CHOWN"], root="writable").new_privileges
    False
    """

    user: str | None = None
    """As whom the program runs: `UID`, `UID:GID` or a name of the image's; None for the image's own user."""
    root: Literal["auto", "read-only", "writable"] = "auto"
    """Whether the container's root can be written; `auto` makes it read-only where the image allows it."""
    capabilities: Sequence[str] = ()
    """The capabilities that it keeps, such as `CHOWN`."""
    new_privileges: bool = False
    """Whether its programs may gain privileges, as `sudo` does."""
    host_ipc: bool = False
    """Whether it shares the memory segments of the engine's machine."""

    def __post_init__(self) -> None:
        _tuples(self, "capabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources(Record):
    """What a container may use of the machine beside its GPUs; None is no limit.

    >>> nacp.Resources(cpus=1.5, memory="2GiB").pids is None
    True
    """

    cpus: float | None = None
    """CPU time, in CPUs."""
    memory: int | str | None = None
    """Main memory: text such as `2GiB`, or bytes."""
    pids: int | None = None
    """Processes and threads together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit(Record):
    """A limit of the kernel's on a process; -1 is none.

    >>> nacp.Ulimit(soft=1024, hard=4096).hard
    4096
    """

    soft: int
    """What counts at first."""
    hard: int
    """How far the program may raise it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish(Record):
    """Where a service's port is published on the engine's machine.

    >>> nacp.Publish(port=8000).host
    '127.0.0.1'
    """

    host: str = "127.0.0.1"
    """The address. Any other than the loopback address lets other machines in."""
    port: int | None = None
    """The port; None for a free one. A fixed one allows one replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling(Record):
    """Replicas are replaced a few at a time.

    >>> nacp.Rolling(surge=1, unavailable=0).surge
    1
    """

    surge: int = 0
    """How many new replicas may run beside the old ones."""
    unavailable: int = 1
    """How many replicas may be missing meanwhile; 0 only with a surge."""


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
    entrypoint: Sequence[str] = ()
    """The program that is run in place of the image's own."""
    working_dir: str | None = None
    """Where the program is started; None for the image's own folder."""
    model: str | None = None
    """The model that it serves. Requests that name it are routed here; the container sees it as `NACP_MODEL`."""
    api: Literal["openai", "ollama", "kserve", "http"] | None = None
    """What it speaks at its port; None for plain HTTP."""
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables."""
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False)
    """Secrets by name: the container reads them from `/run/secrets/NAME`."""
    gpu: GpuNeed | None = None
    """What each replica needs of the GPUs; None for a service without a GPU."""
    port: int | None = None
    """The port on which the program listens inside the container."""
    publish: Publish | None = None
    """Where that port is published; None for a free port of the loopback address."""
    ready: Probe | None = None
    """How to tell that a replica is ready; None when running is enough."""
    live: Probe | None = None
    """How to tell that a replica that was ready is still alive; one that is not is restarted."""
    volumes: Mapping[str, str | Mount] = field(default_factory=dict, hash=False)
    """What is mounted, by name: a path for a volume of the app's own, or a `Mount`."""
    networks: Sequence[str] = ()
    """Networks of the app's own in which its services find each other by their names."""
    shm: int | str | None = None
    """The size of `/dev/shm`: text such as `1GiB`, or bytes; None for the engine's own."""
    ulimits: Mapping[str, int | Ulimit] = field(default_factory=dict, hash=False)
    """The kernel's limits by name, such as `nofile`: one number for soft and hard, or an `Ulimit`."""
    resources: Resources = field(default_factory=Resources)
    """What it may use of the machine beside its GPUs."""
    security: Security = field(default_factory=Security)
    """How far its containers are locked up."""
    restart: Literal["always", "on-failure", "never"] = "always"
    """What happens when a replica's program ends."""
    stop_grace: str = "10s"
    """How long a replica may take to end when it is asked to."""
    stop_signal: str | None = None
    """The signal that asks it to end, such as `SIGINT`; None for the image's own."""
    replicas: int = 1
    """How many copies run; 0 keeps the service defined and runs none."""
    strategy: StrategyName | Rolling = "rolling"
    """How the replicas are replaced when the specification changes: one at a time, `Rolling`, or all beside the old."""
    depends_on: Mapping[str, ConditionName] | Sequence[str] = field(default=(), hash=False)
    """Which services this one waits for: names for those that must be ready, or names with conditions."""
    idle: str | None = None
    """After how long without a request it may be swapped out when memory is scarce."""
    priority: int = 0
    """Services of higher priority choose their GPUs first."""
    determinism: Literal["strict"] | None = None
    """Whether its containers get the environment that lets CUDA programs repeat; what `env` has stays as it is."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Labels of the user's own; names that begin with `nacp.` are refused."""
    platform: str | None = None
    """The platform of the image, such as `linux/amd64`; None for the engine's own."""
    pull: Literal["missing", "always", "never"] = "missing"
    """When the image is pulled."""

    def __post_init__(self) -> None:
        _tuples(self, "command", "entrypoint", "networks", "depends_on")

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        parts: dict[str, type[Record]] = {"volumes": Mount, "secrets": Secret, "ulimits": Ulimit}
        for name, kind in parts.items():
            data[name] = {
                key: decode(kind, value) if isinstance(value, dict) else value
                for key, value in data.get(name, {}).items()
            }
        if isinstance(data.get("strategy"), dict):
            data["strategy"] = decode(Rolling, data["strategy"]["rolling"])
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Record):
    """Something that a user has to know about an import or an export."""

    kind: Literal["dropped", "changed", "assumed"]
    """What happened: it is left out, it means something else, or a value was taken for it."""
    field: str
    """The field's path, such as `services.llm.ports[1]`."""
    line: int | None = None
    """Its line in the file that was read; None where no file was read."""
    column: int | None = None
    """Its column."""
    message: str
    """What it means for the user, and what to do."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        return f"{place}{self.field} {self.kind}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppWarning(Record):
    """Something in an app that is valid and worth a second look."""

    field: str
    """The field's path, such as `services.llm.image`."""
    message: str
    """What follows from it, and what to do if that is not meant."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Imported(NamedTuple):
    """An app that was read from a file of another tool."""

    app: App
    """The app."""
    notes: tuple[Note, ...]
    """What has no counterpart, means something else or was assumed."""


class Exported(NamedTuple):
    """A file of another tool that was made of an app."""

    text: str
    """The file."""
    notes: tuple[Note, ...]
    """What the other tool does otherwise than NACP."""


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

    @classmethod
    def from_compose(
        cls,
        source: str | os.PathLike[str],
        *,
        name: str | None = None,
        folder: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        as_docker: bool = False,
    ) -> Imported:
        r"""Reads a Docker Compose file. What has no counterpart is told in the notes.

        >>> text = "services:\n  llm:\n    image: example/llm:1\n    gpus: all\n"
        >>> app, notes = nacp.App.from_compose(text, name="chat")
        >>> app.services["llm"].gpu.memory, notes[-1].kind
        ('auto', 'assumed')

        Args:
            source: The path of the file, or its text: what has a line break is text.
            name: The app's name; that in the file or of its folder if it is None.
            folder: The folder from which the paths in the file count; the file's own if it is None.
            env: The variables for `${NAME}`; the environment and the file `.env` beside it if it is None.
            as_docker: Gives the containers the rights that Docker gives where the file says nothing.

        Raises:
            OSError: The file cannot be read.
            InvalidArgument: It is no compose file or cannot be imported, with line and column.
        """
        if isinstance(source, str) and "\n" in source:
            content, file = source.encode(), None
        else:
            content, file = Path(source).read_bytes(), os.fsdecode(source)
            folder = Path(source).parent if folder is None else folder
        place = None if folder is None else os.fspath(Path(folder).absolute())
        native, notes = _nacp.App.from_compose(
            content, file=file, name=name, folder=place, env=None if env is None else dict(env), as_docker=as_docker
        )
        return Imported(cls._from_native(native), decode(tuple[Note, ...], json.loads(notes)))

    def to_compose(self) -> Exported:
        """Writes the app as a Docker Compose file. `from_compose` reads the same app from it.

        >>> text, notes = nacp.App("a", services={"s": nacp.Service("image:1")}).to_compose()
        >>> nacp.App.from_compose(text).app.services["s"].image
        'image:1'
        """
        text, notes = self._native.to_compose()
        return Exported(text, decode(tuple[Note, ...], json.loads(notes)))

    def to_yaml(self) -> str:
        """The app as people write it in `nacp.yaml`; `parse` reads the same app from it.

        >>> print(nacp.App("a", services={"s": nacp.Service("image:1", shm="1GiB")}).to_yaml(), end="")
        name: a
        services:
          s:
            image: image:1
            shm: 1GiB
        """
        return self._native.to_yaml()

    @property
    def name(self) -> str:
        """The app's name."""
        return str(json.loads(self._json)["name"])

    @property
    def services(self) -> dict[str, Service]:
        """The services by name, in the core's normal form: memory in bytes, defaults filled in."""
        return dict(self._services)

    @property
    def warnings(self) -> tuple[AppWarning, ...]:
        """What is valid and worth a second look.

        That is what other machines reach, each lock that is loosened, what is not pinned, and what nothing acts on yet.

        >>> print(nacp.App("a", services={"s": nacp.Service("image:latest")}).warnings[0])
        services.s.image: `latest` may be another image tomorrow; name a version
        """
        return decode(tuple[AppWarning, ...], json.loads(self._native.warnings()))

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


def app_schema() -> dict[str, Any]:
    """The JSON Schema (draft 7) of an app as `nacp.yaml` describes it, for editors and for checks without NACP.

    >>> nacp.app_schema()["required"]
    ['name', 'services']
    """
    return dict(json.loads(_nacp.app_schema()))


def native_app(app: App) -> _nacp.App:
    """The core's half of an app.

    Raises:
        TypeError: It is none; text must be parsed first.
    """
    if not isinstance(app, App):
        raise TypeError(f"an nacp.App is needed, not {type(app).__name__}; App.parse and App.from_file read one")
    return app._native


def _described(value: Any) -> Any:
    """A value in the core's words: what is None is not said."""
    if isinstance(value, Rolling):
        return {"rolling": value.to_dict()}
    if isinstance(value, Record) and is_dataclass(value):
        parts = ((part.name, getattr(value, part.name)) for part in fields(value))
        return {name: _described(part) for name, part in parts if part is not None}
    if isinstance(value, Mapping):
        return {key: _described(part) for key, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


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
