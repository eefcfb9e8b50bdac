from __future__ import annotations

import uuid

import pytest

from telemetry.audit.accept.draft.adjusted import adjusted_text
from telemetry.audit.accept.draft.adjuster import Adjuster, plain_form
from telemetry.exceptions import EventError


def test_only_what_was_adjusted_is_named() -> None:
    adjuster = Adjuster()

    assert adjuster.text("source", "web") == "web"
    assert adjuster.text("entity_id", 7) == "7"
    assert adjuster.adjusted == set()
    assert adjuster.text("user_agent", "a\n") == adjusted_text("a\n", 4_096)
    assert adjuster.adjusted == {"user_agent"}


def test_limit_of_the_event_is_stronger() -> None:
    assert len(Adjuster(limit=100).text("source", "x" * 200)) == 100


def test_value_without_a_text_is_refused_or_described() -> None:
    with pytest.raises(EventError, match="source must be a text"):
        Adjuster().text("source", [1])

    adjuster = Adjuster(unfit="repr")
    assert adjuster.text("source", [1]) == "[1]"
    assert adjuster.json("payload", float("nan")) == b'"nan"'
    assert adjuster.adjusted == {"source", "payload"}


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (7, "7"), (uuid.UUID(int=1), str(uuid.UUID(int=1)))])
def test_plain_forms(value: object, text: str) -> None:
    assert plain_form(value) == text


@pytest.mark.parametrize("value", [True, 1.5, b"a", None, ["a"]])
def test_other_values_have_none(value: object) -> None:
    assert plain_form(value) is None
