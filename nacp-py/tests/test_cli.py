"""The program `nacp` of the package: the same help, the same answers and the same ends as the one in Rust."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nacp import _cli

INSTALLED = Path(sys.executable).parent / "nacp"


def run(*arguments: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the installed program in 80 columns."""
    program = command or [str(INSTALLED)]
    environment = os.environ | {"COLUMNS": "80"}
    return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, env=environment)


def test_it_is_installed_and_also_a_module() -> None:
    script, module = run("--help"), run("--help", command=[sys.executable, "-m", "nacp"])
    assert (script.returncode, script.stderr) == (0, "")
    assert script.stdout == module.stdout and "Usage: nacp [OPTIONS] <COMMAND>" in script.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gpus", "--node", "h100x8"], 0),
        (["check", "--library", "/nowhere/libcuda.so.1"], 1),
        (["gpus", "--node", "h100x9"], 2),
        ([], 2),
    ],
)
def test_it_prints_and_ends_as_the_program_in_rust(arguments: list[str], code: int) -> None:
    python = run(*arguments)
    assert python.returncode == code, python.stderr
    rust = os.environ.get("NACP_PROGRAM")
    if rust is None:
        pytest.skip("NACP_PROGRAM names no program in Rust")
    other = run(*arguments, command=[rust])
    if "check" in arguments:  # its times differ
        assert other.returncode == code
    else:
        assert (python.returncode, python.stdout, python.stderr) == (other.returncode, other.stdout, other.stderr)


def test_a_document_of_json_and_nothing_else() -> None:
    done = run("gpus", "--node", "rtx3050ti-laptop-wsl2", "--json")
    assert json.loads(done.stdout)["gpus"][0]["memory_total"] == 4 << 30


def test_it_can_be_called(capfd: pytest.CaptureFixture[str]) -> None:
    assert _cli.main(["gpus", "--node", "t4"]) == 0
    assert "T4" in capfd.readouterr().out
    assert _cli.main(["gpu"]) == 2
    assert capfd.readouterr().err == "nacp: unrecognized subcommand 'gpu'; did you mean gpus?\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_what_serves(number: signal.Signals, code: int) -> None:
    command = [str(INSTALLED), "metrics", "--node", "t4", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert "http://127.0.0.1:" in running.stdout.readline()
        begun = time.monotonic()
        running.send_signal(number)
        out, err = running.communicate(timeout=20)
        assert (running.returncode, out, err) == (code, "", "stopped\n")
        assert time.monotonic() - begun < 10
