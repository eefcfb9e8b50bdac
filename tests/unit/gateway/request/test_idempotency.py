from __future__ import annotations

import pytest

from telemetry.gateway.request.idempotency import idempotency_key_of, key_at
from telemetry.gateway.request.refused_request import RefusedRequestError


def test_key_with_and_without_quotation_marks_is_the_same() -> None:
    assert idempotency_key_of(["abc-1"]) == idempotency_key_of([' "abc-1"']) == "abc-1"


def test_no_header_is_no_key() -> None:
    assert idempotency_key_of([]) is None


@pytest.mark.parametrize("header", ["", '""', '"', "a b", "a\tb", "ä", "x" * 201, 'a"b', "a\\b"])
def test_odd_keys_are_400(header: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        idempotency_key_of([header])
    assert caught.value.status == 400
    assert header not in caught.value.detail or len(header) < 4


def test_two_headers_are_400() -> None:
    with pytest.raises(RefusedRequestError):
        idempotency_key_of(["one", "two"])


def test_each_event_has_its_key() -> None:
    assert [key_at("k", index) for index in (0, 1)] == ["request:k:0", "request:k:1"]
    assert len(key_at("x" * 200, 99_999)) < 256
