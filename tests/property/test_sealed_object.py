"""Whatever bytes are in a store, a reader of sealed objects raises one of two errors or yields the genuine records."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import MIN_CHUNK_BYTES, ContentKey, seal_object
from telemetry.format.objects.sealed_reader import SealedObjectReader
from telemetry.format.objects.stored_key import StoredKey
from telemetry.format.objects.stored_name import SHELVES, parse_stored_name
from tests.vectors.make_sealed_object import FixedSigner

KEY = ContentKey(b"k" * 32, StoredKey(b"s" * 16, "0123456789abcdef"))
PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
records = st.lists(
    st.builds(
        StoredRecord,
        texts.map(str.encode),
        texts.map(str.encode),
        st.none() | st.integers(0, 50),
        st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=8,
)


def _sealed(part: list[StoredRecord]) -> bytes:
    return seal_object(
        part,
        topic="t",
        producer=PRODUCER,
        reason="unreachable",
        key=KEY,
        signer=FixedSigner(),
        chunk_bytes=MIN_CHUNK_BYTES,
    )


@given(records, st.integers(1, 3_000))
def test_any_records_come_back(part: list[StoredRecord], size: int) -> None:
    data = _sealed(part)
    parts = (data[start : start + size] for start in range(0, len(data), size))

    assert list(SealedObjectReader(parts).records(KEY.plaintext)) == part


@settings(max_examples=300)
@given(records, st.integers(0, 1 << 20), st.binary(max_size=40), st.integers(0, 60))
def test_no_change_gives_other_records(part: list[StoredRecord], place: int, put: bytes, cut: int) -> None:
    data = _sealed(part)
    place %= len(data)
    changed = data[:place] + put + data[place + cut :]
    if changed == data:
        return
    try:
        found = list(SealedObjectReader([changed]).records(KEY.plaintext))
    except (FormatError, TamperedError):
        return
    # Signer and signature alone are bound to nothing but themselves.
    assert found == part


@given(st.binary(max_size=2_000))
def test_junk_is_refused(data: bytes) -> None:
    for content in (data, b'{"format_version":2,' + data, b'{"format_version":2}\n' + data):
        try:
            SealedObjectReader([content]).require_intact()
        except (FormatError, TamperedError):
            continue
        raise AssertionError(content)


@given(st.text(max_size=300))
def test_any_name_is_parsed_or_refused(name: str) -> None:
    for text in (name, *(shelf.below("", name) for shelf in SHELVES), f"=sealed/waiting/{name}.tobj"):
        parse_stored_name(text)
