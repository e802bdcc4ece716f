"""What a driver answers, and how tables are made of it."""

from __future__ import annotations

import pytest

import nacp


def call(function: str, answer: str | None, reason: str = "not supported", gpu: str | None = "GPU-a") -> nacp.Call:
    unknown = {} if answer is not None else {"answer": reason}
    return nacp.Call(function=function, gpu=gpu, answer=answer, unknown=unknown)


def test_support_counts_what_was_answered_and_why_the_rest_was_not() -> None:
    support = nacp.Support(
        calls=(
            call("nvmlInit_v2", "ok", gpu=None),
            call("nvmlDeviceGetFanSpeed_v2", "30"),
            call("nvmlDeviceGetFanSpeed_v2", None),
            call("nvmlDeviceGetSerial", None, "<no permission>"),
        )
    )
    assert support.answered == 2
    assert support.of("GPU-a", "nvmlDeviceGetSerial") == support.calls[3]
    assert support.of(None, "nvmlInit_v2") == support.calls[0]
    assert support.of("GPU-a", "nvmlDeviceGetBoardId") is None, "it was not called"
    with pytest.raises(nacp.NotFound, match='gpu="GPU-b" known=GPU-a'):
        support.of("GPU-b", "nvmlDeviceGetSerial")
    assert repr(support).splitlines() == [
        "2 of 4 calls of the driver's library answered",
        "function                  answered  the others",
        "nvmlDeviceGetFanSpeed_v2  1 of 2    not supported (1)",
        "nvmlDeviceGetSerial       0 of 1    <no permission> (1)",
        "nvmlInit_v2               1 of 1",
    ]
    html = support._repr_html_()
    assert "&lt;no permission&gt;" in html and "<no" not in html


def test_a_node_that_makes_no_calls_has_no_support() -> None:
    assert repr(nacp.Support(calls=())) == "0 of 0 calls of the driver's library answered\nno call"


def test_the_support_of_made_up_gpus_says_so(node: nacp.Node) -> None:
    support = node.support()
    assert repr(support).startswith("simulated node ") and 'pre-line">simulated node ' in support._repr_html_()
