"""The sealed form of a segment: every byte is bound to its segment, its place and the row before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.spool.sealing import (
    SEALED_VERSION,
    SPOOL_PURPOSE,
    Chain,
    Link,
    OpenedRow,
    SealedForm,
    decode_about,
    open_source,
    sealed_about,
    stored_key_of,
)
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import FormatError
from telemetry.format.objects.sealed_object import ContentKey
from tests.support.leftovers import owner

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


def new_key() -> ContentKey:
    keys = owner(is_sealed=True).keys
    assert isinstance(keys, StorageKeys)
    return keys.create(SPOOL_PURPOSE)


KEY = new_key()
ABOUT = sealed_about(KEY, producer=PRODUCER, topic="audit-events", source="/production/oncology")


def rows(count: int) -> list[bytes]:
    form = SealedForm(KEY.plaintext, ABOUT)
    return [form.seal_row(b"row %d" % number) for number in range(1, count + 1)]


def chain_of(stored: list[bytes], *, first: int = 1) -> Chain:
    """Return the chain up to the last of these rows."""
    form = SealedForm(KEY.plaintext, ABOUT)
    opened = [form.open_row(row) for row in stored]
    chain = Chain(first, max((row.link for row in opened if row.link), default=Link()))
    for row in opened:
        chain.add(row)
    return chain


def test_first_entry_hides_the_source() -> None:
    assert b"oncology" not in ABOUT
    about = decode_about(ABOUT)
    assert (about.version, about.producer, about.topic, about.source) == (SEALED_VERSION, PRODUCER, "audit-events", "")
    assert stored_key_of(ABOUT) == KEY.stored
    assert open_source(ABOUT, KEY.plaintext) == "/production/oncology"


@given(st.integers(0, len(ABOUT) - 1), st.integers(1, 255))
def test_altered_first_entry_opens_nothing(place: int, change: int) -> None:
    altered = bytearray(ABOUT)
    altered[place] ^= change
    stored = SealedForm(KEY.plaintext, ABOUT).seal_row(b"content")

    with pytest.raises(FormatError):
        open_source(bytes(altered), KEY.plaintext)
    with pytest.raises(ValueError, match="not sealed for this segment"):
        SealedForm(KEY.plaintext, bytes(altered)).open_row(stored)


@given(st.binary(max_size=200))
def test_random_first_entry_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        stored_key_of(content)


def test_rows_come_back_with_their_places() -> None:
    stored = rows(3)
    opened = [SealedForm(KEY.plaintext, ABOUT).open_row(row) for row in stored]

    assert [row.content for row in opened] == [b"row 1", b"row 2", b"row 3"]
    assert [row.link.row for row in opened if row.link] == [1, 2, 3]
    assert opened[1].link is not None
    assert opened[2].before == opened[1].link.tag


@given(st.integers(0, 1_000), st.integers(1, 255))
def test_altered_row_is_refused(place: int, change: int) -> None:
    altered = bytearray(rows(1)[0])
    altered[place % len(altered)] ^= change
    with pytest.raises(ValueError, match="not sealed for this segment"):
        SealedForm(KEY.plaintext, ABOUT).open_row(bytes(altered))


@pytest.mark.parametrize("size", [0, 1, 51])
def test_short_row_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="too short"):
        SealedForm(KEY.plaintext, ABOUT).open_row(bytes(size))


def test_note_and_row_are_not_exchanged() -> None:
    form = SealedForm(KEY.plaintext, ABOUT)
    row = form.seal_row(b"content")
    note = form.seal_note(b"content")

    assert form.open_note(note) == OpenedRow(b"content", form.last)
    for wrong, open_ in ((note, form.open_row), (row, form.open_note)):
        with pytest.raises(ValueError, match="not sealed"):
            open_(wrong)


def test_key_of_another_segment_opens_nothing() -> None:
    other = new_key()
    with pytest.raises(ValueError, match="not sealed"):
        SealedForm(other.plaintext, ABOUT).open_row(rows(1)[0])
    with pytest.raises(FormatError):
        open_source(ABOUT, other.plaintext)


def test_failed_commit_does_not_break_the_chain() -> None:
    form = SealedForm(KEY.plaintext, ABOUT)
    first = form.seal_row(b"1")
    before = form.last
    lost = form.seal_row(b"lost")
    form.go_back(before)
    second = form.seal_row(b"2")

    assert chain_of([first, second]).is_whole
    assert lost[-16:] != second[-16:]
    assert not chain_of([first, lost, form.seal_row(b"3")]).is_whole


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_whole_chain_in_any_order(count: int) -> None:
    stored = rows(count)
    assert chain_of(stored).is_whole
    assert chain_of(stored[::-1]).is_whole


@pytest.mark.parametrize("absent", [0, 3, 7])
def test_row_that_is_absent_is_noticed(absent: int) -> None:
    stored = rows(9)
    assert not chain_of(stored[:absent] + stored[absent + 1 :]).is_whole


def test_old_rows_may_be_gone() -> None:
    stored = rows(9)
    assert chain_of(stored[4:], first=5).is_whole
    assert chain_of(stored[2:], first=5).is_whole
    assert not chain_of(stored[5:], first=5).is_whole


def test_rows_after_the_last_are_noticed() -> None:
    form, stored = SealedForm(KEY.plaintext, ABOUT), rows(4)
    opened = [form.open_row(row) for row in stored]
    assert opened[2].link is not None
    chain = Chain(1, opened[2].link)
    for row in opened:
        chain.add(row)
    assert not chain.is_whole


def test_rows_of_another_history_are_noticed() -> None:
    mine, other = rows(4), rows(4)
    assert not chain_of([*mine[:2], *other[2:]]).is_whole
    assert not chain_of([*mine[:3], other[3]]).is_whole
