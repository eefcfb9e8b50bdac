"""The commands of docs/gateway-api.md run as written, against the real command with mutual TLS, and get the answers that it shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.exceptions import EventError
from telemetry.gateway.problems import problem_response
from telemetry.gateway.request.body import MAX_MEMBERS
from telemetry.gateway.request.event_text import MAX_BYTES
from telemetry.gateway.routes import ROUTES
from telemetry.gateway.routes.described import ERRORS
from telemetry.gateway.routes.event_members import MEMBERS, call_of
from telemetry.gateway.routes.openapi import description
from tests.services.required import unavailable
from tests.support.gateway.credentials import GatewayFiles
from tests.support.gateway.served import Served
from tests.support.maker_lines import maker_lines

PAGE = (Path(__file__).parents[2] / "docs" / "gateway-api.md").read_text("utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ANSWERS = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
_CONFIG = """\
service_name = "gateway"
environment = "test"

[audit_config]
enabled = false

[audit_config.shared_streams]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    files = GatewayFiles(tmp_path_factory.mktemp("page"))
    config = files.folder / "gateway.toml"
    config.write_text(_CONFIG)
    config.chmod(0o600)
    shutil.copy(files.authority.file, files.folder / "authority.pem")
    shutil.copy(files.payments.certificate, files.folder / "shop.pem")
    shutil.copy(files.payments.key, files.folder / "shop.key")
    (files.folder / "invoice.pdf").write_bytes(b"%PDF-1.7\n\xff")
    (files.folder / "audit.log").write_text("\n".join(map(json.dumps, maker_lines("vault"))))
    with Served(config, files.folder, *files.options()) as served:
        yield served, files.folder


def _run(gateway: tuple[Served, Path], commands: str) -> list[Any]:
    """Run commands, and return the JSON values that they print."""
    if shutil.which("curl") is None:
        unavailable("curl is not installed")
    served, folder = gateway
    environment = {"PATH": os.environ["PATH"], "GATEWAY": served.url}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    decoder, text, values = json.JSONDecoder(), done.stdout.decode(), []
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:]
    return values


def test_commands_run_as_written(gateway: tuple[Served, Path]) -> None:
    answers = [answer for commands in COMMANDS for answer in _run(gateway, commands)]
    assert [len(answer["events"]) for answer in answers] == [1, 2, 1, 1, 1, len(maker_lines("vault"))]
    assert all(event["level"] == "unsent" for answer in answers for event in answer["events"])
    assert json.loads((gateway[1] / "openapi.json").read_text()) == description()


def test_answer_that_is_shown_has_the_members_of_a_real_one(gateway: tuple[Served, Path]) -> None:
    (answer,) = _run(gateway, f"{COMMANDS[0]}\n{COMMANDS[1]}")
    assert answer["events"][0].keys() == ANSWERS[0]["events"][0].keys()


def test_problem_that_is_shown_is_a_real_one() -> None:
    with pytest.raises(EventError) as caught:
        call_of({"event_type": "a", "user_id": "b", "outcme": "success"}, None)
    assert json.loads(bytes(problem_response(422, str(caught.value)).body)) == ANSWERS[1]


def test_routes_are_all_and_no_others() -> None:
    listed = set(re.findall(r"^\| `(?:POST|GET) (/v1/[^`]*)` \|", PAGE, re.MULTILINE))
    assert listed == {route.path.replace("{name}", "NAME") for route in ROUTES if isinstance(route, Route)}


def test_statuses_are_all_that_are_described() -> None:
    rows = re.findall(r"^\| ([0-9]{3}(?:, [0-9]{3})?) \|", PAGE, re.MULTILINE)
    assert {int(status) for row in rows for status in row.split(", ")} == {202, 207, *ERRORS}


def test_bounds_are_those_of_the_code() -> None:
    assert f"at most {MAX_MEMBERS:,}" in PAGE
    assert MAX_BYTES == 1 << 20
    assert "1 MiB" in PAGE
    assert GatewayLimits().max_events >= 100
    assert {"targets", "changes", "metadata", "idempotency_key", "id"} <= MEMBERS.keys()
