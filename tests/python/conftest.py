"""What the tests of clients that others wrote share: a gateway in front of a simulated service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def gateway_url() -> Iterator[str]:
    """A gateway in front of two replicas of a simulated model `tiny`, one token every 30 ms."""
    import nacp  # not at the top: the clients of NVML are tested without it

    slow = {"NACP_SIM_TTFT_MS": "30", "NACP_SIM_TOKEN_MS": "30"}
    llm = nacp.Service("example/llm:1", model="tiny", port=8000, replicas=2, env=slow)
    with nacp.ControlPlane(nacp.simulated_node(), engine="simulated") as plane:
        plane.apply(nacp.App("clients", services={"llm": llm}))
        with plane.gateway() as gateway:
            yield gateway.url
        plane.delete("clients")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is on this machine, whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
