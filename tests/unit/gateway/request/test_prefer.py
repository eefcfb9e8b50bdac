from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.gateway.request.prefer import NO_PREFERENCE, Preference, preference_of


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Preference()),
        (["wait=durable"], Preference("durable")),
        (["wait=delivered"], Preference("delivered")),
        (["Wait = Durable"], Preference("durable")),
        (['wait="durable"'], Preference("durable")),
        (["wait=5"], Preference(None, 5)),
        (["respond-async, wait=durable, wait=5"], Preference("durable", 5)),
        (["wait=durable", "wait=10"], Preference("durable", 10)),
        (["wait=5; because=busy, wait=durable"], Preference("durable", 5)),
        (['wait=durable; note="a, wait=delivered", wait=7'], Preference("durable", 7)),
        (["wait=durable, wait=delivered"], Preference("durable")),
        (["wait=1, wait=2"], Preference(None, 1)),
        ([", ,wait=durable"], Preference("durable")),
        (["wait"], Preference()),
        (["wait=forever"], Preference()),
        (["wait=-1"], Preference()),
        (["wait=1e9"], Preference()),
        (["wait=99999999999"], Preference()),
        (["waiting=durable"], Preference()),
        (["=durable"], Preference()),
        (["wait=durable\x00"], Preference()),
        (["return=minimal, " * 100 + "wait=durable"], Preference()),
    ],
)
def test_what_is_preferred(headers: list[str], expected: Preference) -> None:
    assert preference_of(headers) == expected


def test_what_is_applied_is_said() -> None:
    assert Preference("durable", 5).applied == "wait=durable, wait=5"
    assert NO_PREFERENCE.applied == ""


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=3))
def test_nothing_in_the_header_is_an_error(headers: list[str]) -> None:
    assert preference_of(headers).level in {None, "accepted", "durable", "delivered"}
