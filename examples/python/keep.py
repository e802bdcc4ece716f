"""An app that is kept: it comes up, grows, is updated, and takes back an update that does not become ready.

It uses Docker where it is, with the image of the simulated service (`tests/sim-service/image` builds it), and the
engine in this process otherwise or with `--simulated`. It needs the package `nacp` and nothing else:

    python examples/python/keep.py
"""

from __future__ import annotations

import argparse
import dataclasses

import nacp

NAME, IMAGE, LIMIT = "keep-python", "nacp/sim-service:0.1", 60.0


def main() -> int:
    """Keeps the app, tells what happens, and removes it; 0 where everything came as it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulated", action="store_true", help="leave Docker and the driver alone")
    plane = find_plane(parser.parse_args().simulated)
    service = nacp.Service(
        IMAGE, model="tiny", port=8000, replicas=1, ready=nacp.Probe(http="/healthz", within="5s", every="500ms")
    )
    app = nacp.App(NAME, services={"chat": service})
    try:
        with plane.keep(app) as kept:
            come_to(kept, "converged")
            print("-- two replicas")
            kept.scale("chat", 2)
            come_to(kept, "converged")
            print("-- an update, one replica after the other")
            kept.update(with_env(app, NACP_SIM_TTFT_MS="5"))
            come_to(kept, "converged")
            print("-- an update that never becomes ready")
            kept.update(with_env(app, NACP_SIM_UNHEALTHY="1"))
            come_to(kept, "rolled_back")
            come_to(kept, "converged")
            print(f"-- {sum(replica.ready for replica in plane.status(NAME).replicas)} ready")
    finally:
        print(f"removed: {plane.delete(NAME)}")
    return 0


def find_plane(simulated: bool) -> nacp.ControlPlane:
    """Docker with the GPUs of this machine, or the simulated laptop with the reason."""
    if not simulated:
        try:
            plane = nacp.ControlPlane(nacp.simulated_node())
            info = plane.engine_info()
            print(f"real: {info.name} {info.version}")
            return plane
        except nacp.NacpError as error:
            print(f"simulated: {error}")
    return nacp.ControlPlane(nacp.simulated_node(), engine="simulated")


def with_env(app: nacp.App, **env: str) -> nacp.App:
    """The same app with other variables."""
    services = {
        name: dataclasses.replace(service, replicas=2, env=dict(service.env) | env)
        for name, service in app.services.items()
    }
    return nacp.App(app.name, services=services)


def come_to(kept: nacp.Kept, wanted: str) -> None:
    """Prints what happens until it comes to this."""
    while True:
        event = kept.next(timeout=LIMIT)
        if event is None:
            raise nacp.Timeout(f"nothing happened for {LIMIT:.0f} s; {wanted} was awaited")
        print(event)
        if event.event == wanted:
            return


if __name__ == "__main__":
    raise SystemExit(main())
