"""Encodes and reads the manifest of an evidence pack: who asked for what, what was found, and every file's digest."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Annotated, Any, Literal

import msgspec

from telemetry.evidence.pack.names import MANIFEST, NOTE, is_name
from telemetry.exceptions import FormatError
from telemetry.format.calendar_time import has_time_form, is_in_calendar
from telemetry.format.uuid7 import is_uuid

FORMAT = "telemetry-evidence-pack"
VERSION = 1
MAX_MANIFEST_BYTES = 16 << 20
MAX_EVENTS = 1_000
"""Events of one pack."""
MAX_POPULATION = 1_000_000
"""Events that a sample is drawn from."""
MAX_FILES = 5_990

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_Text = Annotated[str, msgspec.Meta(max_length=4_096)]
_Label = Annotated[str, msgspec.Meta(max_length=512)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
_Facts = Annotated[dict[_Text, _Text], msgspec.Meta(max_length=10_000)]


class SampleFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the events of a sample were drawn.

    Attributes:
        method: Name of the method, ``telemetry-evidence-sample/1``.
        size: Events that were asked for.
        seed: 64 hexadecimal digits.
        population: Number of events that the sample was drawn from.
    """

    method: _Label
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENTS)]
    seed: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    population: Annotated[int, msgspec.Meta(ge=0, le=MAX_POPULATION)]


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked, by the word of the exporter.

    Attributes:
        reader: Person who asked.
        reason: Why.
        program: Program that wrote the pack.
        filters: Conditions that select the events, as the record of the read has them.
        ids: Whether the events were named one by one.
        content: Whether the content of the events is in the pack.
        sample: How the sample was drawn; None without one.
        read_event: Id of the event that records the read in the trail; None where the caller recorded it elsewhere.
    """

    reader: _Text | None
    reason: _Text | None
    program: _Label
    filters: dict[str, Any]
    ids: bool
    content: bool
    sample: SampleFacts | None
    read_event: _Label | None


class ReportFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verification of the whole trail, by the word of the exporter.

    Attributes:
        verdict: The worst verdict.
        exit_code: Exit code of ``telemetry verify`` for it.
        records: Records that were read.
        checked_at: When, RFC 3339.
    """

    verdict: _Label
    exit_code: Annotated[int, msgspec.Meta(ge=0, le=255)]
    records: _Count
    checked_at: _Label


class CountFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of the records, by the word of the exporter.

    Attributes:
        selected: Events that met the conditions; of a sample, its population.
        damaged: Records that could not be read: the selection may lack events.
        unopened: Events whose data keys were not available.
        foreign: Records that no trusted key proves and that were left out.
    """

    selected: _Count
    damaged: _Count
    unopened: _Count
    foreign: _Count


class EventFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event of the pack.

    Attributes:
        id: UUIDv7.
        problem: Why it is not proven; None where it is.
        content: What is in the pack of its content: attested by the exporter, disclosed (provable without a key), or nothing.
        signers: Names and ids of the keys that were believed when the pack was written.
    """

    id: _Label
    problem: _Text | None
    content: Literal["attested", "disclosed", "none"]
    signers: Annotated[list[_Label], msgspec.Meta(max_length=64)]


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the pack.

    Attributes:
        name: Its name.
        size: Its bytes.
        sha256: SHA-256 of its content, 64 hexadecimal digits.
    """

    name: _Label
    size: _Count
    sha256: _Label

    def fits(self, content: bytes) -> bool:
        """Return whether a content is the one that is listed."""
        digest = hashlib.sha256(content).hexdigest()
        return hmac.compare_digest(digest, self.sha256) and self.size == len(content)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest; a member that this version does not know is refused, because it could not be shown.

    Attributes:
        format: ``telemetry-evidence-pack``.
        version: 1.
        created: When the pack was written, RFC 3339 in UTC.
        library: Version of the library that wrote it.
        attested_by: Name and id of the key that signs the manifest; None where nobody does.
        request: What was asked.
        sources: What was read, as names and texts.
        counts: What became of the records.
        verification: What the verification of the trail said.
        events: The events, in the order of their ids.
        files: Every file but the manifest and its note, in the order of their names.
    """

    format: str
    version: int
    created: _Label
    library: _Label
    attested_by: _Label | None
    request: RequestFacts
    sources: _Facts
    counts: CountFacts
    verification: ReportFacts
    events: Annotated[list[EventFacts], msgspec.Meta(max_length=MAX_EVENTS)]
    files: Annotated[list[FileFacts], msgspec.Meta(max_length=MAX_FILES)]


class _Head(msgspec.Struct):
    format: str
    version: int


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Manifest)
_head_decoder = msgspec.json.Decoder(_Head)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest.

    Raises:
        FormatError: The format cannot carry it.
    """
    data = msgspec.json.format(_encode(manifest), indent=1) + b"\n"
    decode_manifest(data)  # what nobody could read back must not be signed
    return data


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest; who signed it is not verified, and neither is any file.

    Raises:
        FormatError: The bytes are not a manifest of a version that this library reads.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        message = f"{MANIFEST} is larger than {MAX_MANIFEST_BYTES:,} bytes"
        raise FormatError(message)
    try:
        head = _head_decoder.decode(data)
        if (head.format, head.version) != (FORMAT, VERSION):
            message = f"{MANIFEST} is not that of a pack of version {VERSION}; a newer release may read it"
            raise FormatError(message)
        manifest = _decoder.decode(data)
        # Of a member that is there twice, one program shows the first and the next one the last.
        json.loads(data, object_pairs_hook=_once)
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        message = f"{MANIFEST} is not in the form of an evidence pack"
        raise FormatError(message) from exc
    _require_listed(manifest)
    return manifest


def _require_listed(manifest: Manifest) -> None:
    """Check what the types do not say: one time, and lists whose members are ids and names, ascending."""
    ids, names = [event.id for event in manifest.events], [file.name for file in manifest.files]
    if not has_time_form(manifest.created) or not is_in_calendar(manifest.created):
        _refuse("its time is not RFC 3339 in UTC")
    if not ids:
        _refuse("it names no event")
    if ids != sorted(set(ids)) or not all(map(is_uuid, ids)):
        _refuse("its events are not ids in ascending order, each once")
    if names != sorted(set(names)) or not all(map(is_name, names)) or MANIFEST in names or NOTE in names:
        _refuse("its files are not names of a pack in ascending order, each once")
    if not all(_DIGEST.fullmatch(file.sha256) for file in manifest.files):
        _refuse("a digest of it is not 64 hexadecimal digits")


def _once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        message = "a member is there twice"
        raise ValueError(message)


def _refuse(reason: str) -> None:
    message = f"{MANIFEST} is not in the form of an evidence pack: {reason}"
    raise FormatError(message)
