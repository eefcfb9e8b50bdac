"""The arguments of ``log()`` beside the payload: what is accepted, as what, and what is refused."""

from __future__ import annotations

import enum
import ipaddress
import uuid
from typing import Any

import pytest

from telemetry.audit.accept.fields import MAX_FIELD, OptionalFields, checked_fields, plain_text
from telemetry.exceptions import EventError

CANARY = "canary-52aa"


class Action(str, enum.Enum):  # noqa: UP042 - a StrEnum writes itself as its value; this one does not
    READ = "read"


def test_named_fields_are_set_and_none_is_absent() -> None:
    fields = checked_fields({"session_id": "s", "outcome": "denied", "sensitive": False, "action": None})

    assert fields == OptionalFields(session_id="s", outcome="denied", sensitive=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (ipaddress.ip_address("192.0.2.1"), "192.0.2.1"),
        (Action.READ, "read"),
    ],
)
def test_values_with_one_text_become_it(value: Any, text: str) -> None:
    field = checked_fields({"entity_id": value}).entity_id

    assert field == text
    assert type(field) is str


def test_other_arguments_become_metadata() -> None:
    assert checked_fields({"metadata": {"a": 1, "b": 1}, "b": 2}).metadata == {"a": 1, "b": 2}
    assert checked_fields({"metadata": "a text"}).metadata == {"metadata": "a text"}
    assert checked_fields({}).metadata is None


@pytest.mark.parametrize("value", [True, 1.5, b"t", object(), [CANARY]])
def test_field_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(EventError, match="session_id must be a text") as caught:
        checked_fields({"session_id": value})

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("text", ["", " \t", CANARY + "\n", CANARY + "\u2028", CANARY + "\ud800", CANARY * MAX_FIELD])
def test_unfit_text_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(EventError, match="user_agent") as caught:
        plain_text("user_agent", text, MAX_FIELD)

    assert CANARY not in str(caught.value)


def test_printable_text_of_any_language_is_accepted() -> None:
    for text in ("\u00fc", "\u6f22\u5b57", "a\u00a0b", "\U0001f512"):
        assert plain_text("action", text, MAX_FIELD) == text
