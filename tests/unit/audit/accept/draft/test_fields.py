"""The arguments of ``log()`` beside the payload, without the event around them; see test_factory.py for that."""

from __future__ import annotations

import enum
import ipaddress
import json
import traceback
import uuid
from datetime import datetime, tzinfo
from typing import Any

import pytest

from telemetry.audit.accept.draft.adjuster import Adjuster
from telemetry.audit.accept.draft.fields import OptionalFields, checked_fields
from telemetry.exceptions import EventError

CANARY = "canary-52aa"


class Action(str, enum.Enum):  # noqa: UP042 - a StrEnum writes itself as its value; this one does not
    READ = "read"


def checked(**arguments: Any) -> OptionalFields:
    return checked_fields(arguments, Adjuster())


def test_named_fields_are_set_and_none_is_absent() -> None:
    fields = checked(session_id="s", outcome="denied", sensitive=False, action=None, targets=None)

    assert fields == OptionalFields(session_id="s", outcome="denied", sensitive=False)
    assert fields.features() == ()


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
    field = checked(entity_id=value).entity_id

    assert field == text
    assert type(field) is str


def test_other_arguments_become_metadata() -> None:
    def metadata(**arguments: Any) -> Any:
        return json.loads(bytes(checked(**arguments).metadata or b"null"))

    assert metadata(metadata={"a": 1, "b": 1}, b=2) == {"a": 1, "b": 2}
    assert metadata(metadata="a text") == {"metadata": "a text"}
    assert metadata() is None


@pytest.mark.parametrize("value", [True, 1.5, b"t", object(), [CANARY]])
def test_field_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(EventError, match="session_id must be a text") as caught:
        checked(session_id=value)

    assert CANARY not in str(caught.value)


class Loud(dict[str, Any]):
    def items(self) -> Any:
        raise OSError(CANARY)

    def __iter__(self) -> Any:
        raise OSError(CANARY)


class NoZone(tzinfo):
    def utcoffset(self, _moment: Any) -> Any:
        raise OSError(CANARY)

    def dst(self, _moment: Any) -> Any:
        raise OSError(CANARY)

    def tzname(self, _moment: Any) -> Any:
        raise OSError(CANARY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("changes", Loud(a=1)),
        ("targets", iter(Loud(a=1).items, None)),
        ("occurred_at", datetime(2026, 1, 1, tzinfo=NoZone())),
    ],
)
def test_failing_code_of_a_value_is_an_event_error(name: str, value: Any) -> None:
    with pytest.raises(EventError, match=f"{name} cannot be read") as caught:
        checked(**{name: value})

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_empty_structures_are_absent() -> None:
    assert checked(targets=[], changes={}).features() == ()
