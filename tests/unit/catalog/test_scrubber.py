from __future__ import annotations

from typing import Any

import pytest

from telemetry.catalog.scrubber import MAX_PARTS, SCRUBBED, Scrubber

CARD = "4111111111111111"


def test_secrets_and_cards_are_replaced_at_any_depth() -> None:
    value = {
        "user": "ada",
        "form": {"password": "hunter2", "lines": [{"pan": 4111111111111111}, f"paid with {CARD}", (int(CARD),)]},
        "headers": {"Authorization": "Bearer x", "Accept": "*/*"},
        CARD: 1,
    }
    before = repr(value)

    scrubbed = Scrubber().scrub(value)

    assert scrubbed.is_changed
    assert scrubbed.value == {
        "user": "ada",
        "form": {"password": SCRUBBED, "lines": [{"pan": SCRUBBED}, f"paid with {SCRUBBED}", [SCRUBBED]]},
        "headers": {"Authorization": SCRUBBED, "Accept": "*/*"},
        SCRUBBED: 1,
    }
    assert repr(value) == before


@pytest.mark.parametrize(
    "value", [None, True, 7, 1.5, "text", [], {}, {"password": None, "pin": False, "token": "", "secret": []}, {1: 2}]
)
def test_value_without_secrets_is_the_same_object(value: Any) -> None:
    scrubbed = Scrubber().scrub(value)

    assert scrubbed.value is value
    assert not scrubbed.is_changed


def test_scrubbing_twice_changes_nothing_more() -> None:
    once = Scrubber().scrub({"password": "x", "note": CARD}).value

    assert not Scrubber().scrub(once).is_changed


def test_names_that_become_equal_are_kept_apart() -> None:
    scrubbed = Scrubber().scrub({CARD: 1, "5555555555554444": 2})

    assert scrubbed.value == {SCRUBBED: 1, f"{SCRUBBED} (2)": 2}


def test_structure_below_a_secret_name_is_replaced() -> None:
    assert Scrubber().scrub({"cookies": {"sid": "abc"}}).value == {"cookies": SCRUBBED}


def test_sides_of_a_change_stay() -> None:
    changes = {"password": {"old": "a", "new": None}, "note": {"new": CARD}, "limit": {"old": 1, "new": 2}}

    scrubbed = Scrubber().scrub_changes(changes)

    assert scrubbed.value == {
        "password": {"old": SCRUBBED, "new": None},
        "note": {"new": SCRUBBED},
        "limit": {"old": 1, "new": 2},
    }


def test_what_is_beyond_the_bounds_is_replaced_unseen() -> None:
    deep: list[Any] = []
    for _ in range(1_000):
        deep = [deep]
    scrubbed = Scrubber().scrub(deep)
    assert SCRUBBED in repr(scrubbed.value)

    endless: list[Any] = []
    endless.append(endless)
    assert SCRUBBED in repr(Scrubber().scrub(endless).value)
    assert Scrubber().scrub([0] * (MAX_PARTS + 1)).value == SCRUBBED


def test_hostile_text_costs_little() -> None:
    # Seconds would pass if the work were not proportional to the length.
    for text in ("1" * 1_000_000, "4111 " * 200_000, "4111-" * 200_000, "4" + " 1" * 500_000):
        Scrubber().scrub_text(text)


def test_configured_names_are_used() -> None:
    scrubber = Scrubber(keys=["member number"], spared=["token"])

    assert scrubber.scrub({"MemberNumber": "m", "token": "t"}).value == {"MemberNumber": SCRUBBED, "token": "t"}
