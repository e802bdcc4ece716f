"""The examples in the docstrings, and the stubs."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import nacp
from nacp import _nacp

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["nacp", *(f"nacp.{module.name}" for module in pkgutil.iter_modules(nacp.__path__) if module.name != "_nacp")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs={"nacp": nacp}).failed == 0


def test_the_examples_of_the_native_classes_are_true() -> None:
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    parser = doctest.DocTestParser()
    for native in (_nacp.Endpoint, _nacp.Router, _nacp.Sampler):
        assert finder is not None and native.__doc__
        runner.run(parser.get_doctest(native.__doc__, {"nacp": nacp}, native.__name__, None, None))
    assert (runner.failures, runner.tries) == (0, 6)


def test_there_are_examples_for_what_a_user_begins_with() -> None:
    for thing in (nacp, nacp.App, nacp.ControlPlane, nacp.Node, nacp.Router, nacp.plan, nacp.simulated_node):
        assert ">>>" in (thing.__doc__ or ""), thing


def test_the_examples_of_the_book_are_true() -> None:
    ran = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False)
    assert (ran.failed, ran.attempted > 10) == (0, True)


def run_notebook(name: str) -> dict[str, object]:
    """Runs every cell but those that need matplotlib, and gives the names that are there at the end."""
    notebook = json.loads((ROOT / "examples" / "notebooks" / name).read_text())
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs") and not cell.get("execution_count"), "it is committed as it was written"
        if cell["cell_type"] == "code" and "needs-matplotlib" not in cell["metadata"].get("tags", []):
            exec("".join(cell["source"]), names)
    return names


def test_the_notebook_of_gpus_runs() -> None:
    names = run_notebook("gpus.ipynb")
    history, node, events = names["history"], names["node"], names["events"]
    assert isinstance(history, nacp.History) and isinstance(node, nacp.Node) and isinstance(events, nacp.Events)
    hottest = max(value for value in history["temperature"] if value is not None)
    assert hottest > 80 and node.health({"gpu_max_celsius": 85}).verdict == "watch"


def test_the_notebook_of_checks_runs_and_says_that_it_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = run_notebook("check.ipynb")
    report, arrived, changed, steps = names["report"], names["arrived"], names["changed"], names["steps"]
    assert isinstance(report, nacp.Report) and (report.verdict, report.simulated) == ("pass", True)
    assert "simulated" in report._repr_html_() and isinstance(steps, list) and steps[-1][0] == steps[-1][1]
    assert isinstance(arrived, nacp.Certificate) and arrived == report.certificates[0] and arrived.verify().verified
    assert isinstance(changed, nacp.Certificate) and not changed.verify().verified
    assert len(list(tmp_path.rglob("*.html"))) == 1 and len(list(tmp_path.rglob("*.json"))) == 3
    printed = capsys.readouterr().out
    for part in ("drv.version pass -> fail", "simulated: NVIDIA H100 80GB HBM3", "simulated: the same bits"):
        assert part in printed, printed


def test_the_notebook_of_the_doctor_runs_and_says_that_it_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = run_notebook("doctor.ipynb")
    broken, decision, lock = names["broken"], names["decision"], names["lock"]
    assert isinstance(broken, nacp.Diagnosis) and broken.simulated and broken.of("D37") is not None
    assert isinstance(decision, nacp.Decision) and decision.simulated and "<svg" in decision.html()
    assert isinstance(lock, nacp.Lock) and len(list(tmp_path.rglob("nacp.lock"))) == 1
    assert "D37" in capsys.readouterr().out


def test_the_example_examines_a_machine_and_keeps_what_is_wanted(tmp_path: Path) -> None:
    example = ROOT / "examples" / "python" / "doctor.py"
    machine = ROOT / "nacp-core" / "tests" / "fixtures" / "hosts" / "wsl2-docker"
    page, lock = tmp_path / "decision.html", tmp_path / "nacp.lock"
    command = [sys.executable, str(example), "--root", str(machine), "--html", str(page), "--lock", str(lock)]
    done = subprocess.run([*command, "CUDA error 803"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done
    for part in ("nothing found", "D18", "B: WSL2 container", "pinned: "):
        assert part in done.stdout, done.stdout
    assert "<svg" in page.read_text() and nacp.Lock.read(lock).completeness().total > 0


def test_the_example_tells_about_the_gpus_of_a_node() -> None:
    example = ROOT / "examples" / "python" / "gpus.py"
    command = [sys.executable, str(example), "--node", "h100x8", "--seconds", "0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done
    for part in ("simulated node h100x8", "GPU7", "healthy", "mean 655.0 W", " readings, "):
        assert part in done.stdout, done.stdout


def maturin() -> str:
    tools = [Path(sys.executable).parent, ROOT / "target" / "tools" / "bin"]
    found = shutil.which("maturin", path=os.pathsep.join([*map(str, tools), os.environ.get("PATH", "")]))
    assert found, "the stubs are written by maturin, which is not here; install it with: pip install maturin"
    return found


def test_the_stubs_are_fresh(tmp_path: Path) -> None:
    """The committed stubs are what the library's own description gives; UPDATE_STUBS=1 writes them."""
    committed = ROOT / "nacp-py" / "python" / "nacp" / "_nacp.pyi"
    command = [
        *(maturin(), "generate-stubs", "--quiet", "--profile", "dev", "--locked"),
        *("--manifest-path", str(ROOT / "nacp-py" / "Cargo.toml")),
        *("--interpreter", sys.executable, "--out", str(tmp_path)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=os.environ | {"PYO3_PYTHON": sys.executable}
    )
    assert done.returncode == 0, done.stderr
    [fresh] = tmp_path.rglob("*.pyi")
    if os.environ.get("UPDATE_STUBS"):
        committed.write_text(fresh.read_text())
    assert fresh.read_text() == committed.read_text(), "the stubs are not fresh; write them with UPDATE_STUBS=1"
