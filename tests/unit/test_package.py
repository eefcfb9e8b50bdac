from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import telemetry
from telemetry import exceptions

MODULES = sorted(module.name for module in pkgutil.walk_packages(telemetry.__path__, "telemetry."))


DJANGO = "telemetry.integrations.django"
"""Its models belong to a project: they are imported in a process that has one."""
PROJECT = """
import importlib, json, sys
import django
from django.conf import settings
apps = ["django.contrib.contenttypes", "django.contrib.auth", "telemetry.integrations.django.outbox"]
settings.configure(INSTALLED_APPS=apps)
django.setup()
print(json.dumps([name for name in json.loads(sys.argv[1]) if not importlib.import_module(name).__doc__]))
"""


@pytest.mark.parametrize(
    "name", [name for name in MODULES if not name.endswith("__main__") and not name.startswith(DJANGO)]
)
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_every_module_for_django_can_be_imported() -> None:
    names = [name for name in MODULES if name.startswith(DJANGO)]

    done = subprocess.run(
        [sys.executable, "-c", PROJECT, json.dumps(names)], capture_output=True, text=True, timeout=100, check=True
    )

    assert len(names) > 10
    assert json.loads(done.stdout) == []


def test_decorator_stays_a_function() -> None:
    # A module of the same name would take its place once it is imported.
    for name in telemetry.__all__:
        assert f"telemetry.{name}" not in MODULES


def test_every_error_is_exported_and_drawn() -> None:
    classes = {
        name for name, value in vars(exceptions).items() if isinstance(value, type) and issubclass(value, Exception)
    }

    assert classes <= set(exceptions.__all__)
    assert all(name in (exceptions.__doc__ or "") for name in classes)
    assert all(issubclass(getattr(exceptions, name), exceptions.TelemetryError) for name in classes)
