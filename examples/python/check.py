"""CUDA on this machine: does it work, how fast, and does it repeat bit for bit.

It checks the driver that is really there, and a simulated one where there is none, saying so. It needs the package
`nacp` and nothing else:

    python examples/python/check.py [--level quick|standard|full] [--node NAME] [--html FILE] [--certificate FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nacp

LAPTOP = "rtx3050ti-laptop-wsl2"


def main() -> int:
    """Checks, shows, keeps what is wanted; 0 where CUDA works, 1 where it does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", choices=("quick", "standard", "full"), default="quick", help="how much is checked")
    parser.add_argument("--node", help="check the driver of this simulated node")
    parser.add_argument("--html", type=Path, help="where the report goes as a page")
    parser.add_argument("--certificate", type=Path, help="where the certificate of the first device goes")
    wanted = parser.parse_args()

    report = nacp.check(wanted.level, simulated=wanted.node)
    if wanted.node is None and report.of("lib.open").status == "fail":
        print(f"simulated instead: {report.of('lib.open').reason}\n")
        report = nacp.check(wanted.level, simulated=LAPTOP)
    print(report)

    for certificate in report.certificates:
        print(f"\n{certificate}\n{certificate.verify()}")
    if wanted.html is not None:
        wanted.html.write_text(report.html(), encoding="utf-8")
        print(f"\nthe report as a page: {wanted.html}")
    if wanted.certificate is not None and report.certificates:
        report.certificates[0].save(wanted.certificate)
        print(f"\nthe certificate: {wanted.certificate}")
    return 1 if report.failures() else 0


if __name__ == "__main__":
    raise SystemExit(main())
