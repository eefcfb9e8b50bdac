"""Runs the tests of what is logged of a database again, on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.postgres import PostgresServer
from tests.support.django_shop.site import POSTGRES

ROOT = Path(__file__).parents[2]


@pytest.mark.services
def test_changes_are_the_same_on_postgresql(postgres: PostgresServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/integrations/django/changes"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        | {POSTGRES: postgres.new_database()},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-8_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 60
    assert "skipped" not in done.stdout
