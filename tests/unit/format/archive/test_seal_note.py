"""Seals have one form: what is signed is read back, and anything else is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from telemetry.exceptions import FormatError
from telemetry.format.archive.seal import (
    MAX_SEAL_BYTES,
    Ending,
    OffsetGap,
    Redaction,
    Seal,
    SealedFile,
    SealedRange,
    SealedStream,
    SealKind,
)
from telemetry.format.archive.seal_note import FIRST_LINE, decode_seal, encode_seal, number_of, seal_name, seal_text
from telemetry.format.proof.signed_note import open_note, sign_note
from tests.support.sealed_archive import ARCHIVE, ARCHIVER, DAY, SOURCE, data_name
from tests.support.written_trail import Signer

_DIGEST = "ab" * 32
_FILE = SealedFile(name=data_name(1), sha256=_DIGEST, size=100, rows=10, day=DAY)
_SEAL = Seal(
    archive=ARCHIVE,
    source=SOURCE,
    number=128,
    kind=SealKind.APPEND,
    time="2026-01-02T03:04:05.000000Z",
    previous=_DIGEST,
    added=(_FILE,),
    ranges=(SealedRange(topic="audit-events", partition=2, first=0, end=10),),
    positions={"audit-events": {2: 10, 10: 0}},
    gaps=(OffsetGap(topic="audit-events", partition=2, first=10, end=11),),
    objects=("production/0.sealed",),
    streams=(
        SealedStream(source="/test/x", producer=ARCHIVE, size=7, root="A" * 43 + "=", signer="0" * 8, final=False),
    ),
    rows=10,
    records=10,
    live=(_FILE,),
)


def test_seal_is_read_back() -> None:
    data = encode_seal(_SEAL, ARCHIVER)

    note, seal = decode_seal(data)

    assert seal == _SEAL
    assert note.text == seal_text(_SEAL) == open_note(data.decode(), [ARCHIVER.public])
    assert note.text.startswith(f"{FIRST_LINE}\n{{")


def test_name_is_numbered() -> None:
    assert (seal_name(42), number_of(seal_name(42))) == ("evidence/seals/00000042.seal", 42)
    assert [number_of(name) for name in ("evidence/seals/42.seal", "evidence/seals/0000004\u0662.seal")] == [None, None]
    with pytest.raises(FormatError, match="no seal -1"):
        seal_name(-1)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"archive": "x"},
        {"source": "telemetry-archiver"},
        {"number": -1},
        {"number": 10**8},
        {"time": "2026-02-30T00:00:00Z"},
        {"previous": ""},
        {"previous": _DIGEST.upper()},
        {"number": 0},
        {"number": 129},
        {"rows": -1},
        {"records": 1 << 63},
        {"roster": "x"},
        {"snapshot": 7},
        {"removed": (data_name(2),)},
        {"removed": ("../x",), "kind": SealKind.COMPACT},
        {"kind": SealKind.COMPACT},
        {"kind": SealKind.REDACT, "ranges": (), "gaps": (), "objects": (), "streams": ()},
        {"ended": (Ending(policy="7y", rows=1),)},
        {"redacted": (Redaction(request="r", count=1, by="x", reason=""),)},
        {"positions": {"audit-events": {10: 0, 2: 10}}},
        {"positions": {"audit-events": {}}},
        {"positions": {"audit events": {0: 0}}},
        {"objects": ("b", "a")},
        {"objects": ("a", "a")},
        {"objects": ("evil\u202egnp",)},
        {"objects": tuple(f"{number:06d}" for number in range(20_001))},
        {"added": (_FILE, _FILE)},
        {"gaps": (OffsetGap(topic="t", partition=0, first=5, end=5),)},
        {"ranges": (SealedRange(topic="t", partition=-1, first=0, end=5),)},
    ],
    ids=str,
)
def test_value_outside_the_format_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        encode_seal(msgspec.structs.replace(_SEAL, **change), ARCHIVER)


@pytest.mark.parametrize(
    "name",
    [
        "events/data/day=2026-01-02/../../../etc/passwd.parquet",
        "events/data/day=2026-01-02/../x.parquet",
        "events/data/day=2026-01-03/x.parquet",
        "events/data/day=2026-01-02/.hidden.parquet",
        "events/data/day=2026-01-02/a/b.parquet",
        "events/data/day=2026-01-02/x.parquet\n",
        "events/data/day=2026-01-02/\uff0e\uff0e.parquet",
        "/events/data/day=2026-01-02/x.parquet",
        "evidence/seals/00000000.seal",
        "",
    ],
)
def test_file_outside_its_day_is_refused(name: str) -> None:
    file = msgspec.structs.replace(_FILE, name=name)

    with pytest.raises(FormatError, match="added"):
        encode_seal(msgspec.structs.replace(_SEAL, added=(file,)), ARCHIVER)


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace('"version":1', '"version": 1'),
        lambda line: line.replace('"rows":10,"records"', '"rows":10.0,"records"'),
        lambda line: line.replace('"version":1', '"version":1,"version":1'),
        lambda line: line.replace('"version":1', '"version":1,"extra":1'),
        lambda line: line.replace('"roster":""', '"roster":"\\ud800"'),
        lambda line: line.replace('"2":10', '"02":10'),
        lambda line: line.replace('"number":128', '"number":' + "9" * 5_000),
        lambda line: line + " ",
        lambda _: "[" * 100_000,
        lambda _: "",
    ],
)
def test_text_in_another_form_is_refused(change: Any) -> None:
    first, line, _ = seal_text(_SEAL).split("\n")
    forged = sign_note(f"{first}\n{change(line)}\n", ARCHIVER, max_bytes=MAX_SEAL_BYTES)

    with pytest.raises(FormatError):
        decode_seal(forged.encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"x" * (MAX_SEAL_BYTES + 1), b"telemetry archive seal v1\n"])
def test_bytes_that_are_no_note_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_seal(data)


def test_further_signature_is_refused() -> None:
    data = encode_seal(_SEAL, ARCHIVER)
    line = sign_note("x\n", Signer(66, "stranger")).split("\n")[2]

    with pytest.raises(FormatError, match="more than one signature"):
        decode_seal(data + f"{line}\n".encode())
