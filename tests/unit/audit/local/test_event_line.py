"""The line of an event can be read by a person, and cannot steer a terminal."""

from __future__ import annotations

import pytest

from telemetry.audit.local.event_line import cut, event_line
from tests.support.some_events import CONTEXT, FULL, make_event


def test_line_has_its_columns_in_order() -> None:
    event = make_event(event_type="user.login", user_id="ada", outcome="success", payload={"method": "passkey"})

    assert event_line(event) == 'audit (not sent)  12:00:00  user.login  ada  success  {"method":"passkey"}'


def test_line_shows_the_thing_and_the_context() -> None:
    event = make_event(entity="order", entity_id="7", ip_address="10.0.0.1", metadata={"region": "eu"})

    assert event_line(event).endswith('  order/7  {"amount":1} ip_address="10.0.0.1" region="eu"')


def test_catalogue_of_an_event_is_not_in_the_line() -> None:
    plain, declared = make_event(), make_event(catalog=CONTEXT["catalog"])

    assert event_line(declared) == event_line(plain)


def test_sensitive_content_is_not_shown() -> None:
    line = event_line(make_event(**FULL | {"changes": {"iban": {"new": "canary-1"}}, "payload": "canary-2"}))

    assert "(sensitive: not shown)" in line
    assert "canary" not in line
    assert "eu" not in line


@pytest.mark.parametrize("odd", ["\x1b[2J", "\n", "\r", "\u202e", "\u2028", "\x9b31m", "\x00", "\u200b"], ids=ascii)
def test_no_text_steers_the_terminal(odd: str) -> None:
    event = make_event(
        event_type=f"a{odd}",
        user_id=odd,
        payload={odd: odd},
        entity=odd,
        entity_id=odd,
        metadata={odd: odd},
        reason=odd,
    )

    assert event_line(event).isprintable()


def test_colours_are_added_only_when_asked_for() -> None:
    event = make_event(outcome="denied")

    coloured = event_line(event, coloured=True)

    assert "\x1b[31mdenied\x1b[0m" in coloured
    assert "\x1b" not in event_line(event)


def test_long_content_is_cut() -> None:
    line = event_line(make_event(user_id="u" * 1_000, payload="x" * 100_000))

    assert len(line) < 2_500
    assert line.endswith("...")
    assert cut("abcdef", 5) == "ab..."
