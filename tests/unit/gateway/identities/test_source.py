"""What is read from the identities file, and what is said of a file that lists nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.gateway.identities.quotas import Quotas
from telemetry.gateway.identities.source import IdentitiesFile

ENTRY = '[[identity]]\nservice = "payments"\nuids = [1000]\n'


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


def identities_of(file: Path | None) -> IdentitiesFile:
    return IdentitiesFile(file, own_service="gateway", quotas=Quotas())


def test_reload_takes_what_is_there_now(tmp_path: Path) -> None:
    file = written(tmp_path / "identities.toml", ENTRY)
    identities = identities_of(file)
    assert identities.current.count == 1

    written(file, ENTRY + ENTRY.replace("payments", "orders").replace("1000", "1001"))
    identities.reload()
    assert identities.current.count == 2


def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "identities.toml", ENTRY)
    identities = identities_of(file)

    written(file, "[[identity]")
    with pytest.raises(ConfigurationError):
        identities.reload()
    assert identities.current.count == 1


def test_an_empty_file_refuses_everybody_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path / "identities.toml", ENTRY)
    identities = identities_of(file)
    assert not caplog.records

    written(file, "")
    identities.reload()

    assert identities.current.count == 0
    assert [(record.levelname, "lists no identity" in record.getMessage()) for record in caplog.records] == [
        ("ERROR", True)
    ]


def test_without_a_file_nobody_is_known() -> None:
    assert identities_of(None).current.count == 0
