"""The examples in the docstrings, and the stubs."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
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
    for native in (_nacp.Endpoint, _nacp.Router):
        assert finder is not None and native.__doc__
        runner.run(parser.get_doctest(native.__doc__, {"nacp": nacp}, native.__name__, None, None))
    assert (runner.failures, runner.tries) == (0, 4)


def test_there_are_examples_for_what_a_user_begins_with() -> None:
    for thing in (nacp, nacp.App, nacp.ControlPlane, nacp.Node, nacp.Router, nacp.plan, nacp.simulated_node):
        assert ">>>" in (thing.__doc__ or ""), thing


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
