"""Checks that a pack has exactly the files that its manifest lists, byte for byte."""

from __future__ import annotations

from telemetry.evidence.check.report import Findings, OpenCheck
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.manifest import FileFacts, Manifest
from telemetry.evidence.pack.names import MANIFEST, NOTE, EventFolder, event_of

_OWN = frozenset({MANIFEST, NOTE})


def check_files(archive: Archive, manifest: Manifest, findings: Findings) -> frozenset[str]:
    """Check the files; return the names of those that are what the manifest lists.

    1. Each file that is listed is there, and has the digest that is listed.
    2. No other file is there.
    3. The files are those of the events that the manifest names.
    """
    check = findings.begin("files")
    # 1.
    intact = frozenset(facts.name for facts in manifest.files if _is_intact(archive, facts, check))
    listed = {facts.name for facts in manifest.files}
    # 2.
    for name in archive.names:
        if name not in listed and name not in _OWN:
            check.add(name, "was added: the manifest does not list it")
    # 3.
    _check_events(manifest, listed, check)
    check.conclude(f"{len(intact):,} of {len(manifest.files):,} files are what the manifest lists")
    return intact


def _is_intact(archive: Archive, facts: FileFacts, check: OpenCheck) -> bool:
    if facts.name not in archive:
        check.add(facts.name, "is missing: the manifest lists it")
        return False
    content = archive.read(facts.name)
    if not facts.fits(content):
        check.add(facts.name, "was altered: its content is not the one that the manifest lists")
        return False
    if not archive.has_checksum(facts.name, content):
        check.add(facts.name, "has another checksum in the archive than its content: other programs refuse it")
        return False
    return True


def _check_events(manifest: Manifest, listed: set[str], check: OpenCheck) -> None:
    wanted = set()
    for event in manifest.events:
        if event.problem is None:
            wanted.add(EventFolder.PROOFS.file_of(event.id))
        if event.content != "none":
            wanted.add(EventFolder.EVENTS.file_of(event.id))
        if event.content == "disclosed":
            wanted.add(EventFolder.DISCLOSURES.file_of(event.id))
    found = {name for name in listed if event_of(name) is not None}
    for name in sorted(wanted - found):
        check.add(name, "is not listed as a file, and the manifest's event needs it")
    for name in sorted(found - wanted):
        check.add(name, "belongs to no event of the manifest, or to one that should not have it")
