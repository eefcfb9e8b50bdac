"""The first rule that matches wins, and the user's come first."""

from __future__ import annotations

import pytest

from telemetry.reader.mappings.rules import RuleBook, parse_rules, rule_book
from tests.support.some_events import make_event

RULES = """
[[rule]]
type = "user_login"
source = "simulation"
class_uid = 6003
activity_id = 99
[[rule]]
type = "user_*"
class_uid = 3001
activity_id = 99
"""


def test_first_match_wins_before_the_defaults() -> None:
    book = RuleBook(parse_rules(RULES, name="rules.toml"))

    found = [
        book.find(make_event(**fields))
        for fields in (
            {"event_type": "user_login", "source": "simulation"},
            {"event_type": "user_login", "source": "web"},
            {"event_type": "login"},
            {"event_type": "UpdateLoginProfile"},
        )
    ]
    assert [rule and rule.class_uid for rule in found] == [6003, 3001, 3002, None]


def test_default_needs_the_account_named() -> None:
    book = RuleBook()

    assert book.find(make_event(event_type="user.create")) is None
    assert book.find(make_event(event_type="user.create", entity="order")) is None
    found = book.find(make_event(event_type="user.create", entity="user"))
    assert found
    assert (found.class_uid, found.activity_id) == (3001, 1)


def test_many_types_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_book, "_REMEMBERED", 3)
    book = RuleBook()

    found = [book.find(make_event(event_type=name)) for name in [*map(str, range(10)), "login", "login"]]

    assert [rule is None for rule in found] == [True] * 10 + [False] * 2
    assert len(book._found) <= 3
