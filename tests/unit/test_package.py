from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import telemetry
from telemetry import exceptions

HEAVY = (
    "boto3",
    "azure",
    "google",
    "obstore",
    "typer",
    "rich",
    "confluent_kafka",
    "pydantic",
    "cryptography",
    "pyarrow",
)
MODULES = sorted(found.name for found in pkgutil.walk_packages(telemetry.__path__, "telemetry."))


def test_importing_the_package_brings_nothing_heavy() -> None:
    code = f"import sys, telemetry; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_every_error_of_the_tree_is_exported_and_drawn() -> None:
    classes = {
        name for name, found in vars(exceptions).items() if isinstance(found, type) and issubclass(found, Exception)
    }

    assert classes <= set(exceptions.__all__)
    assert all(name in (exceptions.__doc__ or "") for name in classes)
    assert all(issubclass(getattr(exceptions, name), exceptions.TelemetryError) for name in classes)
