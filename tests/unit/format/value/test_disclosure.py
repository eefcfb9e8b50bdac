"""Disclosures: what was logged is confirmed without a key, and nothing else is."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from telemetry.exceptions import MalformedRecordError, NewerReaderNeededError, TamperedError
from telemetry.format.value.commitment import commitment_of
from telemetry.format.value.disclosure import Disclosure, verify_disclosure
from telemetry.reader import OpenedEvent, RecordOpener
from tests.property.test_sealed_record import KnownProvider
from tests.services.sealed_records import Sealer, rewritten

PROVIDER = KnownProvider()
SEALER = Sealer(PROVIDER, features=("disclosable",))
ONE, OTHER = SEALER.seal(payload={"card": "4111"}), SEALER.seal(payload={"card": "4112"})
PLAIN = Sealer(PROVIDER).seal()
OPENER = RecordOpener(PROVIDER)


def disclosed(record: Any = ONE) -> Disclosure:
    disclosure = OPENER.disclose(record)
    assert disclosure is not None
    return disclosure


def committed_to(plaintext: bytes) -> bytes:
    """Return the value of a record that commits to other bytes than it seals."""
    return rewritten(ONE, commitment=commitment_of(plaintext)).value or b""


def changed(**members: Any) -> bytes:
    return msgspec.json.encode({**json.loads(disclosed().plaintext), **members})


def test_disclosed_event_is_the_opened_one() -> None:
    opened = OPENER.open(ONE)
    assert isinstance(opened, OpenedEvent)

    event = verify_disclosure(ONE.value or b"", disclosed())

    assert event == opened.event
    assert event.features == ("disclosable",)


def test_disclosure_shows_nothing_by_itself() -> None:
    assert repr(disclosed()) == "Disclosure()"


@pytest.mark.parametrize(
    "plaintext",
    [
        disclosed().plaintext.replace(b"4111", b"4112"),
        disclosed().plaintext + b" ",
        disclosed().plaintext.rstrip(b" ")[:-1],
        disclosed(OTHER).plaintext,
        b"",
        b"\xff\x00",
        b"[" * 100_000,
    ],
    ids=["one digit", "a space more", "cut", "of another record", "empty", "no text", "deeply nested"],
)
def test_any_other_content_is_refused(plaintext: bytes) -> None:
    with pytest.raises(TamperedError, match="is not what was logged"):
        verify_disclosure(ONE.value or b"", Disclosure(plaintext))


def test_record_without_a_commitment_discloses_nothing() -> None:
    with pytest.raises(TamperedError, match="has no commitment"):
        verify_disclosure(PLAIN.value or b"", disclosed())
    assert OPENER.disclose(PLAIN) is None
    assert RecordOpener(None).disclose(ONE) is None


def test_swapped_commitments_are_refused() -> None:
    swapped = rewritten(ONE, commitment=json.loads(OTHER.value or b"")["commitment"])

    with pytest.raises(TamperedError, match="is not what was logged"):
        verify_disclosure(swapped.value or b"", disclosed())
    with pytest.raises(TamperedError, match="'sequence'"):
        verify_disclosure(swapped.value or b"", disclosed(OTHER))
    with pytest.raises(TamperedError, match="'commitment'"):
        OPENER.disclose(swapped)


# What only a writer that lies can make: it commits to one content and seals another.
@pytest.mark.parametrize(
    ("plaintext", "said"),
    [
        (changed(user_id="eve"), "'keyhash'"),
        (changed(event_type="refund"), "'type'"),
        (changed(features=[], schema_version=1), "'commitment'"),
        (changed(salt="A"), "no salt of 256 bits"),
        (changed(producer=None), "not an audit event"),
        (b"{}", "not an audit event"),
        (b'{"a":' * 20_000, "not an audit event"),
    ],
)
def test_committed_content_must_be_the_event_outside(plaintext: bytes, said: str) -> None:
    with pytest.raises(TamperedError, match=re.escape(said)):
        verify_disclosure(committed_to(plaintext), Disclosure(plaintext))


def test_writer_that_seals_other_content_is_found() -> None:
    plaintext = changed(payload={"card": "4242"})
    record = ONE._replace(value=committed_to(plaintext))

    assert verify_disclosure(record.value or b"", Disclosure(plaintext)).payload == {"card": "4242"}
    for opener in (OPENER, RecordOpener(PROVIDER)):
        with pytest.raises(TamperedError, match="is not the one of its sealed content"):
            opener.disclose(record)


def test_feature_of_a_later_version_needs_a_newer_reader() -> None:
    plaintext = changed(features=["disclosable", "zstd"])
    with pytest.raises(NewerReaderNeededError, match="zstd"):
        verify_disclosure(committed_to(plaintext), Disclosure(plaintext))


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[" * 100_000], ids=["empty", "object", "no text", "nested"])
def test_rubbish_is_no_record(value: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        verify_disclosure(value, disclosed())


@pytest.mark.parametrize(
    "commitment",
    [
        "",
        "A" * 42,
        "A" * 44,
        "A" * 42 + "B",
        None,
        7,
        True,
        {},
        [],
        "\u00e9" * 43,
        pytest.param("A" * 10_000_000, id="10 MB"),
    ],
)
def test_commitment_of_another_form_is_malformed(commitment: object) -> None:
    record = rewritten(ONE, commitment=commitment)
    with pytest.raises(MalformedRecordError, match="'commitment' is not base64url") as caught:
        verify_disclosure(record.value or b"", disclosed())
    assert len(str(caught.value)) < 200


def test_refusals_name_no_content() -> None:
    with pytest.raises(TamperedError) as caught:
        verify_disclosure(ONE.value or b"", Disclosure(changed(payload={"card": "5555"})))
    assert "5555" not in str(caught.value)
    assert "ada" not in str(caught.value)


def test_altered_record_is_not_disclosed() -> None:
    for altered in (ONE._replace(key=b"eve:shop"), rewritten(ONE, type="refund"), ONE._replace(value=None)):
        with pytest.raises(TamperedError):
            OPENER.disclose(altered)
