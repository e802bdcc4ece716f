"""NACP and unmodified nvidia-ml-py, gpustat and nvitop agree on every value of every simulated machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("agreement.py")
NODES = sorted(path.stem for path in (SCRIPT.parents[2] / "nacp-core" / "nodes").glob("*.json"))
LEAST = {"nvidia-ml-py": 60, "gpustat": 9, "nvitop": 10}
# For a driver of that age gpustat refuses to start, and nvitop tells no memory: both want calls that it does not have.
OLD = "old-driver-470"
PAIRS = [(node, client) for node in NODES for client in LEAST if node != OLD or client == "nvidia-ml-py"]


@pytest.mark.parametrize(("node", "client"), PAIRS)
def test_nacp_agrees_with_a_client_that_others_wrote(node: str, client: str) -> None:
    environment = os.environ | {"LD_LIBRARY_PATH": os.environ["NACP_SIM_NVML_DIR"], "NACP_SIM_NODE": node}
    environment.pop("NACP_SIM_NVML_FAULTS", None)
    command = [sys.executable, str(SCRIPT), client]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    print(f"{node}, {client}: {told['compared']} values, mismatches: {len(told['mismatches'])}")
    assert told["mismatches"] == []
    assert told["compared"] >= LEAST[client], "hardly anything was compared"
