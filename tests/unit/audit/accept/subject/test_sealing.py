"""What is prepared once for a subject, and how large an event becomes."""

from __future__ import annotations

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.audit.accept.subject.sealing import prepared_of, sealed_content, size_with_content
from tests.support.subject_keys import key_for


def test_kafka_key_is_derived_once_for_a_service() -> None:
    key = key_for("ada")

    assert prepared_of(key, b"ada:shop") is prepared_of(key, b"ada:shop")
    assert prepared_of(key, b"ada:shop").kafka_key != prepared_of(key, b"ada:billing").kafka_key


@pytest.mark.parametrize("length", range(8))
def test_size_is_known_before_sealing(length: int) -> None:
    factory = EventFactory(service_name="s", environment="e", version="", max_event_bytes=4_096, features=("subject",))
    draft, key = factory.draft("t", "x" * length, "ada", {}), key_for("ada")
    assert isinstance(draft, SubjectDraft)
    beside = draft.json_after_sequence[: draft.content_at] + prepared_of(key, draft.key).member

    assert size_with_content(draft) == len(sealed_content(draft, beside, key=key, iv=bytes(12)))
