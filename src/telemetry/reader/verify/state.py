"""Saves and loads the state of a verification, so that the next one continues from it and finds a rewritten past."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, fields
from pathlib import Path

import msgspec

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.verify.saved import SavedCheckpoint, SavedFinding
from telemetry.reader.verify.stream_check import StreamSnapshot
from telemetry.reader.verify.tree.copies import DifferingCopy
from telemetry.reader.verify.tree.parked import ParkedInterval
from telemetry.reader.verify.tree.proven import RecordCounts
from telemetry.reader.verify.tree.stream_tree import TreeSnapshot
from telemetry.system.durable_file import write_durably
from telemetry.system.file_errors import storage_error

STATE_VERSION = 1
MAX_STATE_BYTES = 1 << 30

_MAGIC = b"telemetry-verifier-state"
_HEADER_BYTES = 128
_ROOTS_KEPT = 64


class ParkedState(msgspec.Struct, kw_only=True):
    """An interval that was not proven; the names of the members are those of the file."""

    start: int
    end: int
    checkpoint: SavedCheckpoint
    need: int
    held_from: int
    tree: bytes | None
    refuted: bool


class StreamState(msgspec.Struct, kw_only=True):
    """One producer as it is saved; the names of the members are those of the file.

    Attributes:
        base: Size and O(log n) hashes of the tree of all records that were folded.
        runs: Leaf hashes of records out of sequence, by first sequence.
        passed: A root that the next verification must find again: the last one passed, or one that is still missing.
    """

    producer: str
    base: bytes
    segment: int
    next: int
    last: int
    highest: int
    tail: bytes
    runs: list[tuple[int, bytes]]
    unheld: list[tuple[int, int]]
    parked: list[ParkedState]
    pending: list[SavedCheckpoint]
    signed: dict[int, bytes]
    passed: SavedCheckpoint | None
    latest: SavedCheckpoint | None
    closing: SavedCheckpoint | None
    counts: dict[str, int]
    checkpoints: int
    keys: list[str]
    findings: list[SavedFinding]
    copies: list[DifferingCopy]
    altered: list[DifferingCopy]


class VerifierState(msgspec.Struct, kw_only=True):
    """The state of a verification.

    The digest reveals damage. Anyone who can write the file can also write a matching digest, or replace the file by an
    older one: keep the digest with each report, and pass it to :meth:`load` the next time.

    Attributes:
        serial: Number of this verification in its series, from 1.
        previous: Digest of the state before it; empty for none.
        saved_at: Time of the verification, RFC 3339; empty if it was not given.
        positions: Next offset to read, by topic and partition.
        streams: What is known of each producer.
        findings: Findings that concern no producer.
    """

    serial: int
    previous: str
    saved_at: str
    positions: dict[str, dict[int, int]]
    streams: list[StreamState]
    findings: list[SavedFinding]

    @property
    def digest(self) -> str:
        """SHA-256 of the state, in hexadecimal."""
        return hashlib.sha256(_encoder.encode(self)).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the content of a state file: one line with version and digest, then MessagePack."""
        body = _encoder.encode(self)
        return b"%b %d %b\n" % (_MAGIC, STATE_VERSION, hashlib.sha256(body).hexdigest().encode()) + body

    @classmethod
    def from_bytes(cls, data: bytes, *, expected_digest: str | None = None) -> VerifierState:
        """Read the content of a state file.

        1. Its first line names this format and version.
        2. Its content matches the digest in that line: it is not damaged.
        3. It is the expected state: it was not replaced or rolled back.
        4. Its content has the form of a state.

        Args:
            data: The content.
            expected_digest: Digest in the last report; None if it is not known.

        Raises:
            FormatError: It is not a state file of this version.
            TamperedError: It does not match its digest, or is not the expected state.
        """
        # 1. Format and version.
        header, newline, _ = data[:_HEADER_BYTES].partition(b"\n")
        words = header.split(b" ")
        if not newline or len(words) != 3 or words[0] != _MAGIC or words[1] != str(STATE_VERSION).encode():  # noqa: PLR2004
            message = f"this is not a verifier's state of version {STATE_VERSION}; name the file that verify wrote"
            raise FormatError(message)
        # 2. Its own digest.
        body = data[len(header) + 1 :]
        digest = hashlib.sha256(body).hexdigest()
        if not hmac.compare_digest(digest.encode(), words[2]):
            message = (
                "the verifier's state was altered or damaged: it does not match its digest; restore it from a copy"
            )
            raise TamperedError(message)
        # 3. The expected digest.
        if expected_digest is not None and not hmac.compare_digest(digest.encode(), expected_digest.encode()):
            message = "the verifier's state is not the one that was expected: it was rolled back or replaced"
            raise TamperedError(message)
        # 4. The content.
        try:
            return _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            message = "the verifier's state is malformed"
            raise FormatError(message) from exc

    def save(self, path: Path) -> None:
        """Write the file with mode 0600; a crash leaves the old file or the new one.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            write_durably(path, self.to_bytes(), replace=True)
        except OSError as exc:
            raise storage_error(exc, doing="writing the verifier's state", path=path, place="the state file") from exc

    @classmethod
    def load(cls, path: Path, *, expected_digest: str | None = None) -> VerifierState | None:
        """Read a state file; return None if there is no such file.

        Args:
            path: The file.
            expected_digest: Digest in the last report; reveals a state that was rolled back.

        Raises:
            FormatError: It is not a state file of this version.
            TamperedError: It was altered, or is not the expected state.
            StorageError: It cannot be read.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_STATE_BYTES + 1)
        except FileNotFoundError:
            if expected_digest is None:
                return None
            message = f"the verifier's state {path} is expected and does not exist: it was removed"
            raise TamperedError(message) from None
        except OSError as exc:
            raise storage_error(exc, doing="reading the verifier's state", path=path, place="the state file") from exc
        if len(data) > MAX_STATE_BYTES:
            message = f"the verifier's state {path} is larger than {MAX_STATE_BYTES} bytes"
            raise FormatError(message)
        return cls.from_bytes(data, expected_digest=expected_digest)


def encode_stream(snapshot: StreamSnapshot) -> StreamState:
    """Return a producer as it is saved, without what can be forgotten."""
    tree = snapshot.tree
    return StreamState(
        producer=snapshot.producer,
        base=tree.folded.to_bytes(),
        segment=tree.segment_start,
        next=tree.next_sequence,
        last=tree.last,
        highest=tree.highest,
        tail=tree.tail,
        runs=tree.runs,
        unheld=tree.unheld,
        parked=[_encode_parked(interval) for interval in tree.parked],
        pending=[SavedCheckpoint.of(checkpoint) for checkpoint in tree.pending],
        signed=dict(sorted(tree.roots.items())[-_ROOTS_KEPT:]),
        # What was verified once must not be forgotten because something else was found in its place.
        passed=_save(snapshot.required or tree.passed),
        latest=_save(snapshot.latest),
        closing=_save(snapshot.closing),
        counts=asdict(tree.counts),
        checkpoints=snapshot.checkpoints,
        keys=snapshot.keys,
        findings=[SavedFinding.of(finding) for finding in snapshot.findings],
        copies=tree.conflicts,
        altered=tree.altered,
    )


def decode_stream(saved: StreamState) -> StreamSnapshot:
    """Return a saved producer as a snapshot.

    Raises:
        FormatError: The state contradicts itself.
    """
    folded = Frontier.from_bytes(saved.base)
    tail_end = folded.size + len(saved.tail) // HASH_BYTES
    if not saved.segment <= folded.size <= saved.next or saved.next != tail_end:
        message = f"the verifier's state of producer {saved.producer} contradicts itself"
        raise FormatError(message)
    tree = TreeSnapshot(
        folded=folded,
        segment_start=saved.segment,
        next_sequence=saved.next,
        last=saved.last,
        highest=saved.highest,
        tail=saved.tail,
        runs=saved.runs,
        unheld=saved.unheld,
        parked=[_decode_parked(interval) for interval in saved.parked],
        pending=[checkpoint.restored() for checkpoint in saved.pending],
        roots=saved.signed,
        passed=_restore(saved.passed),
        counts=RecordCounts(**{field.name: saved.counts.get(field.name, 0) for field in fields(RecordCounts)}),
        conflicts=saved.copies,
        altered=saved.altered,
    )
    return StreamSnapshot(
        producer=saved.producer,
        tree=tree,
        keys=saved.keys,
        checkpoints=saved.checkpoints,
        latest=_restore(saved.latest),
        closing=_restore(saved.closing),
        findings=[finding.restored() for finding in saved.findings],
    )


def _save(checkpoint: Checkpoint | None) -> SavedCheckpoint | None:
    return None if checkpoint is None else SavedCheckpoint.of(checkpoint)


def _restore(saved: SavedCheckpoint | None) -> Checkpoint | None:
    return None if saved is None else saved.restored()


def _encode_parked(interval: ParkedInterval) -> ParkedState:
    return ParkedState(
        start=interval.start,
        end=interval.end,
        checkpoint=SavedCheckpoint.of(interval.checkpoint),
        need=interval.absent,
        held_from=interval.held_from,
        tree=interval.tree.to_bytes() if interval.tree is not None else None,
        refuted=interval.refuted,
    )


def _decode_parked(saved: ParkedState) -> ParkedInterval:
    return ParkedInterval(
        start=saved.start,
        end=saved.end,
        checkpoint=saved.checkpoint.restored(),
        absent=saved.need,
        held_from=saved.held_from,
        tree=Frontier.from_bytes(saved.tree) if saved.tree is not None else None,
        refuted=saved.refuted,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(VerifierState)
