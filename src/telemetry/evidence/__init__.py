"""The evidence pack: one file with events, their proofs and the verification, which can be checked offline years later.

Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.evidence.building import PackSummary, build_pack
    from telemetry.evidence.check.report import Check, CheckState, PackFinding, PackReport
    from telemetry.evidence.pack.manifest import MAX_EVENTS, MAX_POPULATION, Manifest
    from telemetry.evidence.pack.sample import Sample, sample_ids
    from telemetry.evidence.request import EvidenceRequest
    from telemetry.evidence.verifying import verify_pack

__all__ = [
    "MAX_EVENTS",
    "MAX_POPULATION",
    "Check",
    "CheckState",
    "EvidenceRequest",
    "Manifest",
    "PackFinding",
    "PackReport",
    "PackSummary",
    "Sample",
    "build_pack",
    "sample_ids",
    "verify_pack",
]

_HOMES = {
    "MAX_EVENTS": "telemetry.evidence.pack.manifest",
    "MAX_POPULATION": "telemetry.evidence.pack.manifest",
    "Check": "telemetry.evidence.check.report",
    "CheckState": "telemetry.evidence.check.report",
    "EvidenceRequest": "telemetry.evidence.request",
    "Manifest": "telemetry.evidence.pack.manifest",
    "PackFinding": "telemetry.evidence.check.report",
    "PackReport": "telemetry.evidence.check.report",
    "PackSummary": "telemetry.evidence.building",
    "Sample": "telemetry.evidence.pack.sample",
    "build_pack": "telemetry.evidence.building",
    "sample_ids": "telemetry.evidence.pack.sample",
    "verify_pack": "telemetry.evidence.verifying",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
