"""What proves that a device repeats, bit for bit."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from nacp import _nacp
from nacp._decode import Record, decode

ProfileName = Literal["tiny", "small", "standard"]
ScopeName = Literal["run_to_run", "gpu_to_gpu", "cpu_verified"]
LanePattern = Literal["single", "one_warp", "same_place_in_warps", "whole_warps", "all", "scattered"]
AgreementName = Literal["same_bits", "broken", "permitted", "not_comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Record):
    """Which suite was run: certificates of different suites cannot be compared."""

    version: int
    """Its version."""
    base_sha256: str
    """SHA-256 of the PTX text that every device runs, in hexadecimal."""
    tensor_sha256: str
    """SHA-256 of the PTX text for tensor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDigest(Record):
    """The digest of what one kernel of the suite computed."""

    kernel: str
    """The kernel's entry, such as `nacp_fma`."""
    words: int
    """How many words were digested."""
    sha256: str
    """SHA-256 over the words in order, little-endian, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Record):
    """How the runs that were compared differed from each other in everything that must not matter."""

    runs: int
    """How many runs of the whole suite there were."""
    distinct: int
    """How many different answers they gave: 1 when they repeat."""
    streams: int
    """On how many streams of one context they ran."""
    blocks: tuple[int, ...]
    """The numbers of threads that a block had."""
    contexts: int
    """In how many contexts of one process they ran."""
    processes: int
    """In how many processes."""
    devices: tuple[str, ...]
    """The ids of the devices that gave these bits, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Record):
    """What one kernel computed wrongly in one run."""

    kernel: str
    """The kernel's entry, such as `nacp_fma`."""
    lane: int
    """The first lane that is wrong."""
    block: int
    """The block that computed it."""
    multiprocessor: int | None = None
    """The multiprocessor on which that block ran."""
    expected: str
    """The bits that it must have, as `0x` and eight digits."""
    found: str
    """The bits that it has."""
    mask: str
    """All bits that are wrong in any word."""
    words: int
    """How many words are wrong."""
    of: int
    """How many were compared."""
    pattern: LanePattern
    """How the wrong lanes lie."""
    multiprocessors: tuple[int, ...] = ()
    """Every multiprocessor that computed a wrong word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedDevice(Record):
    """The device that a certificate is about."""

    uuid: str
    """Its UUID."""
    name: str
    """The product's name."""
    compute: str
    """The compute capability, as `8.6`."""
    multiprocessors: int
    """How many multiprocessors it has."""
    seen: tuple[int, ...] = ()
    """Which of them took part."""
    vbios: str | None = None
    """The version of its firmware, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedDriver(Record):
    """The driver that a certificate was made with."""

    cuda: str
    """The newest CUDA version that it serves."""
    version: str | None = None
    """The driver's own version, where the system tells it."""
    library: str
    """The file of `libcuda` that was loaded."""
    library_sha256: str | None = None
    """SHA-256 of that file, where it can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedField(Record):
    """One field of a certificate, and what became of it."""

    field: str
    """The field, such as `suite_digest`."""
    result: Literal["right", "wrong", "recorded", "unknown"]
    """Whether it was computed anew and is the same; `recorded` is what nobody can compute anew."""
    expected: str | None = None
    """What it must be, where it is wrong."""
    found: str | None = None
    """What the certificate says, where it is wrong."""
    why: str | None = None
    """Why it could not be computed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Record):
    """What became of each field of a certificate."""

    verified: bool
    """Whether nothing is wrong and everything that decides could be computed anew."""
    fields: tuple[VerifiedField, ...]
    """The fields, those that decide first."""
    scope: ScopeName | None = None
    """What the certificate claims."""
    simulated: bool
    """Whether it is about a simulated device."""
    text: str
    """All of it in words."""

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Record):
    """Two certificates side by side."""

    agreement: AgreementName
    """Whether the bits are the same."""
    reasons: tuple[dict[str, Any], ...]
    """Everything in which the two differ, what decides first; `reason` names the kind."""
    simulated: bool
    """Whether one of them is about a simulated device."""
    text: str
    """All of it in words."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Record):
    """What NACP's kernels computed on a device, under which circumstances, and how far the bits are the same.

    >>> report = nacp.check("quick", simulated="rtx3050ti-laptop-wsl2", progress=False)
    >>> certificate = report.certificates[0]
    >>> certificate.scope, bool(certificate.verify())
    ('cpu_verified', True)
    """

    format: int
    """The version of this form."""
    suite: Suite
    """Which suite was run."""
    profile: ProfileName
    """Its size."""
    scope: ScopeName | None = None
    """How far the sameness reaches; None where the runs differ."""
    results: tuple[KernelDigest, ...]
    """What each kernel computed in the first run."""
    suite_digest: str
    """One SHA-256 over the results."""
    compared: Compared
    """What was compared."""
    differences: tuple[Difference, ...]
    """What differs from what the CPU computes, the first 32."""
    device: CertifiedDevice
    """The device."""
    driver: CertifiedDriver
    """The driver."""
    environment: dict[str, str]
    """The variables of the environment that reach CUDA."""
    started: datetime
    """When the first run began, in UTC."""
    nacp_version: str
    """The version of NACP that made it."""
    simulated: bool
    """Whether the driver is a simulated one: then nothing is proven of any device."""
    digest: str
    """SHA-256 over all other fields in their canonical form."""
    _json: str = field(default="", repr=False, compare=False)

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data | {"_json": json.dumps(data)}

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """A certificate from the JSON that `to_json` gave, whatever its blanks and the order of its fields.

        Raises:
            InvalidArgument: It is none.
            Unsupported: It is of a later version of NACP.
        """
        return decode(cls, json.loads(_nacp.certificate_text(text)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Certificate:
        """A certificate from a file."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def to_json(self) -> str:
        """The certificate in its canonical form."""
        return _nacp.certificate_text(self._json)

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return dict(json.loads(self._json))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")

    def verify(self) -> Verification:
        """Computes anew on this CPU all that can be: the digests, and what each kernel must give. It needs no GPU."""
        return decode(Verification, json.loads(_nacp.certificate_verify(self._json)))

    def compare(self, other: Certificate) -> Comparison:
        """Compares it with another one, with the reason for each difference."""
        return decode(Comparison, json.loads(_nacp.certificate_compare(self._json, other._json)))

    def __str__(self) -> str:
        return _nacp.certificate_words(self._json)
