"""The GPUs of this machine: what they are, what they do, how healthy they are, and who uses them.

It reads the GPUs that are really there, and a simulated server where there are none, saying so. It needs the package
`nacp` and nothing else:

    python examples/python/gpus.py [--node NAME] [--seconds N]
"""

from __future__ import annotations

import argparse
import time

import nacp


def find(name: str | None) -> nacp.Node:
    """The node of this name, or the GPUs of this machine."""
    if name is not None:
        return nacp.simulated_node(name)
    try:
        return nacp.discover()
    except nacp.DriverUnavailable as error:
        print(f"simulated instead: {error}\n")
        return nacp.simulated_node("h100x8")


def section(title: str, shown: object) -> None:
    """One part of the report."""
    print(f"{title}\n{'-' * len(title)}\n{shown}\n")


def watch(node: nacp.Node, seconds: float) -> None:
    """Reads the node for a while and tells what happened."""
    with node.telemetry(fast=0.05) as live, live.subscribe() as updates:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            match updates.next(left):
                case nacp.Event() as event:
                    print(event)
                case nacp.Lagged(count):
                    print(f"{count} readings lost: this program was too slow")
                case nacp.Failed(error):
                    print(f"the driver fails: {error}")
        for gpu in node.gpus:
            power, energy = live.window("power", gpu=gpu.id), live.energy(gpu=gpu.id)
            if power.mean is None or energy.joules is None:
                print(f"{gpu.id}  power unknown ({energy.unknown.get('joules', 'not read')})")
            else:
                print(f"{gpu.id}  mean {power.mean:.1f} W, at most {power.max:.1f} W, {energy.joules:.1f} J")
        status = live.status()
        longest = 1e3 * (status.longest_duration or 0)
        print(f"{status.ticks} readings, {status.missed} missed, the longest took {longest:.2f} ms")


def main() -> None:
    """Prints the report."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--node", choices=nacp.simulated_nodes(), help="a simulated machine instead of this one")
    options.add_argument("--seconds", type=float, default=1.0, help="how long to watch")
    chosen = options.parse_args()
    node = find(chosen.node)
    section("Now", node)
    section("How they reach each other", node.topology())
    section("Health", node.health())
    section("Who uses them", node.processes())
    section("What the driver answers", f"{node.support().answered} of {len(node.support().calls)} calls")
    watch(node, chosen.seconds)


if __name__ == "__main__":
    main()
