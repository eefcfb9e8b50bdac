"""Verifies the whole trail for a pack, and keeps the rosters that say when its checkpoints were first seen."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from telemetry.config import TelemetryConfig
from telemetry.evidence.check.rosters import covers, stream_entries, witnesses_of
from telemetry.evidence.pack.names import roster_file
from telemetry.evidence.request import EvidenceRequest
from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.message import decode_roster_message
from telemetry.format.roster.roster import Roster, encode_roster, is_signed_by
from telemetry.reader import RawRecord
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import VerifiedRecord, Verifier
from telemetry.trail.copied import CopiedTrail
from telemetry.trail.progress import ProgressDisplay
from telemetry.trail.verifying import read_into
from telemetry.version import __version__

if TYPE_CHECKING:
    from telemetry.archive.reading.trail_place import ArchivePlace

MAX_ROSTERS = 1_001
"""Rosters of one pack: one for each proof, and the newest."""


class TrailVerdict(NamedTuple):
    """What the verification of the trail found.

    Attributes:
        report: The report.
        scope: What was read, as names and texts.
        rosters: Names and contents of the rosters of the pack.
        witnesses: The keys that signed them.
        at: When all was read: the date of the pack. Checkpoints that were signed meanwhile are then not after it.
    """

    report: VerificationReport
    scope: dict[str, str]
    rosters: dict[str, bytes]
    witnesses: tuple[PublicKey, ...]
    at: datetime


def verify_trail(
    config: TelemetryConfig,
    request: EvidenceRequest,
    *,
    policy: TrustPolicy,
    checkpoints: Iterable[Checkpoint],
    now: datetime | None,
    progress: ProgressDisplay,
) -> TrailVerdict:
    """Read the whole trail, and judge it as ``telemetry verify`` does.

    Args:
        config: Configuration of topic and store.
        request: Names the copy that is read instead, and how long ago a running producer has signed.
        policy: Who may sign what.
        checkpoints: Those of the proofs: rosters that say the same are kept.
        now: Present time; None for the time at which the trail has been read.
        progress: Shows how far it is.

    Raises:
        TransportError: The topic cannot be read.
        StorageError: The store or the file cannot be read.
    """
    rosters = _RosterCollector(policy, checkpoints)
    if request.archive is not None:
        return _verify_archive(request.archive, request, policy=policy, rosters=rosters, now=now, progress=progress)
    verifier = _WatchedVerifier(policy, rosters, open_seconds=request.live)
    if request.file is None:
        scope = read_into(verifier, config, progress=progress)
        at = now or datetime.now(UTC)
        report = verifier.report(now=at)
    else:
        copied = CopiedTrail(request.file)
        # The name alone: where it was on this machine is nobody's business.
        scope = copied.read(verifier, config, progress=progress) | {"file": ascii(request.file.name)[1:-1]}
        at = now or datetime.now(UTC)
        report = verifier.report(now=at)
        report = replace(report, notes=(*copied.notes(), *report.notes))
    return TrailVerdict(report, scope, rosters.files(), rosters.signers, at)


def _verify_archive(
    archive: ArchivePlace,
    request: EvidenceRequest,
    *,
    policy: TrustPolicy,
    rosters: _RosterCollector,
    now: datetime | None,
    progress: ProgressDisplay,
) -> TrailVerdict:
    # A pack of a topic does not load what reads archives.
    from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive  # noqa: PLC0415

    at = now or datetime.now(UTC)
    asked = ArchiveRequest(policy=policy, open_seconds=request.live)
    report = verify_archive(archive.storage, asked, now=at, progress=progress)
    for value in archive.rosters():
        rosters.look_at(value)
    reader = archive.reader
    scope = {
        "archive seal": str(reader.number),
        "SHA-256 of the seal": reader.digest,
        "read with": f"telemetry {__version__}",
    }
    return TrailVerdict(report, scope, rosters.files(), rosters.signers, at)


class _WatchedVerifier(Verifier):
    """A verifier that shows the records of rosters to a collector too.

    Args:
        policy: Who may sign what.
        rosters: The collector.
        open_seconds: As :class:`Verifier` has it.
    """

    def __init__(self, policy: TrustPolicy, rosters: _RosterCollector, *, open_seconds: float) -> None:
        super().__init__(policy, open_seconds=open_seconds)
        self._rosters = rosters

    def observe(self, record: VerifiedRecord) -> None:
        """Observe a record."""
        if isinstance(record, RawRecord) and record.value is not None:
            self._rosters.look_at(record.value)
        super().observe(record)


class _RosterCollector:
    """Keeps the rosters that say what the checkpoints of the proofs say, and the newest of each witness.

    Anyone may write records that look like rosters, so only those of trusted witnesses are kept.

    Args:
        policy: Who may sign rosters.
        checkpoints: Those of the proofs.
    """

    def __init__(self, policy: TrustPolicy, checkpoints: Iterable[Checkpoint]) -> None:
        self._keys = witnesses_of(policy)
        self._wanted: dict[tuple[str, str, int], list[Checkpoint]] = {}
        for each in checkpoints:
            self._wanted.setdefault((each.producer, each.source, each.size), []).append(each)
        self._kept: dict[str, bytes] = {}
        self._newest: dict[PublicKey, Roster] = {}
        self._signers: dict[PublicKey, None] = {}

    def look_at(self, value: bytes) -> None:
        """Look at the value of a record."""
        roster = None
        with suppress(MalformedRecordError):  # the verifier reports it
            roster = decode_roster_message(value) if self._keys else None
        signer = next((key for key in self._keys if roster is not None and is_signed_by(roster, key)), None)
        if roster is None or signer is None:
            return
        newest = self._newest.get(signer)
        if newest is None or roster.start > newest.start:
            self._newest[signer] = roster
        if self._is_wanted(roster) and len(self._kept) < MAX_ROSTERS:
            self._keep(signer, roster)

    def files(self) -> dict[str, bytes]:
        """Return names and contents."""
        for signer, roster in self._newest.items():
            self._keep(signer, roster)
        return self._kept

    @property
    def signers(self) -> tuple[PublicKey, ...]:
        """The keys that signed what is kept."""
        return tuple(self._signers)

    def _is_wanted(self, roster: Roster) -> bool:
        """Return whether it is the first that says what a checkpoint says; the topic has rosters in their order."""
        is_wanted = False
        for entry in stream_entries(roster):
            wanted = self._wanted.get((entry.producer, entry.source, entry.size), [])
            for checkpoint in [each for each in wanted if covers(entry, each)]:
                wanted.remove(checkpoint)
                is_wanted = True
        return is_wanted

    def _keep(self, signer: PublicKey, roster: Roster) -> None:
        self._kept[roster_file(signer.key_id.hex(), roster.start)] = encode_roster(roster)
        self._signers[signer] = None
