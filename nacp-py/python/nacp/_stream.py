"""What comes one after another and is waited for: with `for`, with `async for`, or one by one."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from nacp._check import seconds

T = TypeVar("T")
S = TypeVar("S", bound="Stream[Any]")

# One turn of a wait off the event loop: a thread that nobody waits for any more ends within this many seconds.
TURN = 0.2
FOREVER = 86_400.0


class Native(Protocol):
    """The half in Rust."""

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""

    def wait(self, seconds: float) -> bool:
        """Waits until there is something, or nothing more will come; false when the time has passed."""

    def close(self) -> None:
        """Ends it."""


class Stream(Generic[T]):
    """What comes one after another.

    Iterate over it with `for` or `async for`, or ask it with `next`. Ctrl-C ends a wait, a coroutine that waits can be
    cancelled, and nothing is lost by either. Leaving its `with` block closes it.
    """

    __slots__ = ("_source", "_timeout")

    def __init__(self, source: Native, timeout: float | None) -> None:
        self._source = source
        self._timeout = None if timeout is None else seconds("timeout", timeout)

    def _take(self) -> T | None:
        raise NotImplementedError

    def next(self, timeout: float | None = None) -> T | None:
        """Waits for the next one.

        Args:
            timeout: How many seconds to wait at most; None for as long as it takes.

        Returns:
            What came, or None when the time has passed or nothing more will come.

        Raises:
            InvalidArgument: The timeout is below 0, or no number.
        """
        end = _end(timeout)
        while (came := self._take()) is None and not self.closed:
            if not self._source.wait(_left(end)) and time.monotonic() >= end:
                return None
        return came

    async def next_async(self, timeout: float | None = None) -> T | None:
        """The same for a coroutine. The wait takes a thread of the loop's default executor."""
        import asyncio  # here, because who does not use it should not pay for it at the import

        loop, end = asyncio.get_running_loop(), _end(timeout)
        while (came := self._take()) is None and not self.closed:
            here = await loop.run_in_executor(None, self._source.wait, min(_left(end), TURN))
            if not here and time.monotonic() >= end:
                return None
        return came

    def __iter__(self: S) -> S:
        return self

    def __next__(self) -> T:
        came = self.next(self._timeout)
        if came is None:
            raise StopIteration
        return came

    def __aiter__(self: S) -> S:
        return self

    async def __anext__(self) -> T:
        came = await self.next_async(self._timeout)
        if came is None:
            raise StopAsyncIteration
        return came

    @property
    def closed(self) -> bool:
        """Whether nothing more will come. In a forked child it is always so."""
        return self._source.closed

    def close(self) -> None:
        """Ends it. Closing twice is no error."""
        self._source.close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{', closed' if self.closed else ''}>"


def _end(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + seconds("timeout", timeout)


def _left(end: float) -> float:
    return min(max(0.0, end - time.monotonic()), FOREVER)
