"""Fetches only jars of the committed digests, and names a program that is missing or too old."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import fetch
from tests.services.required import ServiceUnavailableError


@pytest.fixture(autouse=True)
def _java_is_searched_anew() -> Iterator[None]:
    fetch.require_java.cache_clear()
    yield
    fetch.require_java.cache_clear()


@pytest.fixture
def jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two jars that have committed digests."""
    folder = tmp_path / "jars"
    folder.mkdir()
    lines = []
    for name in ("a.jar", "b.jar"):
        (folder / name).write_bytes(name.encode())
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    definition = tmp_path / "services" / "kafka"
    definition.mkdir(parents=True)
    (definition / "SHA256SUMS").write_text("".join(lines))
    monkeypatch.setattr(fetch, "DEFINITIONS", tmp_path / "services")
    return folder


def test_jars_of_committed_digests_are_accepted(jars: Path) -> None:
    assert fetch._wrong_jars("kafka", jars) == set()


def test_altered_jar_is_found(jars: Path) -> None:
    (jars / "a.jar").write_bytes(b"a.jar with a backdoor")
    assert fetch._wrong_jars("kafka", jars) == {"a.jar"}


def test_missing_and_additional_jars_are_found(jars: Path) -> None:
    (jars / "b.jar").rename(jars / "c.jar")
    assert fetch._wrong_jars("kafka", jars) == {"b.jar", "c.jar"}


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceUnavailableError, match="java is not installed"):
        fetch.require_java()


def test_too_old_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ServiceUnavailableError, match="needs Java 17 or later"):
        fetch.require_java()
