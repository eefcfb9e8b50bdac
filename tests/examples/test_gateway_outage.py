"""Clients and OpenTelemetry SDKs log through mutual TLS and an outage of a real Kafka; each event is shown once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.services.broker_rights import grant_common, new_topic
from tests.services.fetch import npm_modules, program
from tests.services.kafka import KafkaBroker
from tests.services.required import ServiceUnavailableError, unavailable
from tests.support.gateway.example_clients import CLIENTS, EXAMPLES, client_command, start
from tests.support.gateway.trail_site import TrailSite, requests_answered
from tests.support.until import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

_PATIENCE = 180.0
COUNT = 30


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of this file's own, from which its clients can be cut off."""
    with ExitStack() as stack:
        try:
            own = stack.enter_context(KafkaBroker(tmp_path_factory.mktemp("kafka-away"), proxied=("PLAINTEXT",)))
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        grant_common(own)
        yield own


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


Start = Callable[[TrailSite, str, str], "subprocess.Popen[str]"]


@pytest.fixture(params=[*CLIENTS, "python-sdk", "node-sdk"])
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start_client(client: str, programs: Path, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a program that logs the events of some lines; all are ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start_it(site: TrailSite, url: str, lines: str) -> subprocess.Popen[str]:
        folder = tmp_path / f"client-{len(started)}"
        folder.mkdir()
        try:
            command = sdk_command(client, folder) if client in SDKS else client_command(client, programs)
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        started.append(start(command, lines, {**site.variables(url), **sdk_variables(site, url)}, folder))
        return started[-1]

    yield start_it
    for process in started:
        process.kill()
        process.wait()


SDKS = ("python-sdk", "node-sdk")


def sdk_command(sdk: str, folder: Path) -> list[str]:
    """Return the command that runs the example of an SDK."""
    if sdk == "python-sdk":
        return [sys.executable, str(EXAMPLES / "otlp" / "app.py")]
    (folder / "node_modules").symlink_to(npm_modules("opentelemetry"), target_is_directory=True)
    shutil.copy(EXAMPLES / "otlp" / "app.mjs", folder)
    return [program("node"), str(folder / "app.mjs")]


def sdk_variables(site: TrailSite, url: str) -> dict[str, str]:
    """Return the variables of exporters."""
    known = site.variables(url)
    return {
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{url}/v1/logs",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": known["GATEWAY_CA"],
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": known["GATEWAY_CERTIFICATE"],
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": known["GATEWAY_KEY"],
        "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
    }


def lines_of(client: str, name: str) -> str:
    """Return events of this name as a client reads them."""
    lines: list[dict[str, Any]]
    if client in SDKS:
        lines = [{"event_name": name, "enduser.id": "ada", "number": number} for number in range(COUNT)]
    else:
        lines = [{"event_type": name, "user_id": "ada", "payload": {"number": number}} for number in range(COUNT)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def errors(tmp_path: Path) -> str:
    """Return what the clients have written for people."""
    return "".join(file.read_text() for file in sorted(tmp_path.glob("client-*/err")))


def test_outage_of_kafka_without_a_spool(broker: KafkaBroker, tmp_path: Path, start_client: Start, client: str) -> None:
    site = TrailSite(broker.bootstrap(), new_topic(broker), tmp_path, spool=False, request_seconds=2)
    route = "/v1/logs" if client in SDKS else "/v1/events"
    with site.serve() as served:
        before = start_client(site, served.url, lines_of(client, "before"))
        assert before.wait(_PATIENCE) == 0, errors(tmp_path)

        broker.proxy("PLAINTEXT").refuse()
        try:
            answered = requests_answered(served, route)
            during = start_client(site, served.url, lines_of(client, "during"))
            until(lambda: requests_answered(served, route) >= answered + 2, what="two answers", timeout=_PATIENCE)
            assert during.poll() is None
        finally:
            broker.proxy("PLAINTEXT").accept()
        assert during.wait(_PATIENCE) == 0, errors(tmp_path)
        records = len(site.records())
        shown = site.tail()

    assert_each_is_shown_once(shown, "before", "during")
    assert records > 2 * COUNT
    assert "Traceback" not in served.errors()


def test_outage_and_kill_with_a_spool(broker: KafkaBroker, tmp_path: Path, start_client: Start, client: str) -> None:
    site = TrailSite(broker.bootstrap(), new_topic(broker), tmp_path, spool=True)
    with site.serve() as served:
        url = served.url
        broker.proxy("PLAINTEXT").refuse()
        try:
            # The answer is that of every day: the events are on the disk of the gateway.
            assert start_client(site, url, lines_of(client, "during")).wait(_PATIENCE) == 0, errors(tmp_path)
            served.end(signal.SIGKILL)
        finally:
            broker.proxy("PLAINTEXT").accept()
    after = start_client(site, url, lines_of(client, "after"))
    with site.serve("--listen", url) as served:
        assert after.wait(_PATIENCE) == 0, errors(tmp_path)
        until(lambda: len(site.tail()) >= 2 * COUNT, what="the events of both are shown", timeout=_PATIENCE)
        assert served.end() == 0, served.errors()

    assert_each_is_shown_once(site.tail(), "during", "after")
    code, report = site.verify()
    assert code == 0, report
    assert "Traceback" not in served.errors()


def assert_each_is_shown_once(shown: list[dict[str, Any]], *names: str) -> None:
    """Check that all events of these names are shown, each once, as those of the caller's service."""
    assert Counter((event["event_type"], event["payload"]["number"]) for event in shown) == {
        (name, number): 1 for name in names for number in range(COUNT)
    }
    assert {(event["user_id"], event["service_name"]) for event in shown} == {("ada", "payments")}


def test_command_of_the_page(broker: KafkaBroker, tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "integrations" / "other-languages.md").read_text("utf-8")
    (command,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    script = "".join(line for line in command.splitlines(keepends=True) if not line.startswith("export "))
    site = TrailSite(broker.bootstrap(), new_topic(broker), tmp_path, spool=False)
    with site.serve() as served:
        variables = {"PATH": os.environ["PATH"], **site.variables(served.url)}
        subprocess.run(["bash", "-c", script], cwd=EXAMPLES.parent, env=variables, timeout=_PATIENCE, check=True)
        (event,) = site.tail()

    assert (event["event_type"], event["user_id"], event["entity"], event["entity_id"]) == (
        *("order.refunded", "ada", "order", "7"),
    )
