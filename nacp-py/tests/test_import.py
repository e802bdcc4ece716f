"""A machine with nothing: importing works, and what is missing is said where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import nacp

Script = Callable[..., "CompletedProcess[str]"]

BARE = """
import nacp
for call in (nacp.discover, nacp.probe_cuda, nacp.ControlPlane, lambda: nacp.ControlPlane(nacp.simulated_node())):
    try:
        call()
        print("ok")
    except nacp.NacpError as error:
        print(f"{type(error).__name__}: {error}")
"""


def absent(library: str) -> bool:
    import ctypes

    try:
        ctypes.CDLL(library)
    except OSError:
        return True
    return False


@pytest.mark.skipif(not absent("libnvidia-ml.so.1"), reason="this machine has an NVIDIA driver")
def test_a_machine_with_nothing_says_what_is_missing(script: Script) -> None:
    done = script(BARE, DOCKER_HOST="unix:///nonexistent.sock")
    assert (done.returncode, done.stderr) == (0, "")
    driver = (
        "DriverUnavailable: no NVIDIA management library on this machine: library=libnvidia-ml.so.1 cause=absent; "
        "install the NVIDIA driver (under WSL2: the Windows driver only)"
    )
    discovered, cuda, plane, docker = done.stdout.splitlines()
    assert discovered == driver
    assert cuda.startswith("DriverUnavailable: no CUDA driver library on this machine: cause=absent")
    assert plane == driver
    assert docker == (
        "EngineUnavailable: no container engine's socket is there: host=unix:///nonexistent.sock; "
        "install and start Docker Engine or Podman, or set DOCKER_HOST"
    )


def test_the_package_says_what_it_is() -> None:
    assert nacp.__version__ == "0.1.0"
    assert (Path(nacp.__file__).parent / "py.typed").exists()
    assert set(nacp.__all__) <= set(dir(nacp))
    public = {name for name in dir(nacp) if not name.startswith("_")}
    assert public - set(nacp.__all__) <= {"exceptions"}


def test_every_public_thing_has_a_docstring() -> None:
    for name in nacp.__all__:
        thing = getattr(nacp, name)
        if not callable(thing):
            continue
        assert thing.__doc__ and not thing.__doc__.startswith(f"{name}("), f"{name} has no docstring"
        members = vars(thing).items() if isinstance(thing, type) and thing.__module__.startswith("nacp") else ()
        for member, value in members:
            if not member.startswith("_") and callable(value):
                assert value.__doc__, f"{name}.{member} has no docstring"
