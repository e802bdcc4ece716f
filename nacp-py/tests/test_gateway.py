"""The gateway in front of a control plane."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

import nacp


def ask(url: str, model: str = "tiny", **headers: str) -> dict[str, object]:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"} | headers
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return dict(json.load(reply))


def test_a_gateway_answers_and_counts(plane: nacp.ControlPlane, app: nacp.App) -> None:
    plane.apply(app)
    with plane.gateway() as gateway:
        assert gateway.url == f"http://{gateway.address}" and gateway.address.startswith("127.0.0.1:")
        for _ in range(10):
            assert ask(gateway.url)["object"] == "chat.completion"
        stats = gateway.stats()
        [count] = stats.requests
        assert (count.app, count.service, count.model, count.status, count.count) == ("demo", "llm", "tiny", "2xx", 10)
        assert (stats.in_flight, stats.total.count) == (0, 10)
        assert 0 < stats.first_byte.p50 <= stats.first_byte.p99 < 5
        assert "nacp" in gateway.metrics()
        with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        for name in ("DCGM_FI_DEV_GPU_TEMP{", "nacp_replica_ready{", "nacp_gateway_requests_total{"):
            assert name in text, text
        assert "nacp_replica_ready{" in plane.metrics()
        with urllib.request.urlopen(f"{gateway.url}/healthz", timeout=10) as reply:
            assert reply.status == 200


def test_a_gateway_follows_apply_and_delete(plane: nacp.ControlPlane, app: nacp.App) -> None:
    with plane.gateway() as gateway:
        router = plane.router()
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(gateway.url)
        assert caught.value.code in (404, 503)
        caught.value.close()
        plane.apply(app)
        assert ask(gateway.url)["model"] == "tiny"
        assert router.names() == ["tiny"]
        plane.delete("demo")
        assert router.names() == []
        with pytest.raises(urllib.error.HTTPError) as again:
            ask(gateway.url)
        again.value.close()


def test_a_closed_gateway_says_so_and_frees_its_port(plane: nacp.ControlPlane) -> None:
    gateway = plane.gateway()
    port = int(gateway.address.rpartition(":")[2])
    with pytest.raises(nacp.Conflict) as taken:
        plane.gateway(port=port)
    assert str(taken.value) == (f"port is taken: address=127.0.0.1:{port}; choose another port, or 0 for any free one")
    gateway.close()
    gateway.close()
    assert gateway.closed and repr(gateway) == f"<Gateway http://127.0.0.1:{port}, closed>"
    with pytest.raises(nacp.Conflict) as closed:
        gateway.stats()
    assert str(closed.value) == f"the gateway is closed: address=127.0.0.1:{port}"
    plane.gateway(port=port).close()


def test_leaving_the_plane_closes_its_gateways(node: nacp.Node) -> None:
    with nacp.ControlPlane(node, engine="simulated") as plane:
        gateway = plane.gateway()
    assert gateway.closed


def test_closing_the_plane_closes_every_gateway_whatever_fails(
    plane: nacp.ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateways = [plane.gateway() for _ in range(3)]
    close = nacp.Gateway.close

    def close_and_fail(gateway: nacp.Gateway) -> None:
        close(gateway)
        if gateway is not gateways[2]:
            raise nacp.Timeout(f"gateway {gateways.index(gateway)}")

    monkeypatch.setattr(nacp.Gateway, "close", close_and_fail)
    with pytest.raises(nacp.Timeout, match=r"^gateway 0$"):
        plane.close()
    assert all(gateway.closed for gateway in gateways)
    plane.close()


@pytest.mark.parametrize("port", [70000, -1, 1 << 100])
def test_a_port_out_of_range_is_named(plane: nacp.ControlPlane, port: int) -> None:
    with pytest.raises(nacp.InvalidArgument) as caught:
        plane.gateway(port=port)
    assert str(caught.value) == f"the number is out of range: parameter=port value={port}; choose 0 to 65535"


def test_a_key_is_asked_for(plane: nacp.ControlPlane, app: nacp.App) -> None:
    plane.apply(app)
    with plane.gateway(api_key="secret") as gateway:
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(gateway.url)
        assert caught.value.code == 401
        caught.value.close()
        assert ask(gateway.url, authorization="Bearer secret")["model"] == "tiny"


def test_other_machines_are_let_in_only_with_a_key(plane: nacp.ControlPlane) -> None:
    with pytest.raises(nacp.InvalidArgument) as caught:
        plane.gateway(host="0.0.0.0")
    assert str(caught.value) == (
        "other machines could use the gateway: address=0.0.0.0:0; set an API key, or listen on 127.0.0.1"
    )
    with pytest.raises(nacp.InvalidArgument) as name:
        plane.gateway(host="example.org")
    assert str(name.value) == 'not an IP address: host="example.org"; write for example 127.0.0.1'
