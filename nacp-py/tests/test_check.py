"""The checks of CUDA from Python: what they tell, how they show themselves, and who is told meanwhile."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import nacp
from nacp import _progress, cuda

LAPTOP = "rtx3050ti-laptop-wsl2"
Lost = Callable[[Any, Any], list[str]]


@pytest.fixture(scope="module")
def report() -> nacp.Report:
    return nacp.check("quick", simulated=LAPTOP, progress=False)


def driver_absent() -> bool:
    import ctypes

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


def test_a_simulated_laptop_passes_and_says_that_it_is_simulated(report: nacp.Report) -> None:
    assert (report.verdict, report.simulated, report.level) == ("pass", True, "quick")
    assert report.failures() == ()
    report.raise_for_failure()
    assert report.probe is not None and report.probe.devices[0].compute == "8.6"
    assert "simulated" in repr(report).lower()
    assert "simulated" in report.html().lower() and report.html().startswith("<!DOCTYPE html>")
    assert report.markdown()
    ids = [check.id for check in report.checks]
    assert ids[:3] == ["lib.open", "lib.symbols", "drv.init"] and "det.bits" in ids


def test_no_value_of_a_report_is_lost(report: nacp.Report, lost: Lost) -> None:
    data = json.loads(report.to_json())
    assert lost(nacp.Report, data) == []
    again = nacp.Report.from_json(report.to_json())
    assert again == report and repr(again) == repr(report)
    assert report.to_dict() == data


def test_a_check_is_found_by_its_name_and_its_metrics_by_theirs(report: nacp.Report) -> None:
    created = report.of("ctx.create")
    assert created.passed and created.device == report.probe.devices[0].id  # type: ignore[union-attr]
    name = created.metrics[0].name
    assert created.metric(name).value >= 0
    rows = report.metrics()
    assert {"check", "device", "metric", "value", "unit", "n", "p50", "p99"} == rows[0].keys()
    with pytest.raises(nacp.NotFound, match=r"no report of this check: check='det.bit' .*known=lib.open,"):
        report.of("det.bit")
    with pytest.raises(nacp.NotFound, match=rf"no such metric: check=ctx.create metric='x' known=.*{name}"):
        created.metric("x")
    with pytest.raises(TypeError, match="a report is neither true nor false"):
        bool(report)


def test_only_what_is_asked_for_runs_with_what_it_builds_on() -> None:
    report = nacp.check(simulated="h100x8", only="drv.version", progress=False)
    assert [check.id for check in report.checks][-1] == "drv.version"
    assert "det.bits" not in [check.id for check in report.checks]
    fit = nacp.check(simulated="h100x8", only=["drv.runtime_fit"], cuda="99.0", progress=False)
    assert fit.verdict == "fail" and "99.0" in (fit.of("drv.runtime_fit").reason or "")
    with pytest.raises(nacp.NacpError):
        fit.raise_for_failure()


def test_programs_are_held_to_the_device() -> None:
    arguments: dict[str, Any] = {"simulated": LAPTOP, "only": "dev.arch_fit", "progress": False}
    assert nacp.check(sass="sm_90", **arguments).of("dev.arch_fit").status == "fail"
    assert nacp.check(sass=["sm_90", "sm_80"], **arguments).of("dev.arch_fit").status == "pass"
    assert nacp.check(sass="sm_90", ptx=("8.0", "compute_80"), **arguments).of("dev.arch_fit").passed
    with pytest.raises(nacp.InvalidArgument, match="not an architecture of a GPU"):
        nacp.check(sass="sm_9x", **arguments)


def test_a_notebook_shows_the_page_in_a_frame_that_does_not_grow_with_the_machine(report: nacp.Report) -> None:
    def height(shown: nacp.Report) -> int:
        begins = r'<iframe title="CUDA check" style="width:100%;height:(\d+)px;border:0" srcdoc="&lt;!DOCTYPE'
        frame = re.match(begins, shown._repr_html_())
        assert frame is not None
        return int(frame[1])

    eight = nacp.check("quick", simulated="h100x8", progress=False)
    assert height(report) < height(eight) == 900


def test_one_device_of_eight_is_checked(report: nacp.Report) -> None:
    gpu = nacp.simulated_node("h100x8").gpus[5]
    report = nacp.check(simulated="h100x8", devices=gpu, only="ctx.create", progress=False)
    assert {check.device for check in report.checks} == {None, gpu.id}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"level": "quik"}, r'not a level of checks: level="quik" known=quick,standard,full; did you mean quick\?'),
        ({"only": "det.bit"}, r'no such check: check="det.bit"; did you mean det.bits\?'),
        ({"cuda": "twelve"}, r'not a version of CUDA: value="twelve"'),
        ({"limit": -1}, "not a time in seconds: parameter=limit value=-1"),
        ({"isolate": "yes"}, "no such isolation: parameter=isolate value='yes'"),
        ({"progress": "loud"}, "no such progress: parameter=progress value='loud'"),
        ({"devices": 3}, "a GPU is named by its id"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises((nacp.InvalidArgument, TypeError), match=text):
        nacp.check(**{"simulated": LAPTOP, "progress": False, **arguments})


def test_an_unknown_node_names_the_nearest() -> None:
    with pytest.raises(nacp.NotFound, match="h100x8"):
        nacp.check(simulated="h100x9", progress=False)


def test_two_reports_are_compared(report: nacp.Report) -> None:
    assert report.compare(report).changes == ()
    other = nacp.check("quick", simulated="rtx3050ti-laptop-wsl2", cuda="99.0", progress=False)
    comparison = other.compare(report)
    assert ("drv.runtime_fit", "status") in [(one.id, one.what) for one in comparison.worse()]
    assert "drv.runtime_fit" in str(comparison)


def test_a_listener_is_told_each_step_in_order(report: nacp.Report) -> None:
    steps: list[nacp.CheckProgress] = []
    again = nacp.check("quick", simulated=LAPTOP, progress=steps.append)
    ended = [step.report for step in steps if step.report is not None]
    assert [(one.id, one.device) for one in ended] == [(one.id, one.device) for one in again.checks]
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total == len(again.checks)


def test_an_exception_of_a_listener_ends_the_run() -> None:
    def refuse(step: nacp.CheckProgress) -> None:
        raise RuntimeError(step.id)

    with pytest.raises(RuntimeError, match=r"lib\.open"):
        nacp.check("quick", simulated=LAPTOP, progress=refuse)


def test_ctrl_c_ends_a_long_check_at_once() -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        nacp.check("full", simulated="h100x8", limit=60, progress=False)
    assert time.monotonic() - before < 30
    timer.join()


@pytest.mark.skipif(not driver_absent(), reason="this machine has an NVIDIA driver")
@pytest.mark.parametrize("isolate", [False, True])
def test_without_a_driver_the_report_fails_at_its_first_check(isolate: bool) -> None:
    report = nacp.check(isolate=isolate, progress=False)
    assert (report.verdict, report.simulated, report.probe) == ("fail", False, None)
    first = report.checks[0]
    assert (first.id, first.status) == ("lib.open", "fail")
    assert "no CUDA driver library on this machine" in (first.reason or "")
    assert {check.status for check in report.checks[1:]} == {"skipped"}
    with pytest.raises(nacp.DriverUnavailable, match="no CUDA driver library on this machine"):
        report.raise_for_failure()


@pytest.mark.skipif(not driver_absent(), reason="this machine has an NVIDIA driver")
def test_without_a_driver_the_answer_comes_within_50_milliseconds() -> None:
    def took() -> float:
        before = time.perf_counter()
        assert nacp.check(progress=False).verdict == "fail"
        return time.perf_counter() - before

    # The best of a few, for machines with much to do besides.
    assert min(took() for _ in range(5)) < 0.05


def test_a_line_in_a_terminal_is_written_over_and_taken_away() -> None:
    to = StringIO()
    line = _progress.Line(to)
    line.tell(nacp.CheckProgress(id="lib.open", done=0, total=10))
    line.tell(nacp.CheckProgress(id="det.bits", done=5, total=10))
    line.end()
    shown = to.getvalue().split("\r")
    assert shown[1] == "[........................] 0/10 lib.open"
    assert shown[2] == "[############............] 5/10 det.bits"
    assert not shown[3].strip() and shown[4] == ""


def test_a_notebook_gets_one_bar_that_is_drawn_anew() -> None:
    drawn: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            drawn.append(html)

    class Display:
        HTML = staticmethod(str)

        def display(self, html: str, display_id: bool) -> Handle:
            assert display_id
            drawn.append(html)
            return Handle()

    bar = _progress.Bar(Display())
    bar.tell(nacp.CheckProgress(id="det.bits", done=1, total=4))
    bar.end()
    assert drawn[0] == "" and "width:25%" in drawn[1] and "1 of 4: det.bits" in drawn[1] and drawn[2] == ""


def test_no_bar_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    told, end = _progress.listener("auto")
    assert told is None
    end()


def test_a_certificate_is_verified_kept_and_compared(report: nacp.Report, tmp_path: Path) -> None:
    certificate = report.certificates[0]
    assert certificate.simulated and certificate.scope == "cpu_verified"
    verification = certificate.verify()
    assert verification and verification.verified and "simulated" in str(verification)
    certificate.save(tmp_path / "certificate.json")
    again = nacp.Certificate.load(tmp_path / "certificate.json")
    assert again == certificate and certificate.compare(again).agreement == "same_bits"

    data = certificate.to_dict()
    data["results"][0]["sha256"] = "0" * 64
    forged = nacp.Certificate.from_json(json.dumps(data))
    wrong = forged.verify()
    assert not wrong and any(field.result == "wrong" for field in wrong.fields)
    assert certificate.compare(forged).agreement == "not_comparable"
    with pytest.raises(nacp.InvalidArgument, match="not a certificate"):
        nacp.Certificate.from_json("{}")


def test_no_value_of_a_certificate_is_lost(report: nacp.Report, lost: Lost) -> None:
    data = json.loads(report.certificates[0].to_json())
    assert lost(cuda.Certificate, data) == []


CORE = Path(__file__).resolve().parents[2] / "nacp-core" / "src" / "cuda"
DATA = [CORE / "check/report/mod.rs", CORE / "check/report/compare.rs"]
DATA += [CORE / f"determinism/{name}.rs" for name in ("certificate", "difference", "evidence", "suite", "verify")]
NAMES = {
    "Metric": "CheckMetric",
    "Evidence": "CheckEvidence",
    "Change": "ReportChange",
    "Field": "VerifiedField",
}
ONLY_RUST = {"Circumstances"}


def structs() -> Iterator[tuple[str, list[str]]]:
    for file in DATA:
        for name, body in re.findall(r"^pub struct (\w+) \{\n(.*?)^\}", file.read_text(), re.DOTALL | re.MULTILINE):
            if name not in ONLY_RUST:
                yield NAMES.get(name, name), re.findall(r"^    pub (\w+): ", body, re.MULTILINE)


def test_every_field_of_the_core_is_an_attribute() -> None:
    found = dict(structs())
    assert {"Report", "CheckReport", "Certificate", "Difference", "Verification", "ReportComparison"} <= found.keys()
    for name, fields in found.items():
        flat = {"verified"} if name == "VerifiedField" else set()
        assert fields and set(fields) - flat <= get_type_hints(getattr(cuda, name)).keys(), name


def test_every_word_of_the_core_is_known() -> None:
    for file, enum, words in (
        ("check/report/mod.rs", "Skip", cuda.SkipReason),
        ("check/report/mod.rs", "Unit", cuda.UnitName),
        ("check/report/mod.rs", "Verdict", cuda.VerdictName),
        ("check/report/mod.rs", "Status", cuda.StatusName),
        ("determinism/difference.rs", "LanePattern", cuda.LanePattern),
        ("determinism/compare.rs", "Agreement", cuda.AgreementName),
        ("determinism/certificate.rs", "Scope", cuda.ScopeName),
        ("determinism/profile.rs", "Profile", cuda.ProfileName),
    ):
        body = re.findall(rf"pub enum {enum} \{{\n(.*?)\n\}}", (CORE / file).read_text(), re.DOTALL)[0]
        variants = re.findall(r"^    (?!#)(\w+)(?: \{|,)", body, re.MULTILINE)
        snake = {re.sub(r"(?<!^)(?=[A-Z])", "_", variant).lower() for variant in variants}
        assert snake == set(get_args(words)), enum


def test_a_text_that_is_no_report_is_refused() -> None:
    with pytest.raises(nacp.InvalidArgument, match="not the report of a check"):
        nacp.Report.from_json("{}")
