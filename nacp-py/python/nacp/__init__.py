"""NACP, the NVIDIA AI Control Plane: discover, check, place, run, route and observe GPU inference.

>>> import nacp
>>> node = nacp.simulated_node()  # or nacp.discover(), for the GPUs of this machine
>>> with nacp.ControlPlane(node, engine="simulated") as plane:  # or engine="docker"
...     app = nacp.App("demo", services={"llm": nacp.Service("example/llm:1", model="tiny", port=8000)})
...     print(plane.apply(app).ready)
...     with plane.gateway() as gateway:
...         print(gateway.url.startswith("http://127.0.0.1:"))
True
True

Importing it never fails for want of a driver, a GPU or Docker: what needs them raises `DriverUnavailable` or
`EngineUnavailable` when it is called.
"""

from nacp import cuda, exceptions, gpu
from nacp._app import (
    App,
    AppWarning,
    Exported,
    GpuNeed,
    Imported,
    Mount,
    Note,
    Probe,
    Publish,
    Resources,
    Rolling,
    Secret,
    Security,
    Service,
    Ulimit,
    app_schema,
    plan,
)
from nacp._certificate import Certificate
from nacp._cuda import check
from nacp._decision import Cell, Decision, OptionScore, Recommendation, evaluate
from nacp._doctor import Diagnosis, Examined, Explanation, Finding, Gap, Match, Remedy, RemedyCommand, doctor, explain
from nacp._event import Event, Events
from nacp._gpu import Gpu
from nacp._health import (
    Change,
    Condition,
    Cordon,
    GpuHealth,
    Health,
    HealthMonitor,
    Unchecked,
    health,
    thresholds,
)
from nacp._history import History
from nacp._host import (
    CudaDevice,
    CudaFault,
    CudaLibrary,
    CudaProbe,
    Daemon,
    DaemonInfo,
    Evidence,
    GpuPath,
    Host,
    Layer,
    SilentDevice,
    Standing,
    Undecided,
    detect,
    probe_cuda,
)
from nacp._keep import AppEvent, Kept, PullProgress
from nacp._lock import Completeness, Drift, Lock, LockVerification, lock
from nacp._metric import Metric, fields, metrics
from nacp._nacp import VERSION as __version__
from nacp._nacp import Endpoint, EndpointLoad, Lease, Router, Sampler
from nacp._node import Node, discover, node_file, simulated_node, simulated_nodes
from nacp._owner import Owner, Processes
from nacp._pair import Pair
from nacp._plane import ControlPlane, Gateway
from nacp._progress import CheckProgress
from nacp._record import Recorded, Recording
from nacp._replay import Progress, Replay, replay
from nacp._report import CheckReport, Report
from nacp._sample import ClockEvents, Clocks, MemoryUse, Process, Sample, Utilization
from nacp._snapshot import Snapshot
from nacp._support import Call, Support
from nacp._survey import Survey, survey
from nacp._telemetry import Energy, Failed, Frame, Lagged, Subscription, Telemetry, TelemetryStatus, Update, Window
from nacp._topology import Link, Topology
from nacp._types import (
    Action,
    AppStatus,
    EngineInfo,
    GatewayStats,
    GpuOffer,
    GpuState,
    Latency,
    Origin,
    Placement,
    Plan,
    ReplicaStatus,
    RequestCount,
)
from nacp.exceptions import (
    Cancelled,
    Conflict,
    DeviceLost,
    DriverUnavailable,
    EngineUnavailable,
    InternalError,
    InvalidArgument,
    NacpError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceFailed,
    Timeout,
    Unsupported,
)

__all__ = [
    "Action",
    "App",
    "AppEvent",
    "AppStatus",
    "AppWarning",
    "Call",
    "Cancelled",
    "Cell",
    "Certificate",
    "Change",
    "CheckProgress",
    "CheckReport",
    "ClockEvents",
    "Clocks",
    "Completeness",
    "Condition",
    "Conflict",
    "ControlPlane",
    "Cordon",
    "CudaDevice",
    "CudaFault",
    "CudaLibrary",
    "CudaProbe",
    "Daemon",
    "DaemonInfo",
    "Decision",
    "DeviceLost",
    "Diagnosis",
    "Drift",
    "DriverUnavailable",
    "Endpoint",
    "EndpointLoad",
    "Energy",
    "EngineInfo",
    "EngineUnavailable",
    "Event",
    "Events",
    "Evidence",
    "Examined",
    "Explanation",
    "Exported",
    "Failed",
    "Finding",
    "Frame",
    "Gap",
    "Gateway",
    "GatewayStats",
    "Gpu",
    "GpuHealth",
    "GpuNeed",
    "GpuOffer",
    "GpuPath",
    "GpuState",
    "Health",
    "HealthMonitor",
    "History",
    "Host",
    "Imported",
    "InternalError",
    "InvalidArgument",
    "Kept",
    "Lagged",
    "Latency",
    "Layer",
    "Lease",
    "Link",
    "Lock",
    "LockVerification",
    "Match",
    "MemoryUse",
    "Metric",
    "Mount",
    "NacpError",
    "Node",
    "NotFound",
    "Note",
    "OptionScore",
    "Origin",
    "Owner",
    "Pair",
    "PermissionDenied",
    "Placement",
    "Plan",
    "Probe",
    "Process",
    "Processes",
    "Progress",
    "Publish",
    "PullProgress",
    "Recommendation",
    "Recorded",
    "Recording",
    "Remedy",
    "RemedyCommand",
    "Replay",
    "ReplicaStatus",
    "Report",
    "RequestCount",
    "ResourceExhausted",
    "Resources",
    "Rolling",
    "Router",
    "Sample",
    "Sampler",
    "Secret",
    "Security",
    "Service",
    "ServiceFailed",
    "SilentDevice",
    "Snapshot",
    "Standing",
    "Subscription",
    "Support",
    "Survey",
    "Telemetry",
    "TelemetryStatus",
    "Timeout",
    "Topology",
    "Ulimit",
    "Unchecked",
    "Undecided",
    "Unsupported",
    "Update",
    "Utilization",
    "Window",
    "__version__",
    "app_schema",
    "check",
    "cuda",
    "detect",
    "discover",
    "doctor",
    "evaluate",
    "exceptions",
    "explain",
    "fields",
    "gpu",
    "health",
    "lock",
    "metrics",
    "node_file",
    "plan",
    "probe_cuda",
    "replay",
    "simulated_node",
    "simulated_nodes",
    "survey",
    "thresholds",
]
