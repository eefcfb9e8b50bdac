"""Saves and loads the state of a verification, so that the next one continues from it and finds a rewritten past."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import asdict, fields
from pathlib import Path

import msgspec

from telemetry.exceptions import ConfigurationError, FormatError, Problem, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import HASH_BYTES, Frontier
from telemetry.format.uuid7 import is_uuid
from telemetry.reader.verify.saved import ParkedState, SavedCheckpoint, SavedFinding, SavedSuspicion, SignedState
from telemetry.reader.verify.stream_check import StreamSnapshot
from telemetry.reader.verify.tree.copies import DifferingCopy
from telemetry.reader.verify.tree.proven import RecordCounts
from telemetry.reader.verify.tree.snapshot import TreeSnapshot
from telemetry.reader.verify.unproven.stream_name import SOURCE_BYTES, UNKNOWN_SOURCE, StreamName
from telemetry.system.durable_file import write_durably
from telemetry.system.file_errors import storage_error
from telemetry.system.file_trust import find_fault

STATE_VERSION = 3
"""Version of a state with what former versions do not know; one without it is written as version 1."""
MAX_STATE_BYTES = 1 << 30

_MAGIC = b"telemetry-verifier-state"
_HEADER_BYTES = 128
_ROOTS_KEPT = 64
_VERSIONS = (b"1", b"2", b"3")


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
    partial: list[SignedState] | msgspec.UnsetType = msgspec.UNSET
    suspicions: list[SavedSuspicion] | msgspec.UnsetType = msgspec.UNSET
    believed: dict[str, str] | msgspec.UnsetType = msgspec.UNSET

    @property
    def name(self) -> StreamName:
        """The stream: the producer under the source that was signed."""
        signed = self.latest or self.passed
        return StreamName.of(self.producer, signed.source if signed is not None else "")


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
        waiting: Records that no trusted key had signed for, as version 2 has them: producer, sequence and leaf hash.
        unsigned: The same, each with the hash of its source after its producer.
        forgot: There were more of them than a state carries on.
    """

    serial: int
    previous: str
    saved_at: str
    positions: dict[str, dict[int, int]]
    streams: list[StreamState]
    findings: list[SavedFinding]
    waiting: list[tuple[str, int, bytes]] | msgspec.UnsetType = msgspec.UNSET
    unsigned: list[tuple[str, bytes, int, bytes]] | msgspec.UnsetType = msgspec.UNSET
    forgot: bool | msgspec.UnsetType = msgspec.UNSET

    @property
    def unsigned_records(self) -> list[tuple[StreamName, int, bytes]]:
        """Records that no trusted key had signed for: stream, sequence and leaf hash."""
        waiting = [] if self.waiting is msgspec.UNSET else self.waiting
        unsigned = [] if self.unsigned is msgspec.UNSET else self.unsigned
        return [(StreamName(producer, UNKNOWN_SOURCE), sequence, leaf) for producer, sequence, leaf in waiting] + [
            (StreamName(producer, source), sequence, leaf) for producer, source, sequence, leaf in unsigned
        ]

    @property
    def forgot_records(self) -> bool:
        """Whether there were more of them than the state carries on."""
        return self.forgot is True

    @property
    def _version(self) -> int:
        # Former versions know one stream of each producer, and no sources of records that are not signed.
        if self.unsigned is not msgspec.UNSET or len({stream.producer for stream in self.streams}) < len(self.streams):
            return STATE_VERSION
        members: list[object] = [self.waiting, self.forgot]
        for stream in self.streams:
            members += (stream.partial, stream.suspicions, stream.believed)
        return 1 if all(member is msgspec.UNSET for member in members) else 2

    @property
    def digest(self) -> str:
        """SHA-256 of the state, in hexadecimal."""
        return hashlib.sha256(_encoder.encode(self)).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the content of a state file: one line with version and digest, then MessagePack."""
        body = _encoder.encode(self)
        return b"%b %d %b\n" % (_MAGIC, self._version, hashlib.sha256(body).hexdigest().encode()) + body

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
        if not newline or len(words) != 3 or words[0] != _MAGIC or words[1] not in _VERSIONS:  # noqa: PLR2004
            message = (
                f"this is not a verifier's state of version {STATE_VERSION} or before; name the file that verify wrote"
            )
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
            state = _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            message = "the verifier's state is malformed"
            raise FormatError(message) from exc
        _require_bounds(state)
        return state

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
            ConfigurationError: Another user could have written it: anyone can compute the digest of a forged state.
            StorageError: It cannot be read.
        """
        try:
            fault = find_fault(path)
            if fault is not None:
                raise ConfigurationError(Problem("--state", str(fault), f"{fault.remedy}; then verify without it once"))
            with path.open("rb") as file:
                # A buffer for the largest state would be 1 GiB, however small this one is.
                data = file.read(min(os.fstat(file.fileno()).st_size, MAX_STATE_BYTES) + 1)
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
        parked=[ParkedState.of(interval) for interval in tree.parked],
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
        partial=[SignedState.of(interval) for interval in tree.signed] or msgspec.UNSET,
        suspicions=[SavedSuspicion.of(suspicion) for suspicion in snapshot.suspicions] or msgspec.UNSET,
        believed=snapshot.believed or msgspec.UNSET,
    )


def decode_stream(saved: StreamState) -> StreamSnapshot:
    """Return a saved producer as a snapshot.

    Raises:
        FormatError: The state contradicts itself.
    """
    folded = Frontier.from_bytes(saved.base)
    tail_end = folded.size + len(saved.tail) // HASH_BYTES
    held = sum(len(leaves) // HASH_BYTES for _, leaves in saved.runs)
    # An interval of which no record is absent is read as a whole, so its leaf hashes must be there.
    is_backed = all(interval.end - interval.held_from <= held + interval.need for interval in saved.parked)
    is_sound = saved.segment <= folded.size <= saved.next == tail_end and is_backed
    if not is_sound or any(len(leaves) % HASH_BYTES for _, leaves in saved.runs):
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
        parked=[interval.restored() for interval in saved.parked],
        signed=[] if saved.partial is msgspec.UNSET else [interval.restored() for interval in saved.partial],
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
        suspicions=[
            each.restored()
            for each in ([] if saved.suspicions is msgspec.UNSET else saved.suspicions)
            if each.sequences
        ],
        believed={} if saved.believed is msgspec.UNSET else saved.believed,
    )


def _require_bounds(state: VerifierState) -> None:
    """Refuse numbers that no trail has: the file comes from outside, and its digest is no proof of who wrote it.

    Raises:
        FormatError: A number is out of its bounds, or a name is not that of a producer.
    """
    numbers = [state.serial, *(offset for offsets in state.positions.values() for offset in offsets.values())]
    for stream in state.streams:
        numbers += (stream.segment, stream.next, stream.last + 1, stream.highest + 1, stream.checkpoints)
        numbers += (number for bounds in stream.unheld for number in bounds)
        numbers += (start for start, _ in stream.runs)
        numbers += stream.signed
    unsigned = state.unsigned_records
    numbers += (sequence for _, sequence, _ in unsigned)
    producers = [*(stream.producer for stream in state.streams), *(name.producer for name, _, _ in unsigned)]
    leaves = [leaf for _, _, leaf in unsigned]
    for stream in state.streams:
        leaves += stream.signed.values()
        leaves += (copy.leaf for copy in (*stream.copies, *stream.altered))
        numbers += (copy.sequence for copy in (*stream.copies, *stream.altered))
    if (
        not all(0 <= number < 1 << 63 for number in numbers)
        or not all(map(is_uuid, producers))
        or any(len(leaf) != HASH_BYTES for leaf in leaves)
        or any(len(name.source) != SOURCE_BYTES for name, _, _ in unsigned)
        or len({stream.name for stream in state.streams}) < len(state.streams)
    ):
        message = "the verifier's state has values that no trail leads to"
        raise FormatError(message)


def _save(checkpoint: Checkpoint | None) -> SavedCheckpoint | None:
    return None if checkpoint is None else SavedCheckpoint.of(checkpoint)


def _restore(saved: SavedCheckpoint | None) -> Checkpoint | None:
    return None if saved is None else saved.restored()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(VerifierState)
