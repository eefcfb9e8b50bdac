"""What a verification leaves behind, so that the next one goes on from there and a rewritten past is found."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, fields
from pathlib import Path

import msgspec

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.verify.stream_check import StreamSnapshot
from telemetry.reader.verify.tree.copies import DifferingCopy
from telemetry.reader.verify.tree.parked import ParkedInterval
from telemetry.reader.verify.tree.proven import RecordCounts
from telemetry.reader.verify.tree.stream_tree import TreeSnapshot
from telemetry.reader.verify.verdicts import Finding
from telemetry.storage.local_folder import translate
from telemetry.system.durable_file import write_durably

STATE_VERSION = 1
MAX_STATE_BYTES = 1 << 30

_MAGIC = b"telemetry-verifier-state"
_HEADER_BYTES = 128
_ROOTS_KEPT = 64


class ParkedState(msgspec.Struct, kw_only=True):
    """An interval that was not proven."""

    start: int
    end: int
    checkpoint: Checkpoint
    need: int
    held_from: int
    tree: bytes | None
    refuted: bool


class StreamState(msgspec.Struct, kw_only=True):
    """What is known of one producer.

    Attributes:
        base: Size and O(log n) hashes of the tree that is behind us.
        runs: Leaf hashes that are not in that tree yet, by first sequence.
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
    pending: list[Checkpoint]
    signed: dict[int, bytes]
    passed: Checkpoint | None
    latest: Checkpoint | None
    closing: Checkpoint | None
    counts: dict[str, int]
    checkpoints: int
    keys: list[str]
    findings: list[Finding]
    copies: list[DifferingCopy]
    altered: list[DifferingCopy]


class VerifierState(msgspec.Struct, kw_only=True):
    """The state of a verification.

    The digest finds damage. Whoever can write the file can write a digest too, and can put an older file in its place:
    file the digest with each report, and give it to :meth:`load` the next time.

    Attributes:
        serial: How many verifications led here.
        previous: Digest of the state before.
        saved_at: RFC 3339 time, if known.
        positions: Next offset to read, by topic and partition.
        streams: One for each producer.
        findings: What belongs to no producer.
    """

    serial: int
    previous: str
    saved_at: str
    positions: dict[str, dict[int, int]]
    streams: list[StreamState]
    findings: list[Finding]

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

        Args:
            data: The content.
            expected_digest: As it stands in the last report; None if it is not known.

        Raises:
            FormatError: It is not a state file of this version.
            TamperedError: It does not agree with its digest, or is not the state that was expected.
        """
        header, newline, body = data[:_HEADER_BYTES].partition(b"\n")
        words = header.split(b" ")
        if not newline or len(words) != 3 or words[0] != _MAGIC or words[1] != str(STATE_VERSION).encode():  # noqa: PLR2004
            message = f"this is not a verifier's state of version {STATE_VERSION}"
            raise FormatError(message)
        body = data[len(header) + 1 :]
        digest = hashlib.sha256(body).hexdigest()
        if not hmac.compare_digest(digest.encode(), words[2]):
            message = "the verifier's state was altered or damaged: it does not agree with its digest"
            raise TamperedError(message)
        if expected_digest is not None and not hmac.compare_digest(digest.encode(), expected_digest.encode()):
            message = "the verifier's state is not the one that was expected: it was rolled back or replaced"
            raise TamperedError(message)
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
            raise translate(exc, doing="writing the verifier's state", path=path) from exc

    @classmethod
    def load(cls, path: Path, *, expected_digest: str | None = None) -> VerifierState | None:
        """Read a state file; None when there is none yet.

        Args:
            path: The file.
            expected_digest: As it stands in the last report; finds a state that was rolled back.

        Raises:
            FormatError: It is not a state file of this version.
            TamperedError: It was altered, or is not the state that was expected.
            StorageError: It cannot be read.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_STATE_BYTES + 1)
        except FileNotFoundError:
            if expected_digest is None:
                return None
            message = f"there is no verifier's state {path}, although one was expected: it was removed"
            raise TamperedError(message) from None
        except OSError as exc:
            raise translate(exc, doing="reading the verifier's state", path=path) from exc
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
        pending=tree.pending,
        signed=dict(sorted(tree.roots.items())[-_ROOTS_KEPT:]),
        # What was verified once must not be forgotten because something else was found in its place.
        passed=snapshot.required or tree.passed,
        latest=snapshot.latest,
        closing=snapshot.closing,
        counts=asdict(tree.counts),
        checkpoints=snapshot.checkpoints,
        keys=snapshot.keys,
        findings=snapshot.findings,
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
        pending=saved.pending,
        roots=saved.signed,
        passed=saved.passed,
        counts=RecordCounts(**{field.name: saved.counts.get(field.name, 0) for field in fields(RecordCounts)}),
        conflicts=saved.copies,
        altered=saved.altered,
    )
    return StreamSnapshot(
        producer=saved.producer,
        tree=tree,
        keys=saved.keys,
        checkpoints=saved.checkpoints,
        latest=saved.latest,
        closing=saved.closing,
        findings=saved.findings,
    )


def _encode_parked(interval: ParkedInterval) -> ParkedState:
    return ParkedState(
        start=interval.start,
        end=interval.end,
        checkpoint=interval.checkpoint,
        need=interval.absent,
        held_from=interval.held_from,
        tree=interval.tree.to_bytes() if interval.tree is not None else None,
        refuted=interval.refuted,
    )


def _decode_parked(saved: ParkedState) -> ParkedInterval:
    return ParkedInterval(
        start=saved.start,
        end=saved.end,
        checkpoint=saved.checkpoint,
        absent=saved.need,
        held_from=saved.held_from,
        tree=Frontier.from_bytes(saved.tree) if saved.tree is not None else None,
        refuted=saved.refuted,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(VerifierState)
