"""Gives the tests of ``deploy/`` the fetched programs, and the keys and certificates of a trial."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.deploy_tools import helm, promtool
from tests.support.chart import ROOT

__all__ = ["helm", "promtool"]

_PREPARE = ROOT / "deploy" / "compose" / "prepare.py"
_SECONDS = 120.0


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and certificates."""
    folder = tmp_path_factory.mktemp("prepared") / "trial"
    subprocess.run([sys.executable, str(_PREPARE), str(folder)], check=True, timeout=_SECONDS, capture_output=True)
    key, trust = str(folder / "audit.pub"), str(folder / "trust.toml")
    _trust("init", key, "--gateway", "/production/audit-gateway", "--source", "/production/payments", "--out", trust)
    # The trail is read with the gateway's own configuration here.
    _trust("add", key, "--role", "reader", "--source", "/production/telemetry-reader", "--to", trust)
    return folder


def _trust(*words: str) -> None:
    command = [sys.executable, "-m", "telemetry", "trust", *words]
    subprocess.run(command, check=True, timeout=_SECONDS, capture_output=True)
