"""The exceptions of NACP: one class for each kind of failure, all under `NacpError`.

A class also has the builtin base that a Python program would look for, so `except ValueError` and `except TimeoutError`
work. Names and numbers are those of the core's table, the same as in Rust and in C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class NacpError(Exception):
    r"""Something in NACP failed. Only its subclasses are raised.

    >>> try:
    ...     nacp.App.parse("name: a\nservices: { llm: { imgae: x } }")
    ... except nacp.NacpError as error:
    ...     print(error.kind, error.code, error.retryable, error.hint)
    InvalidArgument 1 False did you mean image?
    """

    kind: ClassVar[str] = "Internal"
    """The kind's name, the same in Rust, in JSON and in logs."""
    code: ClassVar[int] = 12
    """The kind's stable number, the value of the `nacp_status` in C."""

    operation: str
    """Which operation failed, dotted: `gpu.discover`, `engine.start`."""
    context: dict[str, str]
    """The variables of the failure, in the order in which they are printed."""
    hint: str | None
    """How to mend it, where the user can."""
    retryable: bool
    """Whether the same call may succeed later, without anybody changing anything."""
    causes: tuple[str, ...]
    """What caused it, the nearest cause first."""

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        context: Mapping[str, str] | None = None,
        hint: str | None = None,
        retryable: bool = False,
        causes: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.context = dict(context or {})
        self.hint = hint
        self.retryable = retryable
        self.causes = tuple(causes)


class InvalidArgument(NacpError, ValueError):
    """The caller passed something that cannot be right; trying again with the same values cannot help."""

    kind, code = "InvalidArgument", 1


class NotFound(NacpError, LookupError):
    """The named thing is not there."""

    kind, code = "NotFound", 2


class Conflict(NacpError):
    """Something else has what was asked for: a name, a port, a generation."""

    kind, code = "Conflict", 3


class PermissionDenied(NacpError, PermissionError):
    """The operating system, the driver or the engine refuses this user."""

    kind, code = "PermissionDenied", 4


class Unsupported(NacpError, NotImplementedError):
    """This driver, engine or build cannot do what was asked."""

    kind, code = "Unsupported", 5


class DriverUnavailable(NacpError, ConnectionError):
    """No usable NVIDIA driver: not installed, not loaded, broken, or too old."""

    kind, code = "DriverUnavailable", 6


class EngineUnavailable(NacpError, ConnectionError):
    """No usable container engine: not installed, not running, or out of reach."""

    kind, code = "EngineUnavailable", 7


class DeviceLost(NacpError):
    """A GPU stopped answering and needs a reset or a restart of the machine."""

    kind, code = "DeviceLost", 8


class ResourceExhausted(NacpError):
    """Not enough memory, GPUs, ports or capacity for what was asked."""

    kind, code = "ResourceExhausted", 9


class Timeout(NacpError, TimeoutError):
    """The time limit passed first."""

    kind, code = "Timeout", 10


class Cancelled(NacpError):
    """The caller, or the program's end, stopped the operation."""

    kind, code = "Cancelled", 11


class InternalError(NacpError):
    """A defect of NACP itself, a caught panic included."""

    kind, code = "Internal", 12


class ServiceFailed(NacpError):
    """A service's own program ended or broke; its log says why. The same app may work once the service is mended."""

    kind, code = "ServiceFailed", 13
