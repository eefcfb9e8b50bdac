"""Checks the proof of each event of a pack, and whether the keys that signed it are believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from telemetry.evidence.check.report import UNPROVEN, Findings
from telemetry.evidence.check.rosters import PackRosters
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.keys import PackKeys
from telemetry.evidence.pack.manifest import EventFacts
from telemetry.evidence.pack.names import EventFolder
from telemetry.exceptions import TamperedError, TelemetryError
from telemetry.format.proof.inclusion import ProvenRecord, decode_proof, verify_proof
from telemetry.format.proof.signed_note import parse_note
from telemetry.reader.trust import Judgement, TimeBasis, TrustPolicy


class CheckedProof(NamedTuple):
    """A proof that holds.

    Attributes:
        record: The record, which a trusted key has signed for; without trust, a key of the pack itself.
        believed: Why the keys are believed; empty without trust.
    """

    record: ProvenRecord
    believed: tuple[Judgement, ...]


class ProofCheck:
    """The check of the proofs.

    Args:
        policy: Who may sign what; None where nobody said.
        keys: The keys inside the pack.
        rosters: When witnesses first saw what was signed.
        findings: Gets what is found.
    """

    def __init__(self, policy: TrustPolicy | None, keys: PackKeys, rosters: PackRosters, findings: Findings) -> None:
        self._policy = policy
        self._trusted = keys.signers if policy is None else policy.candidates()
        self._rosters = rosters
        self._check = findings.begin("proofs")
        self._held = 0
        self._signed_at: set[str] = set()
        self._bases: Counter[TimeBasis] = Counter()

    def check(self, archive: Archive, event: EventFacts) -> CheckedProof | None:
        """Return the proof of an event if it holds.

        1. The path leads from the sealed record to the root that the checkpoint names, and a key signed the checkpoint.
        2. The record is that of the event.
        3. The keys that the manifest names have signed it.
        4. The key may sign for the record's source at that time. One that was revoked later is believed only if a witness
           saw the checkpoint before: nothing else says when it signed.
        """
        name = EventFolder.PROOFS.file_of(event.id)
        try:
            # 1.
            data = archive.read(name)
            record = verify_proof(data, self._trusted)
            # 2.
            found = record.message.attributes["id"]
            if found != event.id:
                message = f"it is the proof of event {found}"
                raise TamperedError(message)
            # 3.
            _require_named(event, data)
            # 4.
            believed = self._believed(record)
        except TelemetryError as exc:
            self._check.add(name, f"does not prove event {event.id}: {exc}")
            return None
        if self._policy is not None and all(self._lacks_clock(each) for each in believed):
            reason = f"{believed[0].signer} is revoked, and no witness saw what it signed before that"
            self._check.add(name, reason, exit_code=UNPROVEN)
            return None
        self._held += 1
        self._signed_at.add(record.checkpoint.time)
        self._bases.update(each.time_basis for each in believed[:1] if each.is_dated)
        return CheckedProof(record, believed)

    @property
    def signed_at(self) -> Collection[datetime]:
        """When the checkpoints of the proofs that hold were signed, as they state it."""
        return [datetime.fromisoformat(time) for time in self._signed_at]

    def conclude(self, events: int) -> None:
        """Conclude the check.

        Args:
            events: Number of events of the pack.
        """
        detail = f"{self._held:,} of {events:,} events are part of what was signed"
        if self._bases[TimeBasis.SELF]:
            detail += f"; of {self._bases[TimeBasis.SELF]:,} only the signer's own clock says when"
        self._check.conclude(detail)

    def _believed(self, record: ProvenRecord) -> tuple[Judgement, ...]:
        if self._policy is None:
            return ()
        believed = self._policy.require_believed(record.signers, record.checkpoint)
        seen = self._rosters.first_seen(record.checkpoint)
        if seen is None:
            return believed
        witnessed = (self._policy.judge_checkpoint(each.key, record.checkpoint, rostered_at=seen) for each in believed)
        # A witness that came late can only not help: it takes nothing away from what is believed without it.
        return tuple(better if better.accepted else each for each, better in zip(believed, witnessed, strict=True))

    def _lacks_clock(self, judgement: Judgement) -> bool:
        is_revoked = self._policy is not None and self._policy.is_revoked(judgement.key)
        return is_revoked and judgement.is_self_asserted


def _require_named(event: EventFacts, data: bytes) -> None:
    signed = {line.label for line in parse_note(decode_proof(data).checkpoint).signatures}
    absent = [name for name in event.signers if name not in signed]
    if absent:
        message = f"the manifest says that {absent[0]} signed it, and the proof has no such signature"
        raise TamperedError(message)
