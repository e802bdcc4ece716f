"""PyTorch: copies of pinned tensors, and the multiplication of large matrices as a figure to have in mind."""

from __future__ import annotations

import importlib
from typing import Any

from client import WARM_UP, Absent, Client

SIDE = 8192
MULTIPLICATIONS = 10


class ByTorch(Client):
    """One device."""

    name = "PyTorch"

    def __init__(self, ordinal: int) -> None:
        try:
            self._torch: Any = importlib.import_module("torch")
        except Exception as error:  # whatever a foreign package fails with, it is not there
            raise Absent(f"no PyTorch: {error}") from error
        if not self._torch.cuda.is_available():
            raise Absent("this PyTorch sees no GPU")
        self._device = self._torch.device("cuda", ordinal)
        self._torch.cuda.set_device(self._device)

    def _seconds(self, work: Any, warm_up: int, repeats: int) -> list[float]:
        cuda, took = self._torch.cuda, []
        for round_ in range(warm_up + repeats):
            begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            begin.record()
            work()
            end.record()
            end.synchronize()
            milliseconds = begin.elapsed_time(end)
            if round_ >= warm_up and milliseconds > 0:
                took.append(milliseconds / 1e3)
        return took

    def copies(self, direction: str, size: int, repeats: int) -> list[float]:
        torch = self._torch
        host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        memory = torch.empty(size, dtype=torch.uint8, device=self._device)
        to, source = (memory, host) if direction == "h2d" else (host, memory)
        return [size / took for took in self._seconds(lambda: to.copy_(source, non_blocking=True), WARM_UP, repeats)]

    def matmul(self) -> float:
        torch = self._torch
        torch.backends.cuda.matmul.allow_tf32 = False
        one, other = (torch.rand(SIDE, SIDE, device=self._device) for _ in range(2))
        took = sorted(self._seconds(lambda: one @ other, WARM_UP, MULTIPLICATIONS))
        if not took:
            raise Absent("its clock stood still")
        return 2.0 * SIDE**3 / took[len(took) // 2]

    def close(self) -> None:
        self._torch.cuda.empty_cache()
