"""What the checks of CUDA are made of: `nacp.check()` runs them.

>>> report = nacp.check("quick", simulated="h100x8", only="drv.init", progress=False)
>>> isinstance(report.checks[0], nacp.cuda.CheckReport)
True
"""

from nacp._certificate import (
    AgreementName,
    Certificate,
    CertifiedDevice,
    CertifiedDriver,
    Compared,
    Comparison,
    Difference,
    KernelDigest,
    LanePattern,
    ProfileName,
    ScopeName,
    Suite,
    Verification,
    VerifiedField,
)
from nacp._cuda import check
from nacp._host import CudaDevice, CudaFault, CudaLibrary, CudaProbe, SilentDevice, probe_cuda
from nacp._progress import CheckProgress
from nacp._report import (
    CheckEvidence,
    CheckMetric,
    CheckReport,
    LevelName,
    Report,
    ReportChange,
    ReportComparison,
    SkipReason,
    StatusName,
    UnitName,
    VerdictName,
)

__all__ = [
    "AgreementName",
    "Certificate",
    "CertifiedDevice",
    "CertifiedDriver",
    "CheckEvidence",
    "CheckMetric",
    "CheckProgress",
    "CheckReport",
    "Compared",
    "Comparison",
    "CudaDevice",
    "CudaFault",
    "CudaLibrary",
    "CudaProbe",
    "Difference",
    "KernelDigest",
    "LanePattern",
    "LevelName",
    "ProfileName",
    "Report",
    "ReportChange",
    "ReportComparison",
    "ScopeName",
    "SilentDevice",
    "SkipReason",
    "StatusName",
    "Suite",
    "UnitName",
    "VerdictName",
    "Verification",
    "VerifiedField",
    "check",
    "probe_cuda",
]
