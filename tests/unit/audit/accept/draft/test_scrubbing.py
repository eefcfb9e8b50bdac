"""Which members of an event are scrubbed; what is a secret is in tests/unit/catalog/test_scrubber.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.scrubbing import Scrubbing
from telemetry.catalog.scrubber import SCRUBBED
from telemetry.exceptions import EventError

CARD = "4111111111111111"


def written(payload: Any = None, *, by_default: bool = True, **fields: Any) -> dict[str, Any]:
    scrubbing = Scrubbing(by_default=by_default)
    factory = EventFactory(
        service_name="shop", environment="test", version="", max_event_bytes=100_000, scrubbing=scrubbing
    )
    unfit = fields.pop("unfit", "refuse")
    draft = factory.draft("t", payload, "ada", fields, unfit)
    event: dict[str, Any] = json.loads(b"{" + draft.json_after_sequence[1:])
    return event


def test_every_member_is_scrubbed_and_named() -> None:
    event = written(
        {"form": {"password": "hunter2"}},
        ticket=CARD,
        token="t-1",
        changes={"password": ("a", "b"), "limit": (1, 2)},
        reason=f"paid with {CARD}",
        targets=[("card", CARD), ("order", 7)],
    )

    assert event["payload"] == {"form": {"password": SCRUBBED}}
    assert event["metadata"] == {"ticket": SCRUBBED, "token": SCRUBBED}
    assert event["changes"] == {"password": {"old": SCRUBBED, "new": SCRUBBED}, "limit": {"old": 1, "new": 2}}
    assert event["reason"] == f"paid with {SCRUBBED}"
    assert event["targets"] == [{"entity": "card", "entity_id": SCRUBBED}, {"entity": "order", "entity_id": "7"}]
    assert event["adjusted"] == ["changes", "metadata", "payload", "reason", "targets"]


def test_harmless_event_is_written_as_before() -> None:
    fields: dict[str, Any] = {"ticket": 7, "changes": {"a": (1, 2)}, "targets": [("order", 7)], "reason": "r"}
    scrubbed, plain = written({"n": 1.50}, **fields), written({"n": 1.50}, by_default=False, **fields)

    for event in (scrubbed, plain):
        del event["id"], event["time"]
    assert scrubbed == plain
    assert "adjusted" not in scrubbed


def test_text_of_an_odd_value_is_scrubbed() -> None:
    event = written({"error": ValueError(f"no card {CARD}")}, unfit="repr")

    assert CARD not in json.dumps(event)
    assert event["adjusted"] == ["payload"]


def test_beginning_of_a_large_event_is_scrubbed() -> None:
    event = written({"a": CARD, "b": "x" * 200_000}, unfit="repr")

    assert CARD not in json.dumps(event)


def test_call_may_ask_for_more_and_not_for_less() -> None:
    assert written({"password": "x"}, by_default=False, scrub=True)["payload"] == {"password": SCRUBBED}
    assert written({"password": "x"}, by_default=True, scrub=False)["payload"] == {"password": SCRUBBED}
    assert written({"password": "x"}, by_default=False)["payload"] == {"password": "x"}
    assert "metadata" not in written({}, scrub=True)
    with pytest.raises(EventError, match="scrub must be True or False"):
        written({}, scrub="yes")


def test_payload_nested_beyond_a_decoder_is_replaced() -> None:
    encoded = b"[" * 100_000 + b"]" * 100_000

    assert json.loads(Scrubbing().json(encoded)) == SCRUBBED
