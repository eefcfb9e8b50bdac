"""Compares the date of a pack with the times of the signatures inside it, and with the clock of this computer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from telemetry.evidence.check.report import UNPROVEN, Findings
from telemetry.evidence.pack.manifest import Manifest
from telemetry.evidence.pack.names import MANIFEST
from telemetry.system.clock import rfc3339

APART = timedelta(minutes=5)
"""How far the clocks of two computers may be apart, as for a checkpoint of the future."""


def check_date(manifest: Manifest, signed_at: Iterable[datetime], findings: Findings) -> None:
    """Check the date of a pack: the dates of its signer's key are judged by it, and only that signer states it.

    1. No checkpoint of a proof was signed after it: a key that has ended could otherwise sign under an earlier date.
    2. It is not in the future.

    Args:
        manifest: The manifest.
        signed_at: When the checkpoints of the proofs that hold were signed.
        findings: Gets what is found.
    """
    check, created = findings.begin("date"), datetime.fromisoformat(manifest.created)
    # 1.
    newest = max(signed_at, default=created)
    if newest - created > APART:
        reason = (
            f"is dated {manifest.created}, and has what was signed at {rfc3339(newest)}: it was dated back, or a clock was "
            "wrong"
        )
        check.add(MANIFEST, reason)
    # 2.
    if created - datetime.now(UTC) > APART:
        reason = f"is dated {manifest.created}, in the future: check the clock of this computer"
        check.add(MANIFEST, reason, exit_code=UNPROVEN)
    check.conclude(f"{manifest.created}; the newest checkpoint inside is of {rfc3339(newest)}")
