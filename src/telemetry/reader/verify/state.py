"""What a verification leaves behind, so that the next one goes on from there and a rewritten past is found."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import msgspec

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.stream_tree import Copy, Parked, StreamTree
from telemetry.reader.verify.verdicts import Finding
from telemetry.storage.local_folder import translate
from telemetry.system.durable_file import write_durably

STATE_VERSION = 1
MAX_STATE_BYTES = 1 << 30

_MAGIC = b"telemetry-verifier-state"
_HEADER_BYTES = 128
_SIGNED_KEPT = 64


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
    copies: list[Copy]
    altered: list[Copy]


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


def save_stream(stream: StreamCheck) -> StreamState:
    """Return what is known of a producer, without what can be forgotten."""
    tree = stream.tree
    tree.finish()
    return StreamState(
        producer=stream.producer,
        base=tree.base.to_bytes(),
        segment=tree.segment,
        next=tree.next,
        last=tree.last,
        highest=tree.highest,
        tail=bytes(tree.tail),
        runs=list(tree.window.runs()),
        unheld=tree.unheld.ranges(),
        parked=[_save_parked(parked) for parked in tree.parked],
        pending=tree.pending,
        signed=dict(sorted(tree.signed.items())[-_SIGNED_KEPT:]),
        # What was verified once must not be forgotten because something else was found in its place.
        passed=stream.unconfirmed or tree.passed,
        latest=stream.latest,
        closing=stream.closing,
        counts=tree.counts(),
        checkpoints=stream.checkpoints,
        keys=sorted(stream.keys),
        findings=list(stream.findings.sorted()),
        copies=[copy for copies in tree.conflicts.values() for copy in copies],
        altered=tree.altered,
    )


def restore_stream(stream: StreamCheck, saved: StreamState, *, continued: bool) -> None:
    """Put a producer back to where it was; with ``continued`` false only what must still hold.

    Raises:
        FormatError: The state contradicts itself.
    """
    if not continued:
        if saved.passed is not None:
            stream.attest(saved.passed)
        return
    _restore_tree(stream.tree, saved)
    stream.latest, stream.closing = saved.latest, saved.closing
    stream.verified_before = saved.segment
    stream.checkpoints = saved.checkpoints
    stream.keys.update(saved.keys)
    for finding in saved.findings:
        stream.findings.add(finding)


def _restore_tree(tree: StreamTree, saved: StreamState) -> None:
    base = Frontier.from_bytes(saved.base)
    if not saved.segment <= base.size <= saved.next or saved.next != base.size + len(saved.tail) // HASH_BYTES:
        message = f"the verifier's state of producer {saved.producer} contradicts itself"
        raise FormatError(message)
    tree.base, tree.segment, tree.next = base, saved.segment, saved.next
    tree.last, tree.highest, tree.passed = saved.last, saved.highest, saved.passed
    tree.tail += saved.tail
    for start, leaves in saved.runs:
        tree.window.put_run(start, leaves)
    for start, end in saved.unheld:
        tree.unheld.add_range(start, end)
    tree.parked = [_restore_parked(parked) for parked in saved.parked]
    tree.pending = list(saved.pending)
    tree.signed.update(saved.signed)
    tree.altered = list(saved.altered)
    for copy in saved.copies:
        tree.conflicts.setdefault(copy.sequence, []).append(copy)
    tree.resume(saved.counts)


def _save_parked(parked: Parked) -> ParkedState:
    return ParkedState(
        start=parked.start,
        end=parked.end,
        checkpoint=parked.checkpoint,
        need=parked.need,
        held_from=parked.held_from,
        tree=parked.tree.to_bytes() if parked.tree is not None else None,
        refuted=parked.refuted,
    )


def _restore_parked(saved: ParkedState) -> Parked:
    return Parked(
        saved.start,
        saved.end,
        saved.checkpoint,
        saved.need,
        saved.held_from,
        Frontier.from_bytes(saved.tree) if saved.tree is not None else None,
        saved.refuted,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(VerifierState)
