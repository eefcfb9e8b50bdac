"""The plugin offers its fixture wherever the library is installed, and costs the other test runs next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOADED = """
import sys, pytest
before = set(sys.modules)
import telemetry.testing.pytest_plugin
print(*sorted(set(sys.modules) - before))
"""
TEST = """
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig

config = AuditConfig(kafka_brokers="nowhere.invalid:9093", encryption_enabled=False, fallback_enabled=False)

def test_login(captured_events):
    with Telemetry(config) as telemetry:
        telemetry.audit.log("login", {}, "ada")
    assert captured_events.one("login").user_id == "ada"

def test_others_begin_with_nothing(captured_events):
    assert len(captured_events) == 0

def test_failure(captured_events):
    captured_events.one("login")
"""


def _run(*words: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    return done.stdout


def test_plugin_loads_nothing_beside_pytest(tmp_path: Path) -> None:
    loaded = _run("-c", LOADED, folder=tmp_path).split()

    assert set(loaded) == {
        *("telemetry", "telemetry.system", "telemetry.system.lazy_exports", "telemetry.testing"),
        *("telemetry.testing.pytest_plugin", "telemetry.version"),
    }


def test_installed_plugin_offers_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)

    output = _run(
        "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", folder=tmp_path
    )

    assert "1 failed, 2 passed" in output
    assert "expected exactly one event 'login'; no event was captured" in output
    # The test's own line is shown, not the library's.
    assert 'captured_events.one("login")' in output
    assert "def one(" not in output


def test_plugin_named_twice_is_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["telemetry.testing.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text(TEST)

    output = _run("-m", "pytest", "-q", "-p", "telemetry.testing.pytest_plugin", "-k", "login", folder=tmp_path)

    assert "1 passed" in output
