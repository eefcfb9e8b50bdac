"""What an event did is derived from its action, or else from the words of its type."""

from __future__ import annotations

import pytest

from telemetry.reader.mappings.verbs import verb_of
from tests.support.some_events import make_event


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [
        ("order_updated", "update"),
        ("OrderCreated", "create"),
        ("report.exporting", "read"),
        ("user-deletes-key", "delete"),
        ("UserSignIn", "login"),
        ("log_out", "logout"),
        ("login_failed", "login"),
        ("user_login_created", "login"),
        ("payment", None),
    ],
)
def test_verb_of_a_type(event_type: str, verb: str | None) -> None:
    assert verb_of(make_event(event_type=event_type)) == verb


def test_action_is_preferred_to_type() -> None:
    assert verb_of(make_event(event_type="order_updated", action="delete")) == "delete"
    assert verb_of(make_event(event_type="order_updated", action="frobnicate")) == "update"
