"""What another way to the same GPU can do, so that its figures stand beside NACP's."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from pathlib import Path

    from suite import Start

#: Copies and launches that are not counted: an idle link and idle clocks need work to rise.
WARM_UP = 2
#: Launches that are queued before they are waited for.
BATCH = 500


class Absent(Exception):
    """This way is not there, or does not do this; the text is the reason."""


class Client(ABC):
    """One way to the GPU. Every method raises `Absent` where it does not do that."""

    name: str
    #: What its figures hold beside the work itself.
    note = ""

    def copies(self, direction: str, size: int, repeats: int) -> list[float]:
        """Bytes a second of copies of pinned memory, each timed on the device's clock. `direction` is h2d or d2h."""
        raise Absent("it copies no pinned memory")

    def start(self, start: Start, ptx: Path) -> Callable[[], None]:
        """Loads the text, and returns what queues one start of a kernel without arguments."""
        raise Absent("it starts no kernel of ours")

    def wait(self) -> None:
        """Waits for all that was queued."""
        raise Absent("it starts no kernel of ours")

    def digest(self, start: Start, ptx: Path) -> str:
        """SHA-256 of the words that a kernel writes."""
        raise Absent("it starts no kernel of ours")

    def matmul(self) -> float:
        """Operations a second of a multiplication of large matrices of 32 bits, without TF32."""
        raise Absent("it multiplies no matrices")

    @abstractmethod
    def close(self) -> None:
        """Gives everything back."""

    def launches(self, start: Start, ptx: Path, count: int) -> dict[str, list[float]]:
        """Seconds that a launch costs its caller, and that one takes which is waited for."""
        go = self.start(start, ptx)
        for _ in range(min(count, BATCH)):
            go()
        self.wait()
        costs: list[float] = []
        while len(costs) < count:
            for _ in range(min(BATCH, count - len(costs))):
                begun = time.perf_counter()
                go()
                costs.append(time.perf_counter() - begun)
            self.wait()
        waits = []
        for _ in range(count):
            begun = time.perf_counter()
            go()
            self.wait()
            waits.append(time.perf_counter() - begun)
        return {"host_cost": costs, "synchronised": waits}
