"""Where this machine stands, what is broken on it, which runtime to be on, and what to pin.

It reads the machine that is really there once, and judges it three times. It needs the package `nacp` and nothing else:

    python examples/python/doctor.py [--root DIR] [--html FILE] [--lock FILE] [ERROR…]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nacp


def main() -> int:
    """Reads, judges, keeps what is wanted; 0 where nothing is broken, 1 where something is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="look at the machine in this folder")
    parser.add_argument("--html", type=Path, help="where the comparison of runtimes goes as a page")
    parser.add_argument("--lock", type=Path, help="where the lock goes")
    parser.add_argument("error", nargs="*", help="the text of an error to explain")
    wanted = parser.parse_args()

    survey = nacp.survey(root=wanted.root)
    diagnosis = nacp.doctor(survey)
    print(diagnosis)
    if wanted.error:
        print(f"\n{diagnosis.explain(' '.join(wanted.error))}")

    decision = nacp.evaluate(survey)
    print(f"\n{decision}")
    if wanted.html is not None:
        wanted.html.write_text(decision.html(), encoding="utf-8")
        print(f"\nthe comparison as a page: {wanted.html}")

    lock = nacp.lock(of=survey, root=wanted.root)
    pinned = lock.completeness()
    print(f"\npinned: {pinned.pinned} of {pinned.total} facts")
    if wanted.lock is not None:
        lock.write(wanted.lock)
        print(f"the lock: {wanted.lock}")
    return 1 if any(finding.severity == "broken" for finding in diagnosis.findings) else 0


if __name__ == "__main__":
    raise SystemExit(main())
