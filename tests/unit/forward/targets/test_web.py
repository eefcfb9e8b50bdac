"""A batch that is sent again to an HTTP server has the same key, and bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.exceptions import TargetAwayError, TargetRefusedError
from telemetry.forward.delivery import BatchRefusedError
from telemetry.forward.targets.credentials import Credentials
from telemetry.forward.targets.post import PostClient, TlsFiles
from telemetry.forward.targets.web import WebTarget
from tests.support.parcels import Patient, batch, event_id
from tests.support.siem import Reply, Siem, running, times


@pytest.fixture
def siem() -> Iterator[Siem]:
    with running(Siem()) as server:
        yield server


def opened(siem: Siem, *, lines: bool = False) -> WebTarget:
    return WebTarget(PostClient(siem.url, credentials=Credentials(), tls=TlsFiles(), seconds=30.0), lines=lines)


@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
def test_same_batch_has_the_same_key(siem: Siem, *, lines: bool) -> None:
    target = opened(siem, lines=lines)
    for numbers in (range(3), range(3), range(4)):
        target.send(batch(target, numbers))
        target.settle(Patient())

    keys = [post.headers["Idempotency-Key"] for post in siem.posts]
    assert keys[0] == keys[1] != keys[2]
    assert siem.posts[0].body == siem.posts[1].body
    assert siem.accepted[:3] == [event_id(number) for number in range(3)]
    assert siem.documents[0]["payload"] == {"amount": 1}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_status_about_the_content(siem: Siem, status: int) -> None:
    target = opened(siem)
    siem.faults = [times(1, Reply(status))]
    with pytest.raises(BatchRefusedError, match=str(status)):
        target.send(batch(target, range(3)))


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 405, 410, 415, 418])
def test_status_that_refuses_everything(siem: Siem, status: int) -> None:
    target = opened(siem)
    siem.faults = [times(1, Reply(status, headers=(("Location", "http://127.0.0.1:9/elsewhere"),)))]
    with pytest.raises(TargetRefusedError, match=str(status)):
        target.send(batch(target, range(3)))
    assert len(siem.posts) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_status_of_a_fault(siem: Siem, status: int) -> None:
    target = opened(siem)
    siem.faults = [times(1, Reply(status))]
    with pytest.raises(TargetAwayError, match=str(status)):
        target.send(batch(target, range(3)))


def test_answer_that_is_cut_off(siem: Siem) -> None:
    target = opened(siem)
    siem.faults = [times(1, Reply(cut=True))]
    with pytest.raises(TargetAwayError, match="did not answer"):
        target.send(batch(target, range(3)))
    target.send(batch(target, range(3)))

    assert siem.accepted == [event_id(number) for number in (0, 1, 2)] * 2
