"""A sealed object opens with its key alone, and no byte of it can change, move or be missing unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import (
    CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    ContentKey,
    Run,
    decode_sealed_header,
    seal_object,
)
from telemetry.format.objects.sealed_reader import SealedObjectReader, require_sealed_name
from telemetry.format.objects.stored_key import StoredKey
from telemetry.format.objects.stored_name import SEALED, object_name, parse_object_name
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.proof.signed_note import PublicKey

PRODUCER = "0198c0de-0000-7000-8000-000000000001"
KEY = ContentKey(b"k" * 32, StoredKey(b"s" * 16, "0123456789abcdef"))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    folder = tmp_path_factory.mktemp("signer")
    return SigningKey.create(folder / "key", "correct horse battery", name="payments")


def records(*sequences: int | None, size: int = 10) -> list[StoredRecord]:
    return [StoredRecord(b"key-%d" % n, b'{"n":"%d%b"}' % (n, b"x" * size), s) for n, s in enumerate(sequences)]


def sealed(part: list[StoredRecord], *, signer: SigningKey | None = None, chunk: int = MIN_CHUNK_BYTES) -> bytes:
    return seal_object(
        part, topic="t", producer=PRODUCER, reason="unreachable", key=KEY, signer=signer, chunk_bytes=chunk
    )


def in_parts(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def opened(data: bytes, *, part: int = 1 << 20) -> list[StoredRecord]:
    return list(SealedObjectReader(in_parts(data, part)).records(KEY.plaintext))


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("part", [1, 17, 1 << 20])
@pytest.mark.parametrize("chunk", [MIN_CHUNK_BYTES, CHUNK_BYTES])
def test_records_come_back_as_they_were(count: int, part: int, chunk: int) -> None:
    stored = [
        *records(*range(5, 5 + count), size=100),
        StoredRecord(b"p", b"note", None, (("telemetry-leaves", "AQ=="),)),
    ]

    assert opened(sealed(stored, chunk=chunk), part=part) == stored


def test_text_of_whole_chunks_is_opened() -> None:
    # The line's own members take some bytes, so that some size fills the chunk exactly, and the next one does not.
    for size in range(MIN_CHUNK_BYTES - 100, MIN_CHUNK_BYTES + 1):
        assert opened(sealed(records(0, size=size))) == records(0, size=size)


def test_nothing_personal_is_in_the_clear() -> None:
    record = StoredRecord(
        b"jane.doe@example.com:clinic", b'{"type":"hiv_test_ordered","source":"/production/clinic"}', 0
    )

    data = sealed([record])

    for word in (b"jane", b"hiv", b"clinic", b"production"):
        assert word not in data


def test_header_names_the_leaves(signer: SigningKey) -> None:
    part = records(3, 4, None, 7)
    reader = SealedObjectReader([sealed(part, signer=signer)])
    header = reader.header

    assert (header.topic, header.producer, header.reason) == ("t", PRODUCER, "unreachable")
    assert (header.first_sequence, header.last_sequence, header.count, header.events) == (3, 7, 4, 3)
    assert header.runs == (Run(3, 4), Run(7, 7))
    assert reader.leaves == b"".join(leaf_hash(record.value) for record in part if record.sequence is not None)
    assert header.key == KEY.stored
    reader.require_intact()


def test_signature_is_verified_by_its_key(signer: SigningKey, tmp_path: Path) -> None:
    own = PublicKey.parse(signer.public_key)
    other = PublicKey.parse(SigningKey.create(tmp_path / "other", "correct horse battery", name="other").public_key)
    header = SealedObjectReader([sealed(records(0), signer=signer)]).header

    assert header.signing_key([other, own]) == own
    assert header.signing_key([other]) is None
    assert SealedObjectReader([sealed(records(0))]).header.signing_key([own]) is None


def test_forged_signature_is_an_alteration(signer: SigningKey) -> None:
    data = sealed(records(0), signer=signer).replace(b'"reason":"unreachable"', b'"reason":"unavailable"')

    with pytest.raises(TamperedError, match="signature"):
        SealedObjectReader([data]).header.signing_key([PublicKey.parse(signer.public_key)])


def test_every_altered_byte_is_noticed() -> None:
    data = sealed(records(0, 1, size=600))
    for place in range(len(data)):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((TamperedError, FormatError)):
            opened(altered)


def test_every_cut_is_noticed() -> None:
    data = sealed(records(0, 1, size=600))
    for end in range(len(data)):
        with pytest.raises((TamperedError, FormatError)):
            opened(data[:end])


def test_exchanged_repeated_or_added_chunks_are_noticed() -> None:
    data = sealed(records(0, size=4 * MIN_CHUNK_BYTES))
    begin, size = data.index(b"\n") + 1 + 32, MIN_CHUNK_BYTES + 16
    head, chunks = data[:begin], [data[begin:][start : start + size] for start in range(0, len(data) - begin, size)]
    assert len(chunks) == 5

    for other in (
        [chunks[1], chunks[0], *chunks[2:]],
        [chunks[0], *chunks],
        chunks[:-1],
        [*chunks, chunks[-1]],
        [chunks[0], *chunks[2:]],
    ):
        with pytest.raises((TamperedError, FormatError)):
            opened(head + b"".join(other))


def test_header_of_another_object_is_noticed() -> None:
    one, other = sealed(records(0)), sealed(records(1))
    end = one.index(b"\n"), other.index(b"\n")

    with pytest.raises((TamperedError, FormatError)):
        opened(other[: end[1]] + one[end[0] :])


def test_other_key_opens_nothing() -> None:
    with pytest.raises(TamperedError, match="does not open"):
        list(SealedObjectReader([sealed(records(0))]).records(b"o" * 32))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"format_version":1}\n',
        b'{"format_version":3}\n',
        b'{"format_version":true}\n',
        b"[" * 10_000 + b"\n",
        b"x" * 200_000,
        b'{"format_version":2,"leaves_sha256":"' + b"0" * 64 + b'","ciphertext_sha256":"' + b"0" * 64 + b'"}\n',
    ],
)
def test_junk_is_refused(line: bytes) -> None:
    with pytest.raises(FormatError):
        SealedObjectReader([line])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"events":2', b'"events":1'),
        (b'"events":2', b'"events":1000001'),
        (b'"count":2', b'"count":1'),
        (b'"runs":[[0,1]]', b'"runs":[[1,0]]'),
        (b'"runs":[[0,1]]', b'"runs":[[0,1],[1,1]]'),
        (b'"runs":[[0,1]]', b'"runs":[]'),
        (b'"chunk_bytes":1024', b'"chunk_bytes":1'),
        (b'"chunk_bytes":1024', b'"chunk_bytes":1073741824'),
        (b'"salt":"', b'"salt":"AA'),
        (b'"key_id":"0123456789abcdef",', b""),
        (b'"key_id":', b'"keyid":"k","key_id":'),
    ],
)
def test_nonsense_in_the_header_is_refused(old: bytes, new: bytes) -> None:
    line = sealed(records(0, 1)).partition(b"\n")[0]
    assert old in line

    with pytest.raises(FormatError):
        decode_sealed_header(line.replace(old, new))


def test_many_holes_leave_the_numbers_out() -> None:
    part = records(*range(0, 1_200, 2), size=0)
    reader = SealedObjectReader([sealed(part)])

    assert reader.header.runs is None
    assert list(reader.records(KEY.plaintext)) == part


def test_checkpoints_alone_have_no_leaves() -> None:
    part = records(None, None)
    reader = SealedObjectReader([sealed(part)])

    assert (reader.header.runs, reader.header.first_sequence, reader.leaves) == ((), None, b"")
    assert list(reader.records(KEY.plaintext)) == part


def test_name_must_be_its_own() -> None:
    header = SealedObjectReader([sealed(records(0, 1))]).header
    parts = {"created_uuid7": PRODUCER, "day": "2026/01/31", "producer": PRODUCER}
    for last, fits in ((1, True), (2, False)):
        name = parse_object_name(object_name("t", **parts, first=0, last=last, shelf=SEALED), SEALED)
        assert name is not None
        if fits:
            require_sealed_name(header, name)
        else:
            with pytest.raises(TamperedError, match="renamed"):
                require_sealed_name(header, name)
