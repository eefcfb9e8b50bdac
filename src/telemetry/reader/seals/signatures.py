"""Collects who signed the seals of an archive, and names the seals that nobody believes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.seals.store import StoredSeal
from telemetry.reader.seals.trust import SealTrust, Signature, Signed
from telemetry.reader.verify.verdicts import Finding, Verdict

_MAX_RUNS = 1_000
_REMEDY = (
    "if it is the archiver's key, trust it with the role archiver (`telemetry trust add --role archiver`); otherwise "
    "somebody else has written into the archive"
)


@dataclass(slots=True)
class _Run:
    """Seals in a row that are not believed for the same reason.

    Attributes:
        first: Number of the first one.
        last: Number of the last one.
        signature: What is said of them.
    """

    first: int
    last: int
    signature: Signature


class Signatures:
    """The signatures under the seals of one archive.

    Args:
        trust: Who may sign seals.

    Attributes:
        signers: For each key that is believed, why.
        unbelieved: Numbers of the seals that are not believed, while any seal is.
    """

    def __init__(self, trust: SealTrust) -> None:
        self._trust = trust
        self._runs: list[_Run] = []
        self._more = 0
        self.signers: dict[str, str] = {}
        self.unbelieved: set[int] = set()

    def add(self, stored: StoredSeal, *, seen_at: float | None) -> bool:
        """Return whether a seal is believed.

        Args:
            stored: The seal.
            seen_at: When a witness first saw it or a later one, in seconds since the epoch; None if none did.
        """
        signature = self._trust.judge(stored, rostered_at=seen_at)
        if signature.is_believed:
            self.signers.setdefault(signature.signer, signature.reason)
            return True
        self.unbelieved.add(stored.number)
        run = self._runs[-1] if self._runs else None
        if run is not None and run.last == stored.number - 1 and _same(run.signature, signature):
            run.last = stored.number
        elif len(self._runs) < _MAX_RUNS:
            self._runs.append(_Run(stored.number, stored.number, signature))
        else:
            self._more += 1
        return False

    def findings(self) -> Iterator[Finding]:
        """Yield the seals that are not believed.

        Where a trusted key has signed others of the chain, only an archiver could have continued it: then it is tampering.
        Where none has, the auditor perhaps does not know the archiver's key, and nothing is proven.
        """
        for run in self._runs:
            signature = run.signature
            is_forged = signature.signed is Signed.FORGED
            verdict = Verdict.TAMPERED if self.signers or is_forged else Verdict.UNVERIFIABLE
            what = f"seal {run.first}" if run.first == run.last else f"seals {run.first} to {run.last}"
            are = "is" if run.first == run.last else "are"
            remedy = "" if is_forged else f"; {_REMEDY}"
            reason = f"{what} {are} not believed: {signature.reason}{remedy}"
            yield Finding(verdict, reason, place=seal_name(run.first), field="signature")
        if self._more:
            verdict = Verdict.TAMPERED if self.signers else Verdict.UNVERIFIABLE
            yield Finding(verdict, f"{self._more} further seals are not believed", field="signature")

    def notes(self) -> Iterator[str]:
        """Yield who signed, and why it is believed."""
        for signer, reason in self.signers.items():
            yield f"seals are signed by {signer}: {reason}"


def _same(one: Signature, other: Signature) -> bool:
    return (one.signed, one.reason, one.signer) == (other.signed, other.reason, other.signer)
