from collections.abc import Sequence
from typing import Final, SupportsIndex, final

__all__ = ["VERSION", "App", "Endpoint", "EndpointLoad", "Gateway", "Lease", "Node", "Plane", "Router", "detect", "error_table", "panic", "place", "probe_cuda", "size"]

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
    def to_json(self, /) -> str:
        """
        The app in its normal form, as JSON that is YAML too.
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
    def gpu(self, /, id: str) -> str:
        """
        The GPU with this id, as JSON.
        """
    def gpus(self, /) -> str:
        """
        The GPUs, as JSON.
        """
    def metrics(self, /) -> str:
        """
        One reading of every GPU, as Prometheus text.
        """
    def origin(self, /) -> str:
        """
        What the node is read from, as JSON.
        """
    @staticmethod
    def simulated(name: str) -> Node:
        """
        A simulated machine that comes with NACP.
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
    def refresh(self, /) -> None:
        """
        Brings the router up to date with what is ready now.
        """
    def router(self, /) -> Router:
        """
        The router that follows this plane: the same one at every call.
        """
    def status(self, /, app: str) -> str:
        """
        What of an app is there, as JSON.
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

def detect() -> str:
    """
    The layers on which this process runs, as JSON, each with its line of text.
    """

def error_table() -> list[tuple[str, int, str, str]]:
    """
    The core's table of kinds: name, number, Python class, C status.
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

def size(bytes: SupportsIndex) -> str:
    """
    A number of bytes with the binary unit that fits, such as `3.50 GiB`.
    """
