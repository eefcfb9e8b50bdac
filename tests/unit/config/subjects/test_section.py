from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from telemetry.config import SubjectKeysConfig
from telemetry.exceptions import ConfigurationError

_URL = "postgresql://audit:canary-7@db.example.com/keys"


def test_store_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "store.url"
    file.write_text(f"{_URL}\n")
    file.chmod(0o600)

    config = SubjectKeysConfig(store_file=file)

    assert config.store is not None
    assert config.store.get_secret_value() == _URL


def test_password_is_in_no_repr() -> None:
    assert "canary-7" not in repr(SubjectKeysConfig(store=SecretStr(_URL)))


def test_absent_store_is_named() -> None:
    with pytest.raises(ConfigurationError, match="store: is missing"):
        SubjectKeysConfig()


@pytest.mark.parametrize("url", ["mysql://canary-7@db/keys", "canary-7", "sqlite://"])
def test_other_databases_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL of a supported database") as refused:
        SubjectKeysConfig(store=SecretStr(url))

    assert "canary-7" not in str(refused.value)


@pytest.mark.parametrize("field", ["lease_seconds", "cached_keys", "store_key_max_age_days"])
def test_zero_is_no_bound(field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        SubjectKeysConfig(store=SecretStr(_URL), **cast("dict[str, Any]", {field: 0}))
