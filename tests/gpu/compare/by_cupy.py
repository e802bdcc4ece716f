"""CuPy: its own pinned memory, its own streams, and the same PTX through `RawModule`."""

from __future__ import annotations

import hashlib
import importlib
from typing import TYPE_CHECKING, Any, Callable

from client import WARM_UP, Absent, Client

if TYPE_CHECKING:
    from pathlib import Path

    from suite import Start


class ByCupy(Client):
    """One device and one stream."""

    name = "CuPy"
    note = "Python's call is in the times of launches"

    def __init__(self, ordinal: int) -> None:
        try:
            self._cupy: Any = importlib.import_module("cupy")
        except Exception as error:  # whatever a foreign package fails with, it is not there
            raise Absent(f"no CuPy: {error}") from error
        self._cupy.cuda.Device(ordinal).use()
        self._stream = self._cupy.cuda.Stream(non_blocking=True)
        self._modules: dict[Path, Any] = {}

    def copies(self, direction: str, size: int, repeats: int) -> list[float]:
        cuda = self._cupy.cuda
        host, memory, speeds = cuda.alloc_pinned_memory(size), cuda.alloc(size), []
        begin, end = cuda.Event(), cuda.Event()
        for round_ in range(WARM_UP + repeats):
            begin.record(self._stream)
            if direction == "h2d":
                memory.copy_from_host_async(host.ptr, size, self._stream)
            else:
                memory.copy_to_host_async(host.ptr, size, self._stream)
            end.record(self._stream)
            end.synchronize()
            took = cuda.get_elapsed_time(begin, end)
            if round_ >= WARM_UP and took > 0:
                speeds.append(size / took * 1e3)
        return speeds

    def _function(self, kernel: str, ptx: Path) -> Any:
        if ptx not in self._modules:
            self._modules[ptx] = self._cupy.RawModule(path=str(ptx))
        return self._modules[ptx].get_function(kernel)

    def start(self, start: Start, ptx: Path) -> Callable[[], None]:
        function = self._function(start.kernel, ptx)

        def go() -> None:
            function((start.grid,), (start.block,), (), stream=self._stream)

        return go

    def wait(self) -> None:
        self._stream.synchronize()

    def digest(self, start: Start, ptx: Path) -> str:
        cupy = self._cupy
        with self._stream:
            out = cupy.zeros(start.words, dtype=cupy.uint32)
            blocks = cupy.zeros(start.grid, dtype=cupy.uint32)
            numbers = tuple(cupy.uint32(number) for number in start.numbers)
            self._function(start.kernel, ptx)((start.grid,), (start.block,), (out, blocks, *numbers))
            words = out.get()
        return hashlib.sha256(words.astype("<u4").tobytes()).hexdigest()

    def close(self) -> None:
        self._modules.clear()
