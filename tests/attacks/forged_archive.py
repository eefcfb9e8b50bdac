"""Forges archives in a folder: files and seals, with other keys and with the archiver's own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from telemetry.config import StorageConfig
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import MAX_SEAL_BYTES, Commit, Seal, SealedFile, SealedRange, SealedStream, SealKind
from telemetry.format.archive.seal_note import FIRST_LINE, decode_seal, encode_seal, seal_digest, seal_name
from telemetry.format.archive.succession import ArchiveState, seal_after
from telemetry.format.proof.signed_note import sign_note
from telemetry.format.roster.entries import SealEntry
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.seals.chain import judge_chain
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.files import count_others, judge_file, wrong_rows
from telemetry.reader.seals.store import SealStore
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from telemetry.reader.verify.verdicts import Finding
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.rosters import WITNESS, Witnessing
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, SOURCE
from tests.support.written_trail import TOPIC, Signer

STRANGER = Signer(66, "archiver")
"""A key of the attacker that has the name of the archiver's."""
SERVICE = Signer(2, "payments")
STAGING = Signer(3, "staging-archiver")
STAGING_SOURCE = "/staging/telemetry-archiver"
POLICY = TrustPolicy(
    (
        TrustedKey(public=ARCHIVER.public, roles=frozenset({Role.ARCHIVER}), sources=(SOURCE,)),
        TrustedKey(public=STAGING.public, roles=frozenset({Role.ARCHIVER}), sources=(STAGING_SOURCE,)),
        TrustedKey(public=SERVICE.public, roles=frozenset({Role.SERVICE}), sources=("/test/payments",)),
    )
)
COMMITS = 67
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
ROWS = 10


def tree_of(producer: int, size: int, *, signer: str = "0123abcd") -> SealedStream:
    """Return the tree that a producer signed at a size."""
    root = hashlib.sha256(b"%d of %d" % (size, producer)).digest()
    return SealedStream(
        source="/test/payments",
        producer=f"018f3b1c-0000-7000-8000-{producer:012d}",
        size=size,
        root=base64.b64encode(root).decode(),
        signer=signer,
        final=False,
    )


def content(rows: int, trees: Sequence[SealedStream] = (), salt: str = "") -> bytes:
    """Return a data file: how many rows it has, and its checkpoints."""
    listed = [msgspec.to_builtins(tree) for tree in trees]
    return json.dumps({"rows": rows, "trees": listed, "salt": salt}).encode()


class Bucket:
    """An archive in a folder, of which the attacker may change everything.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: StorageProvider = StorageProviderFactory.create(
            StorageConfig(provider="local_file", base_path=folder)
        )
        self.seals = SealStore(self.store)

    def fill(self, *, archive: str = ARCHIVE, source: str = SOURCE, signer: Signer = ARCHIVER, salt: str = "") -> None:
        """Write what an archiver writes: a file for each commit, with the checkpoint of one of three producers."""
        state: ArchiveState | None = None
        for number in range(COMMITS):
            day = day_of(number)
            tree = tree_of(number % 3, 10 * (number + 1))
            file = self.put_file(file_name(number, day), content(ROWS, [tree], salt), rows=ROWS)
            offsets = SealedRange(topic=TOPIC, partition=0, first=ROWS * number, end=ROWS * (number + 1))
            commit = Commit(kind=SealKind.APPEND, added=(file,), ranges=(offsets,), streams=(tree,))
            time = f"2026-01-04T00:{number // 60:02}:{number % 60:02}.000000Z"
            seal = seal_after(state, commit, time=time, source=source, archive=archive)
            data = encode_seal(seal, signer)
            self.path(seal_name(number)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path(seal_name(number)).write_bytes(data)
            state = ArchiveState(seal, seal_digest(data), (state.live if state else LiveFiles()).after(seal))

    def path(self, name: str) -> Path:
        return self.folder / name

    def put_file(self, name: str, data: bytes, *, rows: int) -> SealedFile:
        """Write a data file, and return what a seal says of it."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path(name).write_bytes(data)
        day = name.split("=")[1][:10]
        return SealedFile(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), rows=rows, day=day)

    def seal(self, number: int) -> Seal:
        return decode_seal(self.path(seal_name(number)).read_bytes())[1]

    def sign(self, number: int, seal: Seal, signer: Signer) -> None:
        """Store a seal, whatever it says."""
        text = f"{FIRST_LINE}\n{msgspec.json.encode(seal).decode()}\n"
        self.path(seal_name(number)).write_bytes(sign_note(text, signer, max_bytes=8 * MAX_SEAL_BYTES).encode())

    def forge(self, number: int, signer: Signer, **changes: Any) -> None:
        """Change a seal, and sign it and all later ones again, each with the digest of the one before."""
        self.sign(number, msgspec.structs.replace(self.seal(number), **changes), signer)
        self.rechain(number + 1, signer)

    def rechain(self, first: int, signer: Signer) -> None:
        for number in range(first, COMMITS):
            previous = seal_digest(self.path(seal_name(number - 1)).read_bytes())
            self.sign(number, msgspec.structs.replace(self.seal(number), previous=previous), signer)

    def add(self, signer: Signer, **parts: Any) -> Seal:
        """Add a seal after the last one; its counts fit unless they are given."""
        before = self.seal(COMMITS - 1)
        added, removed = parts.get("added", ()), parts.get("removed", ())
        rows = before.rows + sum(file.rows for file in added) - ROWS * len(removed)
        kind = parts.get("kind", SealKind.APPEND)
        values: dict[str, Any] = {
            "kind": kind,
            "number": COMMITS,
            "previous": seal_digest(self.path(seal_name(COMMITS - 1)).read_bytes()),
            "time": "2026-01-05T00:00:00.000000Z",
            "added": (),
            "removed": (),
            "ranges": (),
            "streams": (),
            "rows": rows,
            "records": before.records + (rows - before.rows if kind is SealKind.APPEND else 0),
            "live": None,
        }
        seal = msgspec.structs.replace(before, **{**values, **parts})
        self.sign(COMMITS, seal, signer)
        return seal

    def history(self, number: int = COMMITS - 1) -> RosterHistory:
        """Return the log of a witness that saw a seal of this archive."""
        stored = self.seals.read(number)
        witnessing = Witnessing()
        signer = ARCHIVER.public.key_id.hex()
        witnessing.sign(SealEntry(archive=stored.seal.archive, number=number, digest=stored.digest, signer=signer))
        return RosterHistory.read(witnessing.documents, WITNESS.public)


def file_name(number: int, day: str) -> str:
    return f"events/data/day={day}/018f3b1c-0000-7000-8000-{number:012d}-0.parquet"


def day_of(number: int) -> str:
    return DAYS[min(number * len(DAYS) // COMMITS, len(DAYS) - 1)]


def examine(
    bucket: Bucket,
    *,
    policy: TrustPolicy = POLICY,
    expected: Sequence[ExpectedSeal] = (),
    histories: Sequence[RosterHistory] = (),
    also: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Return what an auditor is told of a bucket: verdict, last part of the place, field."""
    judgement = judge_chain(bucket.seals, policy, expected=expected, histories=histories)
    found: list[Finding] = list(judgement.findings)
    for live in judgement.live.values():
        problems = judge_file(bucket.store, live)
        found += problems
        if not problems:
            read = json.loads(bucket.store.get(live.file.name))
            found += wrong_rows(live, read["rows"])
            for tree in (msgspec.convert(each, SealedStream) for each in read["trees"]):
                root = base64.b64decode(tree.root)
                judgement.trees.saw(
                    source=tree.source, producer=tree.producer, size=tree.size, root=root, signer=tree.signer
                )
    found += judgement.trees.findings()
    also(count_others(bucket.store, judgement.live).count)
    return [f"{each.verdict} {each.place.rpartition('/')[2]} {each.field}".strip() for each in found]
