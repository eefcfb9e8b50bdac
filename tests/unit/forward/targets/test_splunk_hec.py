"""Splunk's collector counts once its indexers have acknowledged a batch; its codes say what a refusal is about."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import TargetAwayError, TargetRefusedError
from telemetry.forward.delivery import BatchRefusedError
from telemetry.forward.targets.credentials import Credentials
from telemetry.forward.targets.post import PostClient, TlsFiles
from telemetry.forward.targets.splunk_hec import SplunkHec
from telemetry.reader.mappings import OCSF
from tests.support.parcels import Patient, batch, event_id
from tests.support.siem import FakeHec, Reply, running, times


@pytest.fixture
def hec() -> Iterator[FakeHec]:
    with running(FakeHec()) as server:
        yield server


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{FakeHec.token}\n")
    return path


def opened(hec: FakeHec, token: Path, **options: Any) -> SplunkHec:
    client = PostClient(hec.url, credentials=Credentials(token=token, scheme="Splunk"), tls=TlsFiles(), seconds=30.0)
    return SplunkHec(client, **options)


def test_batches_are_acknowledged(hec: FakeHec, token: Path) -> None:
    target = opened(hec, token, index="audit")
    for first in (0, 3, 6):
        target.send(batch(target, range(first, first + 3), schema=OCSF))
    assert hec.indexed == []
    target.settle(Patient())

    assert hec.indexed == [event_id(number) for number in range(9)]
    post = hec.posts[0]
    event = json.loads(post.body.splitlines()[0])
    assert event["fields"] == {"event_id": event_id(0), "event_type": "order_updated"}
    assert (event["index"], event["sourcetype"], event["host"]) == ("audit", "telemetry:audit", "shop")
    assert event["time"] == 1769860800.123456
    assert event["event"]["metadata"]["uid"] == event_id(0)
    assert post.headers["Content-Encoding"] == "gzip"


def test_acknowledgement_that_never_comes(hec: FakeHec, token: Path) -> None:
    target = opened(hec, token, ack_seconds=0.3)
    hec.acknowledges = False
    target.send(batch(target, range(3)))

    class Asleep:
        def pause(self, seconds: float) -> bool:
            time.sleep(min(seconds, 0.1))
            return False

    with pytest.raises(TargetAwayError, match="did not acknowledge 1 batches"):
        target.settle(Asleep())
    assert hec.indexed == []
    hec.acknowledges = True
    # What is sent again is acknowledged anew; nothing of the former attempt is waited for.
    target.send(batch(target, range(3)))
    target.settle(Patient())
    assert hec.indexed == [event_id(number) for number in range(3)]


def test_end_of_patience_ends_the_wait(hec: FakeHec, token: Path) -> None:
    target = opened(hec, token)
    hec.acknowledges = False
    target.send(batch(target, range(3)))

    with pytest.raises(TargetAwayError, match="before this forwarder ended"):
        target.settle(Patient(2))


def test_token_without_acknowledgement(hec: FakeHec, token: Path) -> None:
    hec.has_acks = False
    target = opened(hec, token)
    with pytest.raises(TargetRefusedError, match="--no-hec-ack"):
        target.send(batch(target, range(3)))
    plain = opened(hec, token, acknowledged=False)
    plain.send(batch(plain, range(3)))
    plain.settle(Patient())

    assert (plain.window, hec.ack_polls) == (1, 0)


@pytest.mark.parametrize("code", [6, 12, 13, 15])
def test_code_about_an_event(hec: FakeHec, token: Path, code: int) -> None:
    target = opened(hec, token)
    hec.faults = [times(1, Reply(400, json.dumps({"text": "secret words of the event", "code": code}).encode()))]

    with pytest.raises(BatchRefusedError, match=f"code {code}") as caught:
        target.send(batch(target, range(3)))
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize(("status", "code"), [(400, 7), (400, 14), (403, 1), (401, 3)])
def test_code_about_the_settings(hec: FakeHec, token: Path, status: int, code: int) -> None:
    target = opened(hec, token)
    hec.faults = [times(2, Reply(status, json.dumps({"text": "x", "code": code}).encode()))]

    with pytest.raises(TargetRefusedError, match=f"code {code}"):
        target.send(batch(target, range(3)))


@pytest.mark.parametrize(("status", "code"), [(503, 9), (500, 8), (429, 26)])
def test_code_of_a_busy_collector(hec: FakeHec, token: Path, status: int, code: int) -> None:
    target = opened(hec, token)
    reply = Reply(status, json.dumps({"text": "x", "code": code}).encode(), (("Retry-After", "7"),))
    hec.faults = [times(1, reply)]

    with pytest.raises(TargetAwayError) as caught:
        target.send(batch(target, range(3)))
    assert caught.value.retry_after == 7.0


def test_token_that_is_replaced(hec: FakeHec, token: Path) -> None:
    token.write_text("old\n")
    target = opened(hec, token)
    with pytest.raises(TargetRefusedError, match="code 4"):
        target.send(batch(target, range(3)))
    token.write_text(f"{FakeHec.token}\n")
    target.send(batch(target, range(3)))
    target.settle(Patient())

    assert len(hec.indexed) == 3


def test_rubbish_as_an_answer(hec: FakeHec, token: Path) -> None:
    target = opened(hec, token)
    hec.faults = [times(1, Reply(200, b"<html>"))]
    with pytest.raises(TargetRefusedError, match="without an acknowledgement"):
        target.send(batch(target, range(3)))
    hec.faults = [times(1, Reply(400, b"\xff"))]
    with pytest.raises(BatchRefusedError, match="400 Bad Request"):
        target.send(batch(target, range(3)))
