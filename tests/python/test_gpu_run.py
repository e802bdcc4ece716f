"""`tests/gpu/run` from its folder, as on a machine with a GPU, with the simulated driver in place of the real one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KERNELS = ["nacp_fma", "nacp_hash", "nacp_ieee", "nacp_mma", "nacp_reduce", "nacp_rows"]


class Run:
    """What a run printed, how it ended, and what it left."""

    def __init__(self, done: subprocess.CompletedProcess[str], out: Path) -> None:
        self.code, self.text, self.out = done.returncode, done.stdout + done.stderr, out
        self.summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))

    def step(self, name: str) -> tuple[str, str]:
        """Outcome and detail of a step."""
        return next((it["outcome"], it["detail"]) for it in self.summary["steps"] if it["step"] == name)

    def rows(self, **wanted: str) -> list[dict[str, Any]]:
        """The comparisons with these values."""
        rows: list[dict[str, Any]] = json.loads((self.out / "comparisons.json").read_text(encoding="utf-8"))
        return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the folder that `tests/gpu/build` made; NACP_GPU_DIR names it, for there is nothing else to test."""
    return Path(shutil.copytree(os.environ["NACP_GPU_DIR"], tmp_path / "gpu"))


def run(folder: Path, *arguments: str, driver: bool = True, **variables: str) -> Run:
    """Runs everything on the simulated RTX 4090."""
    out = folder.parent / "out"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CUDA_", "NACP_SIM_"))}
    environment |= {"OUT": str(out), "NACP_SIM_NODE": "rtx4090", "PYTHON": sys.executable} | variables
    environment["LD_LIBRARY_PATH"] = os.environ["NACP_SIM_CUDA_DIR"] if driver else ""
    command = [str(folder / "run"), *arguments]
    return Run(subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False), out)


def test_a_healthy_device_passes_and_everything_says_that_it_is_simulated(folder: Path) -> None:
    done = run(folder, "--quick")
    assert done.code == 0, done.text
    for step in ("check-quick", "check-again", "comparisons"):
        outcome, detail = done.step(step)
        assert outcome == "pass" and "SIMULATED" in detail, (step, detail)
    assert sorted(row["kernel"] for row in done.rows(comparison="bits", peer="ctypes", outcome="same")) == KERNELS
    assert [row["outcome"] for row in done.rows(comparison="bits, two runs")] == ["same"]
    copies = [*done.rows(comparison="pinned h2d", peer="ctypes"), *done.rows(comparison="pinned d2h", peer="ctypes")]
    assert len(copies) == 2 and all(row["nacp"] > 0 and row["value"] > 0 for row in copies), copies
    assert all(row["simulated"] is True for row in done.rows())
    assert "needs=GLIBC" in done.summary["machine"] and "date=20" in done.summary["machine"]


def test_what_is_not_there_is_skipped_with_its_reason(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    broken.mkdir()
    (broken / "cupy.py").write_text("raise ImportError('libnvrtc.so.12 is missing')\n", encoding="utf-8")
    (broken / "torch.py").write_text("class cuda:\n    is_available = staticmethod(lambda: False)\n", encoding="utf-8")
    shutil.rmtree(folder / "wheels")
    (folder / "wheels").mkdir()
    done = run(folder, "--quick", PYTHONPATH=str(broken))
    assert done.code == 0, done.text
    assert [row["reason"] for row in done.rows(peer="CuPy")] == ["no CuPy: libnvrtc.so.12 is missing"]
    assert [row["reason"] for row in done.rows(peer="PyTorch")] == ["this PyTorch sees no GPU"]
    assert done.step("wheel") == ("skip", "the folder was built without a wheel")


def test_other_bits_are_a_failure_that_names_the_kernel(folder: Path) -> None:
    text = (folder / "ptx" / "base.ptx").read_text(encoding="utf-8")
    # The first number of the first kernel's own code, by one bit.
    begin = text.index("{", text.index(".entry nacp_hash"))
    changed = text[:begin] + re.sub(r"0x[0-9A-Fa-f]+", lambda it: hex(int(it[0], 16) ^ 2), text[begin:], count=1)
    assert changed != text
    (folder / "ptx" / "base.ptx").write_text(changed, encoding="utf-8")
    done = run(folder, "--quick")
    assert done.code == 1 and done.step("comparisons")[0] == "fail", done.text
    assert "nacp_hash" in [row["kernel"] for row in done.rows(comparison="bits", outcome="FAIL")]
    assert [row["outcome"] for row in done.rows(kernel="nacp_mma")] == ["same"]


def test_without_a_driver_nothing_is_compared(folder: Path) -> None:
    done = run(folder, "--quick", driver=False)
    assert done.code == 1
    outcome, detail = done.step("check-quick")
    assert outcome == "fail" and detail.startswith("exit 1: fail in 0."), detail
    assert done.step("comparisons") == ("skip", "CUDA does not work here")


def test_a_device_that_computes_wrongly_is_not_compared(folder: Path) -> None:
    done = run(folder, "--quick", NACP_SIM_CUDA_FLIP="kernel=nacp_fma,lane=7,step=3,bit=1")
    assert done.code == 1 and done.step("check-quick")[0] == "fail", done.text


def test_an_option_that_is_unknown_is_answered_with_the_usage(folder: Path) -> None:
    done = subprocess.run(
        [str(folder / "run"), "--fast"], capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )
    assert done.returncode == 2 and "run [--full] [--quick]" in done.stderr
