"""The Python door on this machine: it finds the GPUs and checks CUDA as the program does."""

from __future__ import annotations

import nacp

report = nacp.check("quick")
for found in report.failures():
    print(found)
print(f"nacp {nacp.__version__}: {report.verdict} on {len(report.certificates)} devices" + (", SIMULATED" if report.simulated else ""))
raise SystemExit(1 if report.failures() else 0)
