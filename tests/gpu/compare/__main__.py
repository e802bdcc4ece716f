"""compare --nacp PROGRAM --ptx FOLDER --report FILE [--again FILE] [--json FILE]

NACP's figures and bits beside those of other ways to the same GPU, in turns and in one run. What is not installed is
skipped with its reason. It ends with 1 where bits or devices differ; figures that differ are told and are no failure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import by_nvml
from by_ctypes import ByCtypes
from by_cupy import ByCupy
from by_torch import ByTorch
from client import Absent, Client
from suite import EMPTY, starts

#: How often NACP and each other way take turns.
ROUNDS = 3
#: Figures further apart than this part are told.
WITHIN = 0.02


class Table:
    """What was compared."""

    def __init__(self, simulated: bool) -> None:
        self.simulated = simulated
        self.rows: list[dict[str, Any]] = []

    def add(self, what: str, peer: str, outcome: str, **more: Any) -> None:
        """Adds a row, prints it, and says where it is made up."""
        row = {"comparison": what, "peer": peer, "outcome": outcome, **more}
        if self.simulated:
            row["simulated"] = True
        self.rows.append(row)
        values = [f"{key}={_short(value)}" for key, value in more.items()]
        print(f"{what:<24} {peer:<13} {outcome:<7} {' '.join(values)}{' SIMULATED' if self.simulated else ''}")

    def figures(self, what: str, peer: str, ours: list[float], theirs: list[float], unit: str, note: str) -> None:
        """Adds two figures of the same thing: medians, and how they stand to each other."""
        if not ours or not theirs:
            self.add(what, peer, "skip", reason="a clock stood still")
            return
        nacp, other = statistics.median(ours), statistics.median(theirs)
        ratio = nacp / other
        outcome = "same" if abs(ratio - 1) <= WITHIN else "differs"
        extra = {"note": note} if note else {}
        self.add(what, peer, outcome, nacp=nacp, value=other, unit=unit, ratio=ratio, **extra)

    def failed(self) -> int:
        """How many comparisons failed."""
        return sum(row["outcome"] == "FAIL" for row in self.rows)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def metric(report: dict[str, Any], check: str, name: str) -> float | None:
    """A figure of the first device that has it."""
    for found in report["checks"]:
        for value in found.get("metrics", []) if found["id"] == check else []:
            if value["name"] == name and value["value"] is not None:
                return float(value["value"])
    return None


def measure(program: Path, checks: list[str], device: str) -> dict[str, Any]:
    """Lets NACP measure again."""
    only = [part for check in checks for part in ("--only", check)]
    command = [str(program), "check", "standard", "--json", "--device", device, *only]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{program.name} ends with {done.returncode}: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def same_devices(report: dict[str, Any], table: Table) -> None:
    """NVML's names and memory of the devices that CUDA lists."""
    try:
        known = by_nvml.devices()
    except Absent as absent:
        table.add("devices", "nvidia-ml-py", "skip", reason=str(absent))
        return
    for device in report["probe"]["devices"]:
        there = known.get(device["id"])
        same = there is not None and there[0] == device["name"]
        outcome = "same" if same else "skip" if table.simulated else "FAIL"
        table.add("devices", "nvidia-ml-py", outcome, cuda=f"{device['id']} {device['name']}", nvml=there)


def same_again(first: dict[str, Any], second: dict[str, Any], table: Table) -> None:
    """Two runs of the whole suite."""
    results = [{it["device"]["uuid"]: it["results"] for it in report["certificates"]} for report in (first, second)]
    for device in sorted(results[0].keys() | results[1].keys()):
        one, other = (result.get(device) for result in results)
        if one is None or other is None:
            table.add("bits, two runs", "NACP", "skip", device=device, reason="it was certified in one run only")
        else:
            table.add("bits, two runs", "NACP", "same" if one == other else "FAIL", device=device)


def same_bits(client: Client, certificate: dict[str, Any], ptx: Path, table: Table) -> None:
    """Every kernel of the certificate, started by somebody else."""
    known = starts(certificate["profile"])
    for result in certificate["results"]:
        start = known.get(result["kernel"])
        if start is None:
            table.add("bits", client.name, "FAIL", kernel=result["kernel"], reason="not a kernel of the suite")
            continue
        theirs = client.digest(start, ptx / f"{start.image}.ptx")
        outcome = "same" if theirs == result["sha256"] else "FAIL"
        table.add("bits", client.name, outcome, kernel=start.kernel, nacp=result["sha256"][:16], value=theirs[:16])


def copies(client: Client, program: Path, device: str, table: Table) -> None:
    """Pinned copies of the same size, in turns."""
    for direction in ("h2d", "d2h"):
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(ROUNDS):
            report = measure(program, [f"bw.{direction}"], device)
            size, speed = (metric(report, f"bw.{direction}", name) for name in ("size", "pinned"))
            if size is None:
                raise Absent(f"NACP measured no bw.{direction}")
            ours.extend([speed] if speed is not None else [])
            theirs.extend(client.copies(direction, int(size), 10))
        table.figures(f"pinned {direction}", client.name, ours, theirs, "B/s", "")


def launches(client: Client, program: Path, device: str, ptx: Path, table: Table) -> None:
    """Starting a kernel that does nothing, in turns."""
    ours: dict[str, list[float]] = {"host_cost": [], "synchronised": []}
    theirs: dict[str, list[float]] = {"host_cost": [], "synchronised": []}
    for _ in range(ROUNDS):
        report = measure(program, ["lat.launch"], device)
        for name in ours:
            value = metric(report, "lat.launch", name)
            ours[name].extend([value] if value is not None else [])
        for name, values in client.launches(EMPTY, ptx / "base.ptx", 20 if table.simulated else 2000).items():
            theirs[name].append(statistics.median(values))
    for name in ours:
        table.figures(f"launch {name}", client.name, ours[name], theirs[name], "s", client.note)


def matrices(client: Client, report: dict[str, Any], table: Table) -> None:
    """Another kind of work, to have in mind."""
    rate = client.matmul()
    ours = metric(report, "thr.fma", "fma_flops")
    note = "other work: cuBLAS without TF32 beside chains of multiply-adds"
    table.add("fp32", client.name, "context", nacp=ours, value=rate, unit="FLOP/s", note=note)


def everything(
    client: Client, wanted: argparse.Namespace, report: dict[str, Any], certificate: dict[str, Any], table: Table
) -> None:
    """All that one other way can do; what breaks in it hides nothing of the rest."""
    device = certificate["device"]["uuid"]
    parts: list[tuple[str, Callable[[], None]]] = [
        ("bits", lambda: same_bits(client, certificate, wanted.ptx, table)),
        ("pinned", lambda: copies(client, wanted.nacp, device, table)),
        ("launch", lambda: launches(client, wanted.nacp, device, wanted.ptx, table)),
        ("fp32", lambda: matrices(client, report, table)),
    ]
    for part, compare in parts:
        try:
            compare()
        except Absent as absent:
            table.add(part, client.name, "skip", reason=str(absent))
        except Exception as error:  # whatever it is, it is this part's
            table.add(part, client.name, "FAIL", reason=f"{type(error).__name__}: {error}")


def main() -> int:
    """Compares all with all that is here."""
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("--nacp", "--ptx", "--report"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--again", "--json"):
        parser.add_argument(name, type=Path)
    wanted = parser.parse_args()
    report = json.loads(wanted.report.read_text(encoding="utf-8"))
    if not report.get("certificates"):
        print("no device was certified: there is nothing to compare")
        return 1
    table = Table(report["simulated"])
    same_devices(report, table)
    if wanted.again is not None and wanted.again != wanted.report:
        same_again(report, json.loads(wanted.again.read_text(encoding="utf-8")), table)

    certificate = report["certificates"][0]
    device = certificate["device"]["uuid"]
    ordinal = next(it["ordinal"] for it in report["probe"]["devices"] if it["id"] == device)
    library = report["probe"]["library"]["path"]
    ways: list[tuple[str, Callable[[], Client]]] = [
        ("ctypes", lambda: ByCtypes(library, ordinal)),
        ("CuPy", lambda: ByCupy(ordinal)),
        ("PyTorch", lambda: ByTorch(ordinal)),
    ]
    for name, make in ways:
        try:
            client = make()
        except Absent as absent:
            table.add("all", name, "skip", reason=str(absent))
            continue
        except RuntimeError as error:
            table.add("all", name, "FAIL", reason=str(error))
            continue
        everything(client, wanted, report, certificate, table)
        client.close()
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(table.rows, indent=1) + "\n", encoding="utf-8")
    outcomes = ("same", "differs", "context", "skip", "FAIL")
    counts = [f"{sum(row['outcome'] == it for row in table.rows)} {it}" for it in outcomes]
    print(", ".join(counts) + (", SIMULATED" if table.simulated else ""))
    return 1 if table.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
