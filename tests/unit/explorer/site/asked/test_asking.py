from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telemetry.explorer.access.refused import Refused
from telemetry.explorer.index.found import Tally
from telemetry.explorer.index.search import Search
from telemetry.explorer.site.asked.asking import MAX_PARAMETERS, Asked, read_asked
from telemetry.explorer.site.asked.fields import FIELDS
from telemetry.reader.entry import Proven
from telemetry.reader.filters import EventFilter
from tests.support.index_entries import an_event

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _asked(query: str, *, is_open: bool = True) -> Asked:
    return read_asked(query.encode(), now=NOW, is_open=is_open)


def test_each_field_reaches_the_search() -> None:
    asked = _asked(
        "user=ada&user=bob&type=login*&outcome=denied&ip=10.0.0.0/8&since=2h&text=refund&adjusted=1&not=user%3Deve"
        "&service=/production/shop&producer=p&proven=no&foreign=1&order=oldest"
    )

    assert asked.search == Search(
        wanted=EventFilter(
            users=frozenset(["ada", "bob"]),
            types=("login*",),
            outcomes=frozenset(["denied"]),
            addresses=frozenset(["10.0.0.0/8"]),
            since="2026-01-31T10:00:00.000000Z",
            text="refund",
            adjusted=True,
            excluded=(EventFilter(users=frozenset(["eve"])),),
        ),
        services=frozenset(["/production/shop"]),
        producers=frozenset(["p"]),
        proven=frozenset([Proven.NO]),
        foreign=True,
        newest_first=False,
    )


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if not field.is_clear])
def test_closed_content_is_never_searched(name: str) -> None:
    asked = _asked(f"type=login&{name}=1", is_open=False)

    assert (asked.search, asked.closed) == (None, (name,))


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.is_clear])
def test_clear_fields_need_no_content(name: str) -> None:
    text = {"id": "01998000-0000-7000-8000-000000000000", "proven": "no"}.get(name, "2h")

    search = _asked(f"{name}={text}", is_open=False).search

    assert search is not None
    assert not search.needs_content


def test_excluded_content_is_closed_too() -> None:
    assert _asked("not=type%3Dlogin", is_open=False).closed == ("not",)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("outcome=maybe", "outcome"),
        ("ip=nowhere", "ip"),
        ("since=yesterday", "since"),
        ("where=payload[", "where"),
        ("id=7", "id"),
        ("proven=perhaps", "proven"),
        ("since=1h&since=2h", "since"),
        ("service=" + "x" * 1_025, "service"),
        ("not=color%3Dred", "not"),
        ("colour=red", ""),
        ("__proto__=1", ""),
    ],
)
def test_problem_is_named_and_nothing_searched(query: str, field: str) -> None:
    asked = _asked(query)

    assert asked.search is None
    assert list(asked.problems) == [field]


def test_text_of_a_problem_is_kept() -> None:
    assert _asked("since=yesterday&user=ada").values == {"user": ("ada",), "since": ("yesterday",)}


@pytest.mark.parametrize(
    "query", [b"user=%ff", b"user=%ed%a0%80", "user=é".encode(), b"&".join([b"user=a"] * (MAX_PARAMETERS + 1))]
)
def test_unreadable_address_is_refused(query: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_asked(query, now=NOW, is_open=True)

    assert caught.value.status == 400


def test_blank_fields_are_left_out_of_addresses() -> None:
    asked = _asked("user=ada&type=&text=+&order=oldest")

    assert asked.has_blanks
    assert asked.url() == "/search?user=ada&order=oldest"


def test_address_is_read_as_it_was_written() -> None:
    odd = "a&b=c#d?é\u202e\x00\n'\"<x>"
    asked = _asked("user=ada")

    again = read_asked(asked.narrowed("text", odd).partition("?")[2].encode(), now=NOW, is_open=True)

    assert again.values == {"text": (odd,), "user": ("ada",)}


def test_links_narrow_widen_and_turn() -> None:
    asked = _asked("user=ada&type=login")

    assert asked.narrowed("outcome", "denied") == "/search?user=ada&type=login&outcome=denied"
    assert asked.without("user") == "/search?type=login"
    assert asked.ordered("oldest") == "/search?user=ada&type=login&order=oldest"
    assert asked.page("x~y") == "/search?user=ada&type=login&after=x~y"
    assert asked.on_day("2026-01-30").endswith("&since=2026-01-30T00%3A00%3A00Z&until=2026-01-30T23%3A59%3A59.999999Z")


def test_closed_filters_can_be_left_out() -> None:
    assert _asked("user=ada&type=login", is_open=False).without_closed() == "/search?type=login"


def test_record_of_search_has_text_only_where_sealed() -> None:
    asked = _asked("text=secret&proven=no")

    assert asked.describe(with_text=True) == {"text": "secret", "proven": ["no"]}
    assert asked.describe(with_text=False) == {"text": True, "proven": ["no"]}


def test_many_problems_are_all_shown() -> None:
    assert set(_asked("since=yesterday&until=tomorrow&not=x").problems) == {"since", "until", "not"}


@pytest.mark.parametrize("event_type", ["login", "login.failed", "a*b", "a?b", "[x]", "é", "[", "logins"])
def test_link_to_a_type_finds_no_other(event_type: str) -> None:
    types = ["login", "login.failed", "logins", "axb", "a*b", "a?b", "[x]", "x", "é", "ée", "[", "[["]
    known = Tally(top=[(each, 1) for each in types])

    asked = read_asked(_asked("").of_type(event_type, known).partition("?")[2].encode(), now=NOW, is_open=True)

    assert asked.search is not None
    wanted = asked.search.wanted
    assert [each for each in types if wanted.matches(an_event(event_type=each))] == [event_type]


def test_link_to_a_type_is_plain_where_it_can() -> None:
    assert _asked("").of_type("login", Tally(top=[("login", 1), ("order", 1)])) == "/search?type=login"
    assert _asked("").of_type("login", Tally(top=[("login", 1)], others=3)) == "/search?type=%5Bl%5Dogin"
