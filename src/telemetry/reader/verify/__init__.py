"""Verify a trail against its signed checkpoints. Each name is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.reader.verify.html_report import render_html
    from telemetry.reader.verify.state import VerifierState
    from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict, VerificationReport
    from telemetry.reader.verify.verifier import Verifier

__all__ = [
    "Finding",
    "ProducerReport",
    "Verdict",
    "VerificationReport",
    "Verifier",
    "VerifierState",
    "render_html",
]

_HOMES = {
    "Finding": "telemetry.reader.verify.verdicts",
    "ProducerReport": "telemetry.reader.verify.verdicts",
    "Verdict": "telemetry.reader.verify.verdicts",
    "VerificationReport": "telemetry.reader.verify.verdicts",
    "Verifier": "telemetry.reader.verify.verifier",
    "VerifierState": "telemetry.reader.verify.state",
    "render_html": "telemetry.reader.verify.html_report",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
