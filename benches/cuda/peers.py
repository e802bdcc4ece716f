"""Time to a usable context in Python, in this process: peers.py torch|cupy. Prints microseconds as JSON."""

import json
import sys
import time


def torch() -> dict[str, float]:
    start = time.perf_counter()
    import torch

    imported = time.perf_counter()
    torch.cuda.init()
    torch.cuda.current_stream().synchronize()
    return {"import_us": (imported - start) * 1e6, "inside_us": (time.perf_counter() - imported) * 1e6}


def cupy() -> dict[str, float]:
    start = time.perf_counter()
    import cupy

    imported = time.perf_counter()
    cupy.cuda.runtime.free(0)
    cupy.cuda.Device(0).use()
    cupy.cuda.Device(0).synchronize()
    return {"import_us": (imported - start) * 1e6, "inside_us": (time.perf_counter() - imported) * 1e6}


if __name__ == "__main__":
    try:
        print(json.dumps({"torch": torch, "cupy": cupy}[sys.argv[1]]()))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        print(json.dumps({"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}))
