"""The small clients send batches, try again with the same key, and say what was refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.required import ServiceUnavailableError, unavailable
from tests.support.gateway.example_clients import CLIENTS, EXAMPLES, client_command, start
from tests.support.gateway.scripted_server import Answer, ScriptedServer

_PATIENCE = 120.0
ONE = {"event_type": "user.login", "user_id": "ada", "payload": {"method": "passkey"}}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(params=CLIENTS)
def command(request: pytest.FixtureRequest, programs: Path) -> list[str]:
    try:
        return client_command(request.param, programs)
    except ServiceUnavailableError as exc:
        unavailable(str(exc))


def lines_of(count: int) -> str:
    return "".join(json.dumps({**ONE, "payload": {"number": number}}) + "\n\n" for number in range(count))


def run(command: list[str], server: ScriptedServer, folder: Path, count: int = 3) -> tuple[int, str]:
    process = start(command, lines_of(count), server.variables, folder)
    try:
        return process.wait(_PATIENCE), (folder / "err").read_text()
    finally:
        process.kill()
        process.wait()


def test_events_are_sent_in_batches(command: list[str], tmp_path: Path) -> None:
    with ScriptedServer(tmp_path) as server:
        code, errors = run(command, server, tmp_path, count=250)

    assert (code, errors) == (0, "")
    assert [len(sent.events) for sent in server.requests] == [100, 100, 50]
    assert [event["payload"]["number"] for sent in server.requests for event in sent.events] == list(range(250))
    assert {(sent.path, sent.caller) for sent in server.requests} == {("/v1/events", "payments")}
    assert {sent.headers["prefer"] for sent in server.requests} == {"wait=durable"}
    assert {sent.headers["content-type"] for sent in server.requests} == {"application/json"}
    assert len({sent.headers["idempotency-key"] for sent in server.requests}) == 3


@pytest.mark.parametrize(
    "first",
    [
        Answer(429, {"status": 429}, retry_after="1"),
        Answer(503, {"status": 503}),
        Answer(502, "a proxy's page"),
        Answer(0),
        Answer(202, {"events": [{"level": "durable"}, {"level": "accepted"}, {"level": "durable"}]}),
        Answer(
            207, {"events": [{"status": 202, "level": "durable"}, {"status": 429, "reason": "full"}, {"status": 429}]}
        ),
    ],
    ids=["429", "503", "502", "cut", "accepted", "207"],
)
def test_what_is_not_safe_is_sent_again_with_the_same_key(command: list[str], tmp_path: Path, first: Answer) -> None:
    with ScriptedServer(tmp_path, first) as server:
        code, _ = run(command, server, tmp_path)

    assert code == 0
    assert len(server.requests) == 2
    assert server.requests[0].events == server.requests[1].events
    assert len({sent.headers["idempotency-key"] for sent in server.requests}) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(403, {"detail": "no identity"}), "no identity"),
        (Answer(422, {"detail": "event_type is empty"}), "event_type is empty"),
        (
            Answer(
                207,
                {"events": [{"status": 202, "level": "durable"}, {"status": 422, "reason": "unfit"}, {"status": 202}]},
            ),
            "unfit",
        ),
    ],
    ids=["403", "422", "207"],
)
def test_what_is_refused_for_good_is_said(command: list[str], tmp_path: Path, answer: Answer, said: str) -> None:
    with ScriptedServer(tmp_path, answer) as server:
        code, errors = run(command, server, tmp_path, count=3)

    assert code == 1
    assert said in errors
    assert len(server.requests) == 1


def test_clients_are_small() -> None:
    sizes: dict[str, Any] = {
        name: len((EXAMPLES / "gateway" / name).read_text("utf-8").splitlines())
        for name in ("go/main.go", "node/audit.mjs", "shell/audit.sh")
    }

    assert {name: size for name, size in sizes.items() if size > 130} == {}
