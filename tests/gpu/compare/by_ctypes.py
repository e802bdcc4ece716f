"""libcuda itself through Python's ctypes: needs nothing but the driver, and shares no line with NACP."""

from __future__ import annotations

import ctypes
import hashlib
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import TYPE_CHECKING, Callable, Iterator

from client import WARM_UP, Absent, Client

if TYPE_CHECKING:
    from pathlib import Path

    from suite import Start

NON_BLOCKING = 1


class ByCtypes(Client):
    """One device, its shared context and one stream."""

    name = "ctypes"
    note = "Python's call is in the times of launches"

    def __init__(self, library: str, ordinal: int) -> None:
        try:
            self._cuda = ctypes.CDLL(library)
        except OSError as error:
            raise Absent(str(error)) from error
        self._device, context, self._stream = c_int(), c_void_p(), c_void_p()
        self._call("cuInit", c_uint(0))
        self._call("cuDeviceGet", byref(self._device), c_int(ordinal))
        self._call("cuDevicePrimaryCtxRetain", byref(context), self._device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuStreamCreateWithPriority", byref(self._stream), c_uint(NON_BLOCKING), c_int(0))

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._cuda, function)(*arguments)
        if code != 0:
            raise RuntimeError(f"{function} answers {code}")

    @contextmanager
    def _memory(self, size: int) -> Iterator[c_uint64]:
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), c_size_t(size))
        try:
            yield address
        finally:
            self._call("cuMemFree_v2", address)

    @contextmanager
    def _event(self) -> Iterator[c_void_p]:
        event = c_void_p()
        self._call("cuEventCreate", byref(event), c_uint(0))
        try:
            yield event
        finally:
            self._call("cuEventDestroy_v2", event)

    @contextmanager
    def _function(self, kernel: str, ptx: Path) -> Iterator[c_void_p]:
        module, function = c_void_p(), c_void_p()
        self._call("cuModuleLoadDataEx", byref(module), c_char_p(ptx.read_bytes()), c_uint(0), None, None)
        try:
            self._call("cuModuleGetFunction", byref(function), module, c_char_p(kernel.encode()))
            yield function
        finally:
            self._call("cuModuleUnload", module)

    def copies(self, direction: str, size: int, repeats: int) -> list[float]:
        host, took, speeds = c_void_p(), c_float(), []
        self._call("cuMemHostAlloc", byref(host), c_size_t(size), c_uint(0))
        try:
            with self._memory(size) as memory, self._event() as begin, self._event() as end:
                for round_ in range(WARM_UP + repeats):
                    self._call("cuEventRecord", begin, self._stream)
                    if direction == "h2d":
                        self._call("cuMemcpyHtoDAsync_v2", memory, host, c_size_t(size), self._stream)
                    else:
                        self._call("cuMemcpyDtoHAsync_v2", host, memory, c_size_t(size), self._stream)
                    self._call("cuEventRecord", end, self._stream)
                    self._call("cuEventSynchronize", end)
                    self._call("cuEventElapsedTime", byref(took), begin, end)
                    if round_ >= WARM_UP and took.value > 0:
                        speeds.append(size / took.value * 1e3)
        finally:
            self._call("cuMemFreeHost", host)
        return speeds

    def _launch(self, function: c_void_p, start: Start, arguments: ctypes.Array[c_void_p] | None) -> None:
        grid = (c_uint(start.grid), c_uint(1), c_uint(1))
        block = (c_uint(start.block), c_uint(1), c_uint(1))
        self._call("cuLaunchKernel", function, *grid, *block, c_uint(0), self._stream, arguments, None)

    def start(self, start: Start, ptx: Path) -> Callable[[], None]:
        # The module stays until the context ends: what is returned needs it.
        module, function = c_void_p(), c_void_p()
        self._call("cuModuleLoadDataEx", byref(module), c_char_p(ptx.read_bytes()), c_uint(0), None, None)
        self._call("cuModuleGetFunction", byref(function), module, c_char_p(start.kernel.encode()))
        return lambda: self._launch(function, start, None)

    def wait(self) -> None:
        self._call("cuStreamSynchronize", self._stream)

    def digest(self, start: Start, ptx: Path) -> str:
        words = (c_uint32 * start.words)()
        size = c_size_t(ctypes.sizeof(words))
        with self._function(start.kernel, ptx) as function, self._memory(size.value) as out:
            with self._memory(4 * start.grid) as blocks:
                numbers = [c_uint32(number) for number in start.numbers]
                values = [out, blocks, *numbers]
                pointers = (c_void_p * len(values))(*(ctypes.cast(byref(value), c_void_p) for value in values))
                self._launch(function, start, pointers)
                self._call("cuMemcpyDtoHAsync_v2", words, out, size, self._stream)
                self.wait()
        return hashlib.sha256(bytes(words)).hexdigest()

    def close(self) -> None:
        self._call("cuStreamDestroy_v2", self._stream)
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)
