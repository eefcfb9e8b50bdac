from __future__ import annotations

import pytest

from telemetry.encryption.subjects.key_cache import SubjectName
from telemetry.encryption.subjects.requests import KeyRequests
from telemetry.exceptions import KeyServiceError, KeyUnreachableError

_ALICE, _BOB = SubjectName("/test/shop", "alice"), SubjectName("/test/shop", "bob")
_ERROR = KeyServiceError("refused")


def test_requests_are_one_batch() -> None:
    requests = KeyRequests()
    futures = [requests.add([_ALICE]), requests.add([_ALICE, _BOB])]

    batch = requests.take()
    batch.finish({})

    assert batch.names == {_ALICE, _BOB}
    assert [future.result(0) for future in futures] == [None, None]
    assert not requests.take()


def test_request_fails_only_if_none_of_its_subjects_has_a_key() -> None:
    requests = KeyRequests()
    alone, both = requests.add([_BOB]), requests.add([_ALICE, _BOB])

    requests.take().finish({_BOB: _ERROR})

    assert alone.exception(0) is _ERROR
    assert both.exception(0) is None


def test_cancelled_request_keeps_nobody_from_the_answer() -> None:
    requests = KeyRequests()
    cancelled, other = requests.add([_ALICE]), requests.add([_ALICE])
    cancelled.cancel()

    requests.take().fail(_ERROR)

    assert other.exception(0) is _ERROR


def test_closed_requests_fail_at_once() -> None:
    requests = KeyRequests()
    before = requests.add([_ALICE])

    requests.close(KeyUnreachableError("closed"))

    for future in (before, requests.add([_BOB])):
        with pytest.raises(KeyUnreachableError):
            future.result(0)
