"""Builds an evidence pack: events, their proofs and the verification of the trail, in one file that is checked offline."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from telemetry.config import TelemetryConfig
from telemetry.evidence.build.files import PackFiles
from telemetry.evidence.build.page import PageContent, render_page
from telemetry.evidence.build.proving import PackProver, ProvenEvents
from telemetry.evidence.build.reading import ReadSelection, read_selection
from telemetry.evidence.build.trail_report import TrailVerdict, verify_trail
from telemetry.evidence.pack.archive import ByteSink
from telemetry.evidence.pack.keys import PackKeys, encode_keys
from telemetry.evidence.pack.manifest import (
    FORMAT,
    VERSION,
    CountFacts,
    Manifest,
    ReportFacts,
    RequestFacts,
    SampleFacts,
    encode_manifest,
)
from telemetry.evidence.pack.names import KEYS, PAGE, POPULATION, REPORT, REPORT_PAGE, TRUST
from telemetry.evidence.pack.note import sign_manifest
from telemetry.evidence.pack.population import encode_population
from telemetry.evidence.pack.sample import METHOD
from telemetry.evidence.request import EvidenceRequest
from telemetry.exceptions import ConfigurationError, EncryptionError, IncompleteError, Problem, TamperedError
from telemetry.format.proof.signed_note import PublicKey, Signer
from telemetry.reader.trust import TrustPolicy
from telemetry.reader.trust.judgement import label_of
from telemetry.reader.verify.html_report import render_html
from telemetry.system.clock import rfc3339
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.read_event import Access, record_export
from telemetry.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSummary:
    """What is in a pack that was written.

    Attributes:
        events: Number of events.
        unproven: Id of each event that is not proven, and why.
        population: Events that met the conditions.
        seed: Seed of the sample; None without one.
        damaged: Records that could not be read: the selection may lack events.
        unopened: Events whose data keys were not available.
        size: Bytes of the pack.
        sha256: Its digest, 64 hexadecimal digits.
        signer: Name and id of the key that signed the manifest; None where nobody did.
        verdict: What the verification of the whole trail says.
        exit_code: 0, 3 a record was altered or damaged, 4 an event is not proven, 5 data keys were not available.
    """

    events: int
    unproven: tuple[tuple[str, str], ...]
    population: int
    seed: str | None
    damaged: int
    unopened: int
    size: int
    sha256: str
    signer: str | None
    verdict: str
    exit_code: int

    @property
    def proven(self) -> int:
        """How many events are proven."""
        return self.events - len(self.unproven)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, for ``--json``."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        unproven = [{"id": event_id, "reason": reason} for event_id, reason in self.unproven]
        return {**values, "proven": self.proven, "unproven": unproven}


def build_pack(
    config: TelemetryConfig,
    request: EvidenceRequest,
    *,
    target: ByteSink,
    policy: TrustPolicy,
    signer: Signer | None,
    now: datetime | None = None,
    trust_file: bytes | None = None,
    progress: ProgressDisplay = NO_PROGRESS,
    is_recorded: bool = False,
) -> PackSummary:
    """Write an evidence pack. The same trail, request, key and time give the same bytes.

    1. The read is recorded, and the events are selected; where nothing has to be opened, neither is done.
    2. Each event is proven; one that is not is in the pack with the reason.
    3. The whole trail is verified.
    4. The files are put together, and the manifest that lists them is signed.
    5. The export is recorded, then the pack is written.

    Args:
        config: Configuration of the trail and, where there is content, of the key that opens it.
        request: Which events, by which person and why.
        target: Gets the bytes; nothing but ``write`` is called.
        policy: Who may sign what.
        signer: The auditor's key; None for a pack that nobody signs.
        now: Time that the pack states; None for the time at which the trail has been read. Events whose checkpoint is later
            are not proven.
        trust_file: The trust file that says what ``policy`` is, as material for the pack.
        progress: Shows how far it is.
        is_recorded: Whether the caller has recorded the read and the export in the trail.

    Raises:
        ConfigurationError: No event is selected, or more than a pack can have.
        ReadNotRecordedError: Read or export could not be recorded.
        TransportError: The topic cannot be read.
        StorageError: The store, the file or a temporary file cannot be read or written.
    """
    attested_by = label_of(PublicKey.parse(signer.public_key)) if signer is not None else None
    with closing(PackFiles()) as files:
        # 1.
        read = _read(config, request, policy, progress, is_recorded=is_recorded)
        selected = {each.event_id: each for each in read.events} if read is not None else {}
        # 2.
        prover = PackProver(files, selected, attested_by=attested_by)
        proven = prover.prove(config, request, policy=policy, now=now, progress=progress)
        # 3.
        verdict = verify_trail(
            config, request, policy=policy, checkpoints=proven.checkpoints, now=now, progress=progress
        )
        # 4.
        manifest = _Assembly(files, request, read, proven, verdict).manifest(
            created=rfc3339(verdict.at), signer=signer, trust_file=trust_file, attested_by=attested_by
        )
        data = encode_manifest(manifest)
        note = sign_manifest(data, signer, time=manifest.created) if signer is not None else None
        # 5.
        if request.content and not is_recorded:
            _record(config, request, manifest, data)
        counted = _Counted(target)
        files.write(counted, manifest=data, note=note)
        return _summary(manifest, proven, counted)


def _read(
    config: TelemetryConfig,
    request: EvidenceRequest,
    policy: TrustPolicy,
    progress: ProgressDisplay,
    *,
    is_recorded: bool,
) -> ReadSelection | None:
    """Return what was selected; None if the events are named and stay sealed, so that nothing has to be read for it."""
    if request.ids and not request.content:
        return None
    read = read_selection(config, request, policy=policy, progress=progress, is_recorded=is_recorded)
    if not request.ids and not read.population:
        raise ConfigurationError(Problem("events", "none is selected", "check the filters, and whose trail is read"))
    return read


class _Assembly:
    """Puts the files of a pack together that are not about a single event.

    Args:
        files: Gets them.
        request: What was asked.
        read: What was selected; None where nothing had to be read for it.
        proven: What became of the events.
        verdict: What the verification of the trail found.
    """

    def __init__(
        self,
        files: PackFiles,
        request: EvidenceRequest,
        read: ReadSelection | None,
        proven: ProvenEvents,
        verdict: TrailVerdict,
    ) -> None:
        self._files = files
        self._request = request
        self._read = read
        self._proven = proven
        self._verdict = verdict

    def manifest(
        self, *, created: str, signer: Signer | None, trust_file: bytes | None, attested_by: str | None
    ) -> Manifest:
        """Add the files, and return the manifest that lists all of them.

        Args:
            created: When the pack is written, RFC 3339.
            signer: The auditor's key.
            trust_file: The trust file, as material.
            attested_by: Name and id of the auditor's key.
        """
        report, scope = self._verdict.report, self._verdict.scope
        add = self._files.add
        add(REPORT, msgspec.json.format(msgspec.json.encode({**report.to_dict(), "scope": scope}), indent=1) + b"\n")
        add(REPORT_PAGE, render_html(report, scope=scope).encode())
        for name, content in self._verdict.rosters.items():
            add(name, content)
        auditors = (PublicKey.parse(signer.public_key),) if signer is not None else ()
        keys = PackKeys(auditors=auditors, signers=tuple(self._proven.signers), witnesses=self._verdict.witnesses)
        add(KEYS, encode_keys(keys))
        if trust_file is not None:
            add(TRUST, trust_file)
        if self._request.sample is not None and self._read is not None:
            add(POPULATION, encode_population(self._read.population))
        draft = self._draft(created, attested_by)
        add(PAGE, render_page(PageContent(manifest=draft, vias=self._proven.vias, files=self._files)).encode())
        return msgspec.structs.replace(draft, files=self._files.facts)

    def _draft(self, created: str, attested_by: str | None) -> Manifest:
        report, read = self._verdict.report, self._read
        return Manifest(
            format=FORMAT,
            version=VERSION,
            created=created,
            library=f"telemetry {__version__}",
            attested_by=attested_by,
            request=self._request_facts(),
            sources=self._verdict.scope,
            counts=read.counts if read is not None else _no_counts(len(self._request.ids)),
            verification=ReportFacts(
                verdict=str(report.verdict),
                exit_code=report.exit_code,
                records=report.records,
                checked_at=report.checked_at,
            ),
            events=self._proven.facts,
            files=[],
        )

    def _request_facts(self) -> RequestFacts:
        request, read, sample = self._request, self._read, self._request.sample
        return RequestFacts(
            reader=request.reader,
            reason=request.reason,
            program=request.program,
            # The pack has what was found, so it may have what was looked for.
            filters=request.describe(with_text=True),
            ids=bool(request.ids),
            content=request.content,
            sample=None
            if sample is None or read is None
            else SampleFacts(method=METHOD, size=sample.size, seed=sample.seed, population=len(read.population)),
            read_event=read.read_event if read is not None else None,
        )


class _Counted:
    """A stream that counts and hashes what is written through it.

    Args:
        target: Gets the bytes.

    Attributes:
        size: How many.
    """

    def __init__(self, target: ByteSink) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self._digest.update(data)
        self.size += len(data)
        return self._target.write(data)

    def hexdigest(self) -> str:
        """Return the SHA-256 so far."""
        return self._digest.hexdigest()


def _record(config: TelemetryConfig, request: EvidenceRequest, manifest: Manifest, data: bytes) -> None:
    description = {
        "form": "evidence pack",
        "content": request.content,
        "manifest_sha256": hashlib.sha256(data).hexdigest(),
        "signer": manifest.attested_by,
    }
    access = Access(reader=request.reader, reason=request.reason, program=request.program)
    record_export(config, access, description=description, events=len(manifest.events))


def _no_counts(named: int) -> CountFacts:
    return CountFacts(selected=named, damaged=0, unopened=0, foreign=0)


def _summary(manifest: Manifest, proven: ProvenEvents, written: _Counted) -> PackSummary:
    counts, sample = manifest.counts, manifest.request.sample
    codes = {*proven.exit_codes}
    codes |= {TamperedError.exit_code} if counts.damaged else set()
    codes |= {EncryptionError.exit_code} if counts.unopened else set()
    worst_first = (TamperedError.exit_code, IncompleteError.exit_code, EncryptionError.exit_code)
    return PackSummary(
        events=len(manifest.events),
        unproven=tuple((each.id, each.problem) for each in manifest.events if each.problem is not None),
        population=counts.selected,
        seed=sample.seed if sample is not None else None,
        damaged=counts.damaged,
        unopened=counts.unopened,
        size=written.size,
        sha256=written.hexdigest(),
        signer=manifest.attested_by,
        verdict=manifest.verification.verdict,
        exit_code=next((code for code in worst_first if code in codes), 0),
    )
