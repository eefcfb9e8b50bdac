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
    trust = [
        sys.executable,
        "-m",
        "telemetry",
        "trust",
        "init",
        str(folder / "audit.pub"),
        "--gateway",
        "/production/audit-gateway",
    ]
    trust += ["--source", "/production/payments", "--out", str(folder / "trust.toml")]
    subprocess.run(trust, check=True, timeout=_SECONDS, capture_output=True)
    return folder
