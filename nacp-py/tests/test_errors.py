"""One table of kinds behind three doors."""

from __future__ import annotations

import ctypes
import os
import pickle
import re
from pathlib import Path

import pytest

import nacp
from nacp import _nacp, exceptions

ROOT = Path(__file__).resolve().parents[2]

# What a Python program would catch without knowing NACP.
BUILTIN = {
    "InvalidArgument": ValueError,
    "NotFound": LookupError,
    "PermissionDenied": PermissionError,
    "Unsupported": NotImplementedError,
    "DriverUnavailable": ConnectionError,
    "EngineUnavailable": ConnectionError,
    "Timeout": TimeoutError,
}

# What calls run through, all of which end in `errors::guard`.
GUARDS = "guard|wait|wait_blocking|wait_for_task|change|ask|read_with"


def c_door() -> ctypes.CDLL:
    """The C library: the file that NACP_LIBNACP names, or the one that cargo built here."""
    named = os.environ.get("NACP_LIBNACP")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(named) if named else target / "debug" / "libnacp.so"
    assert path.is_file(), f"there is no C library at {path}; build it with: cargo build -p nacp-ffi"
    return ctypes.CDLL(str(path))


def test_every_kind_has_its_class_and_every_class_its_kind() -> None:
    table = _nacp.error_table()
    assert [code for _, code, _, _ in table] == list(range(1, 14))
    for name, code, class_name, _ in table:
        kind = getattr(nacp, class_name)
        assert issubclass(kind, nacp.NacpError)
        assert (kind.kind, kind.code) == (name, code)
        assert kind.__mro__[1] is nacp.NacpError
        assert kind.__bases__[1:] == ((BUILTIN[class_name],) if class_name in BUILTIN else ())
    named = {class_name for _, _, class_name, _ in table}
    defined = {name for name, value in vars(exceptions).items() if isinstance(value, type)} - {"NacpError", "ClassVar"}
    assert {name for name in defined if issubclass(getattr(exceptions, name), Exception)} == named


def test_errors_three_doors() -> None:
    library = c_door()
    library.nacp_status_name.argtypes = [ctypes.c_int32]
    library.nacp_status_name.restype = ctypes.c_char_p
    for name, code, class_name, c_status in _nacp.error_table():
        assert library.nacp_status_name(code) == c_status.encode(), f"C has another name for {name}"
        assert getattr(nacp, class_name).code == code


def test_an_error_carries_what_the_core_knows() -> None:
    with pytest.raises(nacp.NotFound) as caught:
        nacp.simulated_node("h100x9")
    error = caught.value
    assert str(error) == (
        f"no simulated node of this name: name=h100x9 known={','.join(nacp.simulated_nodes())}; did you mean h100x8?"
    )
    assert (error.kind, error.code, error.retryable, error.operation) == ("NotFound", 2, False, "sim.node")
    assert error.context == {"name": "h100x9", "known": ",".join(nacp.simulated_nodes())}
    assert error.hint == "did you mean h100x8?"


def test_what_may_pass_by_itself_says_so() -> None:
    with pytest.raises(nacp.NotFound) as caught:
        nacp.Router().route("tiny")
    assert caught.value.retryable


def test_an_error_survives_pickling() -> None:
    for _, _, class_name, _ in _nacp.error_table():
        error = getattr(nacp, class_name)("m: k=v", operation="a.b", context={"k": "v"}, hint="h", retryable=True)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_panic_is_an_error_of_nacp() -> None:
    with pytest.raises(Exception) as caught:  # `except Exception` is what has to catch it
        _nacp.panic("nobody expects it")
    assert type(caught.value) is nacp.InternalError
    assert str(caught.value) == (
        'nacp has panicked: reason="nobody expects it"; this is a defect of nacp: please report it'
    )


def test_every_class_is_frozen_and_every_call_guarded() -> None:
    """A pyclass that is not frozen could be changed from two threads; a call that is not guarded could panic."""
    classes, calls = 0, 0
    for path in (ROOT / "nacp-py" / "src").glob("*.rs"):
        text = path.read_text()
        for options in re.findall(r"#\[pyclass\b(.*)\]", text):
            classes += 1
            assert "frozen" in options, path
        if path.name in ("errors.rs", "runtime.rs"):
            continue  # they are the guard
        for name, body in re.findall(r"fn (\w+)\([^{]*-> PyResult<[^{]*\{(.*?)\n    }\n", text, re.DOTALL):
            calls += 1
            assert re.search(r"\b(guard|wait|wait_blocking|wait_for_task|change|ask|read_with)\(py, ", body), (
                f"{path.name}: {name}"
            )
    assert classes >= 8 and calls >= 25, "the patterns no longer find them"
