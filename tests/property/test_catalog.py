"""Scrubbing changes nothing that is no secret, and every typed event reads back."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from telemetry.catalog import AuditCatalog, Event, Personal, Scrubber, Secret
from telemetry.catalog.card_numbers import is_card_number
from telemetry.catalog.secret_names import SECRET_NAMES
from telemetry.exceptions import EventError

_scrubber = Scrubber()
_HARMLESS = st.text(st.characters(exclude_categories=("Nd", "Cs")), max_size=30)
_NAMES = st.sampled_from(("amount", "name", "lines", "note", "id", "Größe", "total_2"))
_CARDS = st.sampled_from(("4111111111111111", "5555-5555-5555-4444", "3782 822463 10005"))
_LEAVES = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | _HARMLESS


def _json(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda below: st.lists(below, max_size=4) | st.dictionaries(_NAMES, below, max_size=4), max_leaves=20
    )


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Part(msgspec.Struct, frozen=True):
    sku: str
    price: Decimal


class Everything(Event):
    number: int
    ratio: float
    name: str
    when: dt.datetime
    day: dt.date
    key: uuid.UUID
    colour: Colour
    parts: list[Part]
    notes: dict[str, int]
    raw: bytes
    maybe: bool | None = None


class Marked(Event):
    iban: Annotated[str, Personal(show="last4")]
    name: Annotated[str, Personal(show="mask")]
    token: Annotated[str, Secret()]


_catalog = AuditCatalog("properties", version=1)
_catalog.event("everything")(Everything)
_catalog.event("marked")(Marked)
_everything, _marked = _catalog.find("everything"), _catalog.find("marked")


@given(_json(_LEAVES))
def test_what_has_no_secret_is_unchanged(value: Any) -> None:
    scrubbed = _scrubber.scrub(value)

    assert scrubbed.value is value
    assert not scrubbed.is_changed


@given(st.integers(10**12, 10**19 - 1))
def test_number_is_replaced_only_if_a_card(number: int) -> None:
    assert _scrubber.scrub([number]).is_changed == is_card_number(str(number))
    assert _scrubber.scrub([f"n {number}."]).is_changed == is_card_number(str(number))


@given(st.uuids(), st.integers(946_684_800, 2_177_452_800), st.integers(0, 999_999))
def test_ids_and_times_are_kept(key: uuid.UUID, second: int, microsecond: int) -> None:
    since_1970 = second + microsecond / 1_000_000  # in the years 2000 to 2038
    texts = [
        str(key),
        dt.datetime.fromtimestamp(since_1970, dt.UTC).isoformat(),
        str(int(since_1970 * 1_000)),
        str(int(since_1970 * 1_000_000)),
    ]

    assert not _scrubber.scrub([*texts, int(since_1970 * 1_000), int(since_1970 * 1_000_000)]).is_changed


@given(_json(_LEAVES | _CARDS), st.sampled_from(SECRET_NAMES), _CARDS, _HARMLESS)
def test_no_secret_survives(value: Any, name: str, card: str, around: str) -> None:
    whole = {"a": value, name: "hunter2canary", "b": f"{around} {card} {around}"}

    written = msgspec.json.encode(_scrubber.scrub(whole).value).decode()

    assert "hunter2canary" not in written
    assert card not in written


@given(
    st.builds(
        Everything,
        number=st.integers(-(2**63), 2**63 - 1),
        ratio=st.floats(allow_nan=False, allow_infinity=False),
        name=_HARMLESS,
        when=st.datetimes(timezones=st.just(dt.UTC)),
        day=st.dates(),
        key=st.uuids(),
        colour=st.sampled_from(Colour),
        parts=st.lists(st.builds(Part, _HARMLESS, st.decimals(allow_nan=False, allow_infinity=False)), max_size=3),
        notes=st.dictionaries(_HARMLESS, st.integers(-(2**63), 2**63 - 1), max_size=3),
        raw=st.binary(max_size=20),
        maybe=st.none() | st.booleans(),
    )
)
def test_typed_event_reads_back(event: Everything) -> None:
    assert _everything is not None
    encoded = msgspec.json.encode(_everything.check(event).payload)

    assert msgspec.json.decode(encoded, type=Everything) == event
    # What a reader gets may be logged again.
    assert msgspec.json.encode(_everything.check(msgspec.json.decode(encoded)).payload) == encoded


@given(st.text(min_size=8), st.text(min_size=1), st.text(min_size=1))
def test_marked_values_are_not_written(iban: str, name: str, token: str) -> None:
    assert _marked is not None
    payload = _marked.check(Marked(iban=iban, name=name, token=token)).payload

    assert payload == {"iban": "****" + iban[-4:], "name": "****"}


@given(_json(_LEAVES | st.just("canary7")))
def test_hostile_payload_is_refused_without_its_value(value: Any) -> None:
    assert _everything is not None
    try:
        _everything.check(value)
    except EventError as exc:
        assert "canary7" not in str(exc)  # noqa: PT017 - a payload that fits raises nothing
