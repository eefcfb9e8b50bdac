"""Runs the examples of docs/testing.md: as tests of a small application, and as a program of a laptop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
SHOP = """
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, EncryptionConfig, StorageConfig

config = AuditConfig(
    kafka_brokers="kafka.invalid:9093",
    encryption_config=EncryptionConfig(provider="local_key", key_path="absent/audit.key", passphrase="absent"),
    storage_config=StorageConfig(provider="local_file", base_path="absent"))

def login(user, password):
    with Telemetry(config) as telemetry:
        outcome = OUTCOME
        telemetry.audit.log("user.login", {"method": "password"}, user, outcome=outcome, wait_for="delivered")
"""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )


def _without_time(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "12:00:03", text)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    fixture, framework, _ = _blocks("python")
    (tmp_path / "test_fixture.py").write_text(fixture)
    (tmp_path / "test_framework.py").write_text(framework)
    return tmp_path


def test_the_examples_pass_as_tests(shop: Path) -> None:
    (shop / "shop.py").write_text(SHOP.replace("OUTCOME", '"denied"'))

    with_pytest = _run(shop, "-m", "pytest", "-q", "-p", "telemetry.testing.pytest_plugin", "test_fixture.py")
    with_unittest = _run(shop, "-m", "unittest", "test_framework.py")

    assert "1 passed" in with_pytest.stdout
    assert "OK" in with_unittest.stderr


def test_the_page_shows_the_error_as_it_is(shop: Path) -> None:
    (shop / "shop.py").write_text(SHOP.replace("OUTCOME", '"failure"'))

    output = _run(shop, "-m", "pytest", "-q", "-p", "telemetry.testing.pytest_plugin", "test_fixture.py").stdout

    shown = _blocks("text")[0]
    raised = "\n".join(line[1:].removeprefix("       ") for line in output.splitlines() if line.startswith("E "))
    assert _without_time(raised).strip() == shown.strip()


def test_the_laptop_prints_the_line_of_the_page(tmp_path: Path) -> None:
    done = _run(tmp_path, "-c", _blocks("python")[2])

    assert done.returncode == 0
    assert done.stderr.startswith("NOTHING IS SENT: ")
    assert _without_time(done.stderr.splitlines()[1]) == _blocks("text")[1].strip()
    assert list(tmp_path.iterdir()) == []
