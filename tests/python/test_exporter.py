"""`nacp metrics --listen` as a program: what it answers, what it refuses, how it ends.

cargo build -p nacp-cli
NACP_PROGRAM=target/debug/nacp python -m pytest tests/python/test_exporter.py
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

NODE = "--node=simulated:h100x8"


def ask(port: int, method: str, path: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    reply = connection.getresponse()
    body = reply.read().decode()
    connection.close()
    return reply.status, body, dict(reply.getheaders())


def test_it_answers_metrics_health_and_a_page_with_a_link(exporter: Callable[..., Any]) -> None:
    port = exporter(NODE).port
    status, metrics, _ = ask(port, "GET", "/metrics")
    assert status == 200 and metrics.count("\nDCGM_FI_DEV_GPU_TEMP{") == 8
    assert ask(port, "GET", "/healthz")[:2] == (200, "ok\n")
    status, page, headers = ask(port, "GET", "/")
    assert status == 200 and '<a href="/metrics">' in page and headers["content-type"].startswith("text/html")
    status, body, headers = ask(port, "HEAD", "/metrics")
    assert status == 200 and body == "" and int(headers["content-length"]) > 1000
    assert ask(port, "GET", "/secrets")[0] == 404
    status, _, headers = ask(port, "POST", "/metrics")
    assert status == 405 and headers["allow"] == "GET, HEAD"


def test_a_head_that_is_too_large_is_refused(exporter: Callable[..., Any]) -> None:
    port = exporter(NODE).port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        try:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 100_000 + b"\r\n\r\n")
            answer = client.recv(100)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")), answer
    assert ask(port, "GET", "/healthz")[0] == 200


def test_a_client_that_says_nothing_is_cut_and_keeps_nobody_waiting(exporter: Callable[..., Any]) -> None:
    port = exporter(NODE).port
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as silent:
        silent.sendall(b"GET /metrics HTT")
        assert ask(port, "GET", "/metrics")[0] == 200
        while silent.recv(1000):
            pass
    assert 3 < time.monotonic() - start < 15


def test_many_at_once_are_all_answered(exporter: Callable[..., Any]) -> None:
    port = exporter(NODE).port
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: ask(port, "GET", "/metrics"), range(256)))
    assert {status for status, _, _ in answers} == {200}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_cleanly_when_it_is_asked_to(exporter: Callable[..., Any], number: signal.Signals, code: int) -> None:
    running = exporter(NODE)
    ask(running.port, "GET", "/metrics")
    running.process.send_signal(number)
    out, err = running.process.communicate(timeout=10)
    assert (running.process.returncode, out, err) == (code, "", "stopped\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), timeout=5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--node=simulated:h100x9"], "did you mean h100x8?"),
        (["--node=simulated:/nowhere.json"], "cannot read the node file: path=/nowhere.json"),
        (["--listen=localhost"], "invalid value 'localhost' for '--listen <ADDRESS>'"),
        (["--hostname-label=HOST"], "it is one of none, hostname, Hostname, both"),
        (["--nodes", "auto"], "did you mean --node?"),
        (["--every=0", "--listen=127.0.0.1:0"], "not a number of seconds above zero"),
    ],
)
def test_what_it_does_not_understand_it_names(arguments: list[str], error: str) -> None:
    command = [os.environ["NACP_PROGRAM"], "metrics", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("nacp: ") and error in done.stderr


def test_a_port_that_is_taken_is_told(exporter: Callable[..., Any]) -> None:
    address = f"127.0.0.1:{exporter(NODE).port}"
    command = [os.environ["NACP_PROGRAM"], "metrics", NODE, f"--listen={address}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 4 and f"cannot listen on this address: address={address}" in done.stderr
