"""NACP's programs for the GPU, assembled by NVIDIA's own assembler for every architecture that it knows.

The assembler is `ptxas` of the wheel `nvidia-cuda-nvcc`; nothing is run.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "nacp-core" / "src" / "cuda" / "kernels"
IMAGES = {"base": 50, "tensor": 75}


def assembler() -> Path | None:
    """`ptxas` of the wheel, if it is installed."""
    try:
        files = importlib.metadata.files("nvidia-cuda-nvcc") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name == "ptxas"]
    return found[0] if found else None


PTXAS = assembler()


def architectures(ptxas: Path) -> list[str]:
    """Those that `--gpu-name` allows."""
    text = subprocess.run([ptxas, "--help"], check=True, capture_output=True, text=True, timeout=60).stdout
    option = text[text.index("--gpu-name") :]
    allowed = re.search(r"Allowed values for this option:(.*?)\.\n", option, re.DOTALL)
    assert allowed, option[:2000]
    return re.findall(r"'(sm_\d+[a-z]?)'", allowed[1])


def cases() -> list[tuple[str, str]]:
    if PTXAS is None:
        return []
    known = architectures(PTXAS)
    return [(image, name) for image, least in IMAGES.items() for name in known if number(name) >= least]


def number(architecture: str) -> int:
    return int(re.sub(r"\D", "", architecture))


def assemble(text: Path, architecture: str, output: Path) -> subprocess.CompletedProcess[str]:
    assert PTXAS is not None
    command: list[str | Path] = [PTXAS, "-v", f"-arch={architecture}", text, "-o", output]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


needs_ptxas = pytest.mark.skipif(PTXAS is None, reason="the wheel nvidia-cuda-nvcc is not installed: no ptxas")


@needs_ptxas
def test_the_assembler_knows_architectures_for_both_images() -> None:
    assert {image for image, _ in cases()} == set(IMAGES)


@needs_ptxas
@pytest.mark.parametrize(("image", "architecture"), cases())
def test_an_image_assembles_without_a_warning_and_without_spills(image: str, architecture: str, tmp_path: Path) -> None:
    source = KERNELS / f"{image}.ptx"
    done = assemble(source, architecture, tmp_path / "image.cubin")
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "warning" not in told.lower(), told
    entries = re.findall(r"\.entry (\w+)\(", source.read_text())
    assert sorted(re.findall(r"Compiling entry function '(\w+)'", told)) == sorted(entries)
    spills = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", told)
    assert spills == [("0", "0", "0")] * len(entries), told
    # A block of 1024 threads has 64 registers each, on every device.
    assert all(int(count) <= 64 for count in re.findall(r"Used (\d+) registers", told)), told


@needs_ptxas
@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("fma.rn.f32 x, x, x, c;", "fma.f32 x, x, x, c;", "Rounding modifier required"),
        (".target sm_50", ".target sm_999", "Unsupported .target 'sm_999'"),
        ("mul.hi.u32 h, t,", "mul.hi.u32 nobody, t,", "Unknown symbol 'nobody'"),
    ],
)
def test_the_assembler_refuses_what_is_wrong(right: str, wrong: str, told: str, tmp_path: Path) -> None:
    text = (KERNELS / "base.ptx").read_text()
    assert right in text
    broken = tmp_path / "broken.ptx"
    broken.write_text(text.replace(right, wrong, 1))
    done = assemble(broken, "sm_90", tmp_path / "image.cubin")
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
