from _typeshed import SupportsGetItem
from collections.abc import Sequence
from os import PathLike
from typing import Any, Final, SupportsFloat, SupportsIndex, final

__all__ = ["VERSION", "App", "Endpoint", "EndpointLoad", "Events", "Frame", "Gateway", "HealthMonitor", "History", "Lease", "Node", "Plane", "Recording", "Replay", "Router", "Sampler", "Subscription", "Telemetry", "Topology", "Work", "answer_probe", "app_schema", "certificate_compare", "certificate_text", "certificate_verify", "certificate_words", "check", "check_health", "cli", "cuda_opens", "decision_compare", "decision_html", "decision_markdown", "decision_text", "detect", "diagnose", "diagnosis_error", "diagnosis_html", "diagnosis_markdown", "diagnosis_text", "error_table", "evaluate", "explain", "fields", "lock", "lock_completeness", "lock_diff", "lock_error", "lock_parse", "lock_read", "lock_text", "lock_verify", "lock_write", "metrics", "panic", "place", "probe_cuda", "report_compare", "report_error", "report_html", "report_markdown", "report_text", "size", "survey", "survey_host", "thresholds_template"]

VERSION: Final[str]
"""
The version of the package.
"""

@final
class App:
    """
    A valid app.
    """
    @staticmethod
    def from_compose(content: bytes, *, file: str | None, name: str | None, folder: str | None, env: dict[str, str] | None, as_docker: bool) -> tuple[App, str]:
        """
        Reads a compose file, from a text or from what is in a file; also its notes, as JSON. Without `env`, the variables
        are those of the environment and, where there is a folder, of the file `.env` in it.
        """
    @staticmethod
    def parse(text: str) -> App:
        """
        Reads an app from YAML or JSON and validates it.
        """
    @staticmethod
    def read(content: bytes, file: str) -> App:
        """
        As `parse`, from what is in a file. `file` is named in errors.
        """
    def start_order(self, /) -> list[str]:
        """
        The services' names in the order in which they start.
        """
    def to_compose(self, /) -> tuple[str, str]:
        """
        The app as a compose file; also its notes, as JSON.
        """
    def to_json(self, /) -> str:
        """
        The app in its normal form, as JSON that is YAML too.
        """
    def to_yaml(self, /) -> str:
        """
        The app as people write it.
        """
    def warnings(self, /) -> str:
        """
        What is valid and worth a second look, as JSON.
        """

@final
class Endpoint:
    """
    Where one replica of a service answers requests.

    Attributes:
        app: The app that the replica belongs to.
        service: The service that it is a replica of.
        model: The model that it serves, or None.
        replica: The replica's name: that of its container.
        address: The address of its HTTP server, such as `127.0.0.1:8000`.
        url: The same as `http://…`.

    >>> nacp.Endpoint(app="a", service="llm", replica="a.llm.0", address="127.0.0.1:8000").url
    'http://127.0.0.1:8000'
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, *, app: str, service: str, replica: str, address: str, model: str | None = None) -> Endpoint: ...
    def __reduce__(self, /) -> "tuple[object, ...]":
        """
        What every protocol of pickle can write; `__getnewargs_ex__` needs the second at least.
        """
    def __repr__(self, /) -> str: ...
    @property
    def address(self, /) -> str: ...
    @property
    def app(self, /) -> str: ...
    @property
    def model(self, /) -> str | None: ...
    @property
    def replica(self, /) -> str: ...
    @property
    def service(self, /) -> str: ...
    @property
    def url(self, /) -> str: ...

@final
class EndpointLoad:
    """
    An endpoint of a router's table and how busy it is.

    Attributes:
        endpoint: The endpoint.
        in_flight: Requests that it is working on.
        served: Requests that were routed to it since it came into the table, those in flight included.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, *, endpoint: Endpoint, in_flight: SupportsIndex, served: SupportsIndex) -> EndpointLoad: ...
    def __reduce__(self, /) -> "tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    @property
    def endpoint(self, /) -> Endpoint: ...
    @property
    def in_flight(self, /) -> int: ...
    @property
    def served(self, /) -> int: ...

@final
class Events:
    """
    A wait for events. It belongs to the process that opened it.
    """
    def close(self, /) -> None:
        """
        Stops listening. What came before can still be taken. In a forked child it does nothing.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether it has been closed, or was opened by another process.
        """
    def take(self, /) -> str | None:
        """
        The event that came first of those that were not taken yet, as JSON with a line of text.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits until `take` has something to give or nothing more will come, at most this many seconds. False when they
        have passed.
        """

@final
class Frame:
    """
    What all GPUs were doing at one tick. It stays native until somebody looks into it.
    """
    @property
    def at(self, /) -> int:
        """
        When it was read, in microseconds since 1970.
        """
    @property
    def fields(self, /) -> list[str]:
        """
        The names of the readings that were read at this tick.
        """
    def samples(self, /) -> str:
        """
        A sample of each GPU, as JSON.
        """
    @property
    def tick(self, /) -> int:
        """
        Which tick it was, from 1.
        """
    def values(self, /, metric: str) -> list[float | None]:
        """
        A number of each GPU, in the order of the samples; None where it is not known.
        """

@final
class Gateway:
    """
    A running gateway. It belongs to the process that opened it: a forked child has none of its threads.
    """
    @property
    def address(self, /) -> str:
        """
        Where it answers.
        """
    def close(self, /) -> None:
        """
        Waits for the requests in flight and closes it. In a forked child it does nothing.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether it has been closed, or was opened by another process.
        """
    def metrics(self, /) -> str:
        """
        The same as OpenMetrics text.
        """
    def stats(self, /) -> str:
        """
        What it has done so far, as JSON.
        """

@final
class HealthMonitor:
    """
    A watch over the health of a node. It belongs to the process that made it.
    """
    def __new__(cls, /, node: Node, thresholds: str | None, history: str | None) -> HealthMonitor:
        """
        A monitor of this node that knows what an earlier one knew, where its history is given as JSON.
        """
    def forget(self, /, gpu: str) -> str:
        """
        A GPU was taken out; what that ended, as JSON.
        """
    def health(self, /) -> str | None:
        """
        What stands, as it was seen last, as JSON; None before the first look.
        """
    def history(self, /) -> str:
        """
        What it knows of Xids and restarts, as JSON.
        """
    def observe(self, /) -> str:
        """
        Reads the node once and tells what changed, as JSON.
        """
    def rebooted(self, /) -> str:
        """
        The machine was restarted; what that ended, as JSON.
        """
    def reset(self, /, gpu: str) -> str:
        """
        A GPU was reset; what that ended, as JSON.
        """

@final
class History:
    """
    A table: a row for each tick and GPU, by time; a column for each number.
    """
    def __len__(self, /) -> int: ...
    def arrow(self, /) -> "object":
        """
        All of it as a stream of Arrow record batches: a capsule of the Arrow PyCapsule interface.
        """
    def at(self, /) -> bytes:
        """
        When each row was read, in microseconds since 1970, as bytes of 64-bit integers.
        """
    @property
    def columns(self, /) -> list[str]:
        """
        The names of the numbers.
        """
    def gpu(self, /) -> bytes:
        """
        Of which GPU each row is, as its position among them, as bytes of 32-bit integers without a sign.
        """
    @property
    def gpus(self, /) -> list[str]:
        """
        The ids of the GPUs.
        """
    def known(self, /, name: str) -> int:
        """
        How many values of a column are known.
        """
    def last(self, /, name: str, gpu: SupportsIndex) -> float | None:
        """
        The last known value of a column of one GPU.
        """
    def outline(self, /, name: str, gpu: SupportsIndex, points: SupportsIndex) -> list[tuple[int, float]]:
        """
        The known values of a column of one GPU: position among the GPU's rows, and value; at most so many, each the mean
        of a stretch of rows.
        """
    def raw(self, /, name: str) -> bytes:
        """
        The values of a column as bytes of 64-bit floats, NaN where one is not known.
        """
    def values(self, /, name: str) -> list[float | None]:
        """
        The values of a column, None where one is not known.
        """

@final
class Lease:
    """
    A request that was routed to an endpoint and is not over.

    Use it in a `with` block, or call `end()`; one that is forgotten ends when it is collected.

    Attributes:
        endpoint: Where to send the request.
        over: Whether the request is over.
    """
    def __enter__(self, /) -> Lease: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __repr__(self, /) -> str: ...
    def end(self, /) -> None:
        """
        Says that the request is over. Ending twice is no error.
        """
    @property
    def endpoint(self, /) -> Endpoint: ...
    @property
    def over(self, /) -> bool: ...

@final
class Node:
    """
    A machine with its GPUs.
    """
    @staticmethod
    def discover() -> Node:
        """
        Finds the GPUs of this machine through the NVIDIA driver.
        """
    @staticmethod
    def discover_guarded(program: str | PathLike[str], arguments: SupportsGetItem[int, str], seconds: SupportsFloat | SupportsIndex) -> Node:
        """
        The same after a child process did it first: this program with these arguments, within so many seconds.
        """
    def events(self, /) -> Events:
        """
        Begins to listen for what happens to the GPUs.
        """
    def gpu(self, /, id: str) -> str:
        """
        The GPU with this id, as JSON.
        """
    def gpus(self, /) -> str:
        """
        The GPUs, as JSON.
        """
    def health(self, /, thresholds: str | None) -> str:
        """
        How healthy the GPUs are, by these thresholds, as JSON.
        """
    def metrics(self, /, hostname: str | None, label: str, health: bool, monitor: HealthMonitor | None, processes: bool) -> str:
        """
        One reading of every GPU as Prometheus text, with the machine's name under this label where there is one.
        """
    @staticmethod
    def node_file(name: str) -> str:
        """
        The node file of a simulated machine that comes with NACP, as JSON.
        """
    def origin(self, /) -> str:
        """
        What the node is read from, as JSON.
        """
    def pairs(self, /) -> str:
        """
        What each two GPUs are to each other, as JSON.
        """
    def processes(self, /, engine: "str | None") -> "str":
        """
        The processes on the GPUs with their owners, as JSON; containers have the names that this engine knows.
        """
    def reread(self, /) -> Node:
        """
        The same node with its GPUs read anew.
        """
    def sampler(self, /, fields: str) -> Sampler:
        """
        Something that reads these fields of every GPU again and again.
        """
    @staticmethod
    def simulated(name: str) -> Node:
        """
        A simulated machine that comes with NACP.
        """
    @staticmethod
    def simulated_from(file: str) -> Node:
        """
        A simulated machine from a node file.
        """
    @staticmethod
    def simulated_names() -> list[str]:
        """
        The names of the simulated machines.
        """
    def snapshot(self, /) -> str:
        """
        One reading of every GPU, as JSON.
        """
    def support(self, /) -> str:
        """
        What every call of the driver's library was answered with, as JSON.
        """
    def telemetry(self, /, fast: "float | None", medium: "float | None", slow: "float | None", own: "tuple[str | None, str | None, str | None]", history: "float", fields: "str", memory: "int", buffer: "int") -> "Telemetry":
        """
        Reads the GPUs at a steady pace from now on. A tier without a time is not read.
        """
    def topology(self, /) -> Topology:
        """
        How the GPUs reach each other.
        """

@final
class Plane:
    """
    Runs apps on the GPUs of a node, and keeps a router up to date with them.
    """
    def __new__(cls, /, node: Node, engine: str) -> Plane:
        """
        A control plane over this node and the engine of this name.
        """
    def apply(self, /, app: App) -> str:
        """
        Brings an app to what is wanted; its status as JSON. The router follows, also when this fails or is stopped.
        """
    def apps(self, /) -> list[str]:
        """
        The names of the apps of which something is there.
        """
    def delete(self, /, app: str) -> int:
        """
        Removes everything of an app; how many containers those were. The router follows.
        """
    def endpoints(self, /) -> list[Endpoint]:
        """
        Where the ready replicas of all apps answer.
        """
    def engine_info(self, /) -> str:
        """
        What the engine is and what it offers, as JSON.
        """
    def gateway(self, /, host: "str", port: "int", api_key: "str | None") -> "Gateway":
        """
        Opens an HTTP address in front of the router that follows this plane; its `/metrics` are the plane's too.
        """
    def keep(self, /, app: App) -> Work:
        """
        Keeps an app as it is wanted until it is closed, and tells what happens. The router follows.
        """
    def logs(self, /, app: "str", service: "str", replica: "int", lines: "int") -> "list[str]":
        """
        The last lines that a replica wrote.
        """
    def metrics(self, /) -> str:
        """
        The GPUs as they are now and the replicas as they were seen last, as Prometheus text.
        """
    def plan(self, /, app: App) -> str:
        """
        What `apply` would do, as JSON.
        """
    def processes(self, /) -> str:
        """
        The processes on the GPUs with their owners, whose containers have the engine's names, as JSON.
        """
    def refresh(self, /) -> None:
        """
        Brings the router up to date with what is ready now.
        """
    def router(self, /) -> Router:
        """
        The router that follows this plane: the same one at every call.
        """
    def start_apply(self, /, app: App) -> Work:
        """
        As `apply`, in the background: it tells what happens, and its result is the status as JSON.
        """
    def status(self, /, app: str) -> str:
        """
        What of an app is there, as JSON.
        """

@final
class Recording:
    """
    A recording under way. It belongs to the process that began it.
    """
    def finish(self, /) -> str | None:
        """
        Ends it and tells what was written, as JSON; None where it had ended before.
        """

@final
class Replay:
    """
    A recording that is played back.
    """
    def __new__(cls, /, path: str | PathLike[str], speed: SupportsFloat | SupportsIndex | None, at_end: str) -> Replay:
        """
        Opens a recording. Without a speed it goes on by one frame at each reading.
        """
    def node(self, /) -> Node:
        """
        The node that was recorded.
        """
    def progress(self, /) -> str:
        """
        How far it has come, as JSON.
        """

@final
class Router:
    """
    Chooses the replica for each request: of two drawn at random the one that is less busy.

    It may be used from many threads at once.

    >>> router = nacp.Router()
    >>> router.update([nacp.Endpoint(app="a", service="llm", replica="a.llm.0", address="127.0.0.1:8000")])
    >>> with router.route("a/llm") as lease:
    ...     lease.endpoint.url
    'http://127.0.0.1:8000'
    """
    def __new__(cls, /) -> Router: ...
    def __repr__(self, /) -> str: ...
    def endpoints(self, /) -> list[EndpointLoad]:
        """
        Every endpoint of the table with its load, ordered by replica.
        """
    def names(self, /) -> list[str]:
        """
        What a client may ask for: each model, and `app/service` of each service that names no model.
        """
    def route(self, /, model: str) -> Lease:
        """
        Chooses the endpoint for a request and counts the request until the lease ends.

        Args:
            model: What the client asks for: a model, a service's name, or `app/service`.

        Raises:
            NotFound: Nothing answers to the name.
            Conflict: Services of several apps have it.
        """
    def update(self, /, endpoints: Sequence[Endpoint]) -> None:
        """
        Replaces the table by these endpoints, all of which are ready.

        An endpoint that stays keeps its counts; leases on one that goes stay valid until they end.
        """

@final
class Sampler:
    """
    Reads the same numbers of every GPU again and again, as fast as the driver answers.

    It comes from `Node.sampler()`. Its buffers are its own and used again at each reading. Threads may share it; the
    GIL is free while the driver is asked. It reads on the thread of its caller, where Ctrl-C waits for the driver.

    Attributes:
        columns: The names of the numbers, as in `nacp.metrics()`.
        gpus: The ids of the GPUs, in the order of the rows.

    >>> sampler = nacp.simulated_node().sampler("power,temperature")
    >>> sampler.columns, sampler.read()
    (['power', 'temperature'], [(11.2, 51.0)])
    """
    def __repr__(self, /) -> str: ...
    @property
    def columns(self, /) -> list[str]: ...
    @property
    def gpus(self, /) -> list[str]: ...
    def read(self, /) -> "list[tuple[float | None, ...]]":
        """
        Reads the node once: for each GPU the numbers of `columns`. One that is not known is None, never 0.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
    def read_dict(self, /) -> "dict[str, dict[str, float | None]]":
        """
        The same for people: the numbers by name, by the id of the GPU.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """

@final
class Subscription:
    """
    What one subscriber has still to be told.
    """
    def close(self, /) -> None:
        """
        Ends the subscription. In a forked child it does nothing.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether nothing more will come, or it was opened by another process.
        """
    def take(self, /) -> Frame | str | int | BaseException | None:
        """
        The next update, if there is one: a `Frame`, an event's JSON, the number of updates that were lost, or the
        exception of a source that has begun to fail.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits until `take` has something to give or nothing more will come, at most this many seconds. False when they
        have passed.
        """

@final
class Telemetry:
    """
    A running poller. It belongs to the process that started it: a forked child has none of its threads.
    """
    def close(self, /) -> None:
        """
        Ends it. What was read can still be asked for. In a forked child it does nothing.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether it has ended, or was started by another process.
        """
    def energy(self, /, gpu: str | None, last: SupportsFloat | SupportsIndex) -> str:
        """
        The energy that a GPU used in the last seconds, as JSON.
        """
    def history(self, /, metrics: SupportsGetItem[int, str] | None, gpus: SupportsGetItem[int, str] | None, last: SupportsFloat | SupportsIndex | None) -> History:
        """
        The readings that are kept: of these numbers and GPUs, where they are named, and of the last seconds.
        """
    def latest(self, /) -> str | None:
        """
        The last readings as a snapshot, as JSON; None before the first.
        """
    def metrics(self, /) -> list[str]:
        """
        The names of the numbers that are read.
        """
    def record(self, /, path: str | PathLike[str], scrub: bool, level: SupportsIndex) -> Recording:
        """
        Records every reading and every event from now on to a new file.
        """
    def render(self, /, hostname: str | None, label: str, monitor: HealthMonitor | None, processes: bool) -> str | None:
        """
        The last readings as Prometheus text, with how the poller fares; None before the first.
        """
    def status(self, /) -> str:
        """
        How the poller fares, as JSON.
        """
    def subscribe(self, /) -> Subscription:
        """
        Begins to be told every reading and every event from now on.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits for the first reading, so many seconds at most.
        """
    def window(self, /, metric: str, gpu: str | None, last: SupportsFloat | SupportsIndex) -> str:
        """
        The figures of a number over the last seconds, as JSON.
        """

@final
class Topology:
    """
    A computed topology.
    """
    def best_group(self, /, count: "int", among: "list[str] | None") -> "list[str]":
        """
        The ids of the GPUs that work best together, among these where some are given.
        """
    def json(self, /) -> str:
        """
        Everything that is known about it, as JSON.
        """
    def nearest(self, /, gpu: str) -> list[str]:
        """
        The ids of the other GPUs, the nearest first.
        """
    def text(self, /) -> str:
        """
        The matrix as `nvidia-smi topo -m` prints it.
        """
    def tree_text(self, /) -> str:
        """
        The tree as indented lines.
        """

@final
class Work:
    """
    Work that goes on in the background: an `apply`, or the keeping of an app. What it tells is taken one by one; when it is
    over, it has a result.
    """
    def close(self, /) -> None:
        """
        Ends the work where it is; what runs goes on. In a forked child it does nothing.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether nothing more will come, or it was started by another process.
        """
    def cordon(self, /, gpu: str, reason: str | None) -> None:
        """
        Gives a GPU to no further replica and moves those that it has, for this reason; without one ends that.
        """
    def drain(self, /, service: str, drained: bool) -> None:
        """
        Empties a service, or ends that.
        """
    def pause(self, /) -> None:
        """
        Changes nothing until `resume`.
        """
    def result(self, /) -> str | None:
        """
        What the work gave, as JSON; raises what it failed with. None while it goes on, and once it was asked.
        """
    def resume(self, /) -> None:
        """
        Ends a `pause`.
        """
    def scale(self, /, service: "str", replicas: "int") -> "None":
        """
        Wants so many replicas of a service.
        """
    def set(self, /, app: App) -> None:
        """
        Wants this specification from now on.
        """
    def take(self, /) -> str | None:
        """
        The next event as JSON, with one line of text for people, if there is one.
        """
    def wait(self, /, seconds: SupportsFloat | SupportsIndex) -> bool:
        """
        Waits until `take` has something to give or the work is over, at most this many seconds. False when they have passed.
        """

def answer_probe() -> bool:
    """
    Does what a child process of the library does, if this process was started as one; whether it was.
    """

def app_schema() -> str:
    """
    The JSON Schema of an app, as JSON.
    """

def certificate_compare(first: str, second: str) -> str:
    """
    What two certificates have in common, as JSON.
    """

def certificate_text(text: str) -> str:
    """
    A certificate in its canonical form, from JSON of any form.
    """

def certificate_verify(text: str) -> str:
    """
    What holds of a certificate, as JSON.
    """

def certificate_words(text: str) -> str:
    """
    A certificate in words.
    """

def check(wanted: str, listener: Any | None) -> str:
    """
    Runs the checks that are asked for, as JSON, and gives the report, as JSON. Each step is told to `listener`, if there is
    one; an exception that it or a signal raises ends the run.
    """

def check_health(thresholds: str | None, program: str | PathLike[str] | None, arguments: SupportsGetItem[int, str], limit: SupportsFloat | SupportsIndex) -> str:
    """
    The health of this machine as JSON, also where the driver does not answer. Where a program is given, it touches the
    driver first, with these arguments, within so many seconds.
    """

def cli(arguments: SupportsGetItem[int, str], program: tuple[str | PathLike[str], SupportsGetItem[int, str]]) -> int:
    """
    Does what the program `nacp` does with these arguments, on the standard streams of this process, and gives the number
    with which it ends. Children that touch a driver are started as `program` with its arguments.
    """

def cuda_opens(library: str | PathLike[str] | None) -> bool:
    """
    Whether there is a CUDA driver's library that opens. Nothing of it is called.
    """

def decision_compare(decision: str, earlier: str) -> str:
    """
    What is different from an earlier decision, as JSON, with all of it in words.
    """

def decision_html(decision: str) -> str:
    """
    A decision as a page of its own.
    """

def decision_markdown(decision: str) -> str:
    """
    A decision as Markdown.
    """

def decision_text(decision: str, width: SupportsIndex) -> str:
    """
    A decision as a table for a console of so many columns.
    """

def detect(root: str | PathLike[str] | None, daemons: bool) -> str:
    """
    The layers on which this process runs, or one on the machine in this folder, as JSON, each with its line of text.
    """

def diagnose(survey: str) -> str:
    """
    What is wrong on a surveyed machine, as JSON.
    """

def diagnosis_error(diagnosis: str) -> None:
    """
    Raises what is broken first; nothing where nothing is.
    """

def diagnosis_html(diagnosis: str) -> str:
    """
    A diagnosis as a page of its own.
    """

def diagnosis_markdown(diagnosis: str) -> str:
    """
    A diagnosis as Markdown.
    """

def diagnosis_text(diagnosis: str) -> str:
    """
    A diagnosis in words.
    """

def error_table() -> list[tuple[str, int, str, str]]:
    """
    The core's table of kinds: name, number, Python class, C status.
    """

def evaluate(wanted: str) -> str:
    """
    Measures what can be measured, as JSON says, and gives the decision, as JSON.
    """

def explain(text: str, survey: str) -> str:
    """
    What the text of an error, or an entry of the catalogue by its id, means on a surveyed machine, as JSON, with all of it in
    words, as Markdown and as a page.
    """

def fields() -> list[str]:
    """
    The names of the readings of a sample.
    """

def lock(survey: str, app: App | None, images: bool, root: str | PathLike[str] | None, certificates: SupportsGetItem[int, str]) -> str:
    """
    What a surveyed machine, an app and certificates are, pinned, as JSON. Where `images` says so, the machine's daemon is
    asked for the images.
    """

def lock_completeness(lock: str) -> str:
    """
    How much of a lock is pinned, as JSON.
    """

def lock_diff(lock: str, other: str) -> str:
    """
    The lines in which two locks differ.
    """

def lock_error(lock: str, now: str) -> None:
    """
    Raises the first change that may change results; nothing where none may.
    """

def lock_parse(text: str) -> str:
    """
    A lock from the text of its file, as JSON.
    """

def lock_read(path: str | PathLike[str]) -> str:
    """
    A lock from its file, as JSON.
    """

def lock_text(lock: str) -> str:
    """
    A lock as the text of its file.
    """

def lock_verify(lock: str, now: str) -> str:
    """
    What has changed between a lock and another one, of now, as JSON, with all of it in words.
    """

def lock_write(lock: str, path: str | PathLike[str]) -> bool:
    """
    Writes a lock to its file; whether the file was changed.
    """

def metrics() -> list[tuple[str, str, str, str]]:
    """
    The numbers that there are: name, unit, `gauge` or `counter`, and the field that must be read for it.
    """

def panic(message: str) -> None:
    """
    Panics inside the library, on purpose: a test of the boundary needs one. Raises `InternalError`.
    """

def place(app: App, node: Node) -> str:
    """
    Which GPUs each replica of an app would get on a node where nothing runs, as JSON.
    """

def probe_cuda() -> str:
    """
    What the CUDA driver says about this machine, as JSON.
    """

def report_compare(report: str, earlier: str) -> str:
    """
    What became better or worse since an earlier report, as JSON.
    """

def report_error(report: str) -> None:
    """
    Raises what does not work first; nothing if everything does.
    """

def report_html(report: str) -> str:
    """
    A report as a page of its own.
    """

def report_markdown(report: str) -> str:
    """
    A report as Markdown.
    """

def report_text(report: str) -> str:
    """
    A report as a table for a console.
    """

def size(bytes: SupportsIndex) -> str:
    """
    A number of bytes with the binary unit that fits, such as `3.50 GiB`.
    """

def survey(wanted: str) -> str:
    """
    Reads the machine that is asked for, as JSON, and gives what was read, as JSON.
    """

def survey_host(survey: str) -> str:
    """
    The layers of a survey, in the same form.
    """

def thresholds_template() -> str:
    """
    The default thresholds, as JSON.
    """
