"""Everything that is installed to test, build or list the project is pinned with its digests, in versions that are allowed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)[^\n]*?((?: \\\n +--hash=sha256:[0-9a-f]{64})*)$", re.MULTILINE)


def _pins(lock: Path) -> dict[str, tuple[str, str]]:
    return {name: (version, digests) for name, version, digests in _PIN.findall(lock.read_text("utf-8"))}


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_every_package_has_its_digests(lock: Path) -> None:
    named = re.findall(r"^([a-z0-9][a-z0-9._-]*)[=<>~!@ ]", lock.read_text("utf-8"), re.MULTILINE)

    assert named
    assert set(named) == set(_pins(lock))
    assert all(digests for _, digests in _pins(lock).values())


def test_wheel_is_built_by_what_is_pinned() -> None:
    pins = _pins(ROOT / "requirements" / "build.txt")

    for requirement in PROJECT["build-system"]["requires"]:
        name, _, version = requirement.partition("==")
        assert pins[name][0] == version


def test_locked_versions_are_allowed() -> None:
    project = PROJECT["project"]
    extras = [requirement for names in project["optional-dependencies"].values() for requirement in names]
    pins = _pins(ROOT / "requirements" / "runtime.txt")

    for requirement in [*project["dependencies"], *extras]:
        name, _, lowest = requirement.partition(">=")
        if "[" not in name:
            assert _numbers(pins[name][0]) >= _numbers(lowest), requirement
