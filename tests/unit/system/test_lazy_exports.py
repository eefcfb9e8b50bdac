from __future__ import annotations

import sys
from types import ModuleType

import pytest

from telemetry.system.lazy_exports import lazy_exports


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("lazy_package")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    setattr(module, "__getattr__", lazy_exports(module.__name__, {"Fraction": "fractions"}))  # noqa: B010
    return module


def test_name_is_loaded_once_and_kept(package: ModuleType) -> None:
    from fractions import Fraction  # noqa: PLC0415 - the name that the package exports

    assert package.Fraction is Fraction
    assert vars(package)["Fraction"] is Fraction


def test_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="'lazy_package' has no attribute 'Other'"):
        package.Other  # noqa: B018 - looking it up is the test
