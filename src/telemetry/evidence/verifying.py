"""Verifies an evidence pack offline: needs the file and public keys; no topic, no store, no key service."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from telemetry.evidence.check.contents import ContentCheck
from telemetry.evidence.check.dates import check_date
from telemetry.evidence.check.files import check_files
from telemetry.evidence.check.pages import check_pages
from telemetry.evidence.check.proofs import ProofCheck
from telemetry.evidence.check.recorded import check_recorded
from telemetry.evidence.check.report import UNPROVEN, Findings, OpenCheck, PackReport
from telemetry.evidence.check.rosters import PackRosters
from telemetry.evidence.check.sample import check_sample
from telemetry.evidence.check.signer import SignerCheck
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.keys import PackKeys, decode_keys
from telemetry.evidence.pack.manifest import MAX_MANIFEST_BYTES, Manifest, decode_manifest
from telemetry.evidence.pack.names import KEYS, MANIFEST, EventFolder
from telemetry.exceptions import ConfigurationError, FormatError, Problem
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay


def verify_pack(
    file: Path | BinaryIO,
    *,
    policy: TrustPolicy | None,
    opener: RecordOpener | None = None,
    progress: ProgressDisplay = NO_PROGRESS,
) -> PackReport:
    """Check a pack.

    1. The ZIP is in the one form of a pack, and has a manifest that this version reads.
    2. It has exactly the files that the manifest lists, byte for byte.
    3. A key that may vouch for packs signed the manifest.
    4. Rosters, proofs, content, sample, date and pages hold, each by what it can be compared with.

    Without a policy, signatures are checked with the keys inside the pack: that says only that it is consistent with itself.

    Args:
        file: The pack; a stream has to be seekable and is not closed.
        policy: Who may sign what: keys of services, and those with the role ``auditor``; None where nobody said.
        opener: Opens the sealed records again, to compare them with the content in the pack; None to open nothing.
        progress: Is told how far the verification is.

    Returns:
        The report. A pack that is altered, refused or no pack at all is a report too, never an exception.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as source:
            return _verify(source, policy.afresh() if policy is not None else None, opener, progress)
    except OSError as exc:
        problem = Problem("FILE", f"the pack cannot be read: {exc.strerror or exc}", "check its path and its mode")
        raise ConfigurationError(problem) from exc
    except FormatError as exc:
        # Its form was checked at the beginning.
        raise ConfigurationError(
            Problem("FILE", "the pack changed while it was read", "copy it, and try again")
        ) from exc


def _verify(
    source: BinaryIO, policy: TrustPolicy | None, opener: RecordOpener | None, progress: ProgressDisplay
) -> PackReport:
    findings = Findings()
    form = findings.begin("form")
    # 1.
    try:
        archive = Archive(source)
        manifest = _manifest(archive)
    except FormatError as exc:
        form.add("", str(exc))
        form.conclude("the file is no pack, or its form was altered")
        return findings.report(None)
    form.conclude(f"{len(archive.names):,} files, in the one form of a pack")
    # 2.
    intact = check_files(archive, manifest, findings)
    keys = _keys(archive, intact, findings)
    # 3.
    signer = SignerCheck(archive, manifest, policy, keys, findings)
    signer.check()
    # 4.
    rosters = PackRosters(policy, keys)
    rosters.check(archive, intact, findings)
    proofs = ProofCheck(policy, keys, rosters, findings)
    contents = ContentCheck(intact, manifest.attested_by, opener, findings)
    checks = (findings.begin("events"), signer, proofs, contents)
    _check_events(archive, manifest, intact, checks, progress)
    check_date(manifest, proofs.signed_at, findings)
    check_sample(archive, manifest, intact, findings)
    check_pages(archive, intact, findings)
    check_recorded(archive, manifest, intact, findings)
    return findings.report(manifest)


def _manifest(archive: Archive) -> Manifest:
    if MANIFEST not in archive:
        message = f"it has no {MANIFEST}"
        raise FormatError(message)
    if archive.size_of(MANIFEST) > MAX_MANIFEST_BYTES:
        message = f"{MANIFEST} is larger than {MAX_MANIFEST_BYTES:,} bytes"
        raise FormatError(message)
    return decode_manifest(archive.read(MANIFEST))


def _keys(archive: Archive, intact: frozenset[str], findings: Findings) -> PackKeys:
    check = findings.begin("keys")
    keys = PackKeys()
    if KEYS in intact:
        try:
            keys = decode_keys(archive.read(KEYS))
        except FormatError as exc:
            check.add(KEYS, str(exc))
    elif KEYS not in archive:
        check.add(KEYS, "is missing: a pack lists the keys whose signatures it has")
    check.note(f"{len(keys)} in the pack: material to compare, which nothing is believed for")
    return keys


def _check_events(
    archive: Archive,
    manifest: Manifest,
    intact: frozenset[str],
    checks: tuple[OpenCheck, SignerCheck, ProofCheck, ContentCheck],
    progress: ProgressDisplay,
) -> None:
    """Check one event after the other: together their records may not fit into memory."""
    named, signer, proofs, contents = checks
    with progress.step("checking events", total=len(manifest.events)) as step:
        for event in manifest.events:
            proof = None
            if event.problem is not None:
                reason = f"event {event.id} is not proven, as the manifest says: {event.problem}"
                named.add(MANIFEST, reason, exit_code=UNPROVEN)
            elif EventFolder.PROOFS.file_of(event.id) in intact:
                proof = proofs.check(archive, event)
                reason = signer.why_not_for(proof.record.checkpoint.source) if proof is not None else ""
                if reason:
                    named.add(EventFolder.PROOFS.file_of(event.id), reason)
            if EventFolder.EVENTS.file_of(event.id) in intact:
                contents.check(archive, event, proof)
            step.advance()
    unproven = sum(event.problem is not None for event in manifest.events)
    named.conclude(
        f"{len(manifest.events):,} in the manifest, of which {unproven:,} were not proven when it was written"
    )
    proofs.conclude(len(manifest.events))
    contents.conclude()
