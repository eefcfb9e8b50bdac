from __future__ import annotations

import importlib
import pkgutil

import pytest

import telemetry
from telemetry import exceptions

MODULES = sorted(module.name for module in pkgutil.walk_packages(telemetry.__path__, "telemetry."))


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_every_error_is_exported_and_drawn() -> None:
    classes = {
        name for name, value in vars(exceptions).items() if isinstance(value, type) and issubclass(value, Exception)
    }

    assert classes <= set(exceptions.__all__)
    assert all(name in (exceptions.__doc__ or "") for name in classes)
    assert all(issubclass(getattr(exceptions, name), exceptions.TelemetryError) for name in classes)
