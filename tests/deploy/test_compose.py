"""The trial of the compose file: checked by the published schema, and run without containers."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from telemetry.testing import EmbeddedKafka
from tests.services.deploy_tools import checked, compose_schema
from tests.support.chart import ROOT
from tests.support.gateway.served import Served

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
_SECONDS = 120.0


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=_SECONDS, check=False)


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=3) as broker:
        yield broker


@pytest.fixture
def trial(tmp_path: Path, kafka: EmbeddedKafka) -> Path:
    folder = tmp_path / "trial"
    done = _run(str(FOLDER / "prepare.py"), str(folder), "--brokers", kafka.bootstrap_servers)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_published_schema_accepts_it() -> None:
    schema = json.loads(checked(compose_schema).read_text())
    # The name of the project came into the specification after this release of the schema.
    rest = {name: value for name, value in COMPOSE.items() if name != "name"}
    jsonschema.Draft7Validator(schema).validate(rest)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({**rest, "servises": {}})


def test_services_of_the_image_are_confined() -> None:
    own = {name: service for name, service in SERVICES.items() if name != "kafka"}
    assert len(own) == 5
    for name, service in own.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("user" in service, "cap_add" in service) == (name == "prepare", name == "prepare")
    assert SERVICES["gateway"]["ports"] == ["127.0.0.1:4318:4318"], "only this machine reaches it"


def test_what_is_mounted_and_waited_for_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).is_file()
        for other, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]


def test_the_owner_is_the_user_of_the_image() -> None:
    (user,) = re.findall(r"^USER (\d+):", (ROOT / "deploy/container/Containerfile").read_text(), re.MULTILINE)
    assert SERVICES["prepare"]["command"] == ["/trial", "--owner", user]


def test_what_is_prepared_is_private_and_stays(trial: Path) -> None:
    for path in trial.iterdir():
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path.name
    before = {path.name: path.read_bytes() for path in trial.iterdir() if path.is_file()}
    done = _run(str(FOLDER / "prepare.py"), str(trial))
    assert "is prepared already" in done.stdout
    assert before == {path.name: path.read_bytes() for path in trial.iterdir() if path.is_file()}


def test_an_event_goes_through_the_whole_trial(trial: Path, tmp_path: Path) -> None:
    config = trial / "telemetry.toml"
    with Served(config, tmp_path, "--listen", "https://localhost:0") as served:
        url = served.url
        logged = _run(str(FOLDER / "log_event.py"), str(trial), url)
        assert logged.returncode == 0, logged.stderr
        status, _, answer = logged.stdout.partition(" ")
        (event,) = json.loads(answer)["events"]
        assert (status, event["level"]) == ("202", "delivered")
        assert served.end() == 0, served.errors()

    shown = _run("-m", "telemetry", "tail", "-c", str(config), "--json")
    assert shown.returncode == 0, shown.stderr
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    (found,) = [found for found in events if found["id"] == event["id"]]
    assert (found["service_name"], found["event_type"], found["user_id"]) == ("payments", "user_login", "ada")
