"""The configuration of the archive refuses what would show a secret, and what names two catalogs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.types import ArchiveConfig

CANARY = "canary-4711"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"catalog": {"token": CANARY}}, "catalog.token"),
        ({"catalog": {"s3.secret-access-key": CANARY}}, "catalog.s3.secret-access-key"),
        ({"catalog": {"uri": f"postgresql://archiver:{CANARY}@db/catalog"}}, "catalog.uri"),
        ({"catalog": {"type": "rest"}, "catalog_path": Path("catalog.db")}, "catalog_path"),
        ({"file_bytes": 201 << 20}, "file_bytes"),
        ({"commit_rows": 0}, "commit_rows"),
    ],
)
def test_unfit_value_is_named(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ArchiveConfig(**fields)

    assert [each.field for each in caught.value.problems] == [problem]
    assert CANARY not in str(caught.value)


def test_secrets_reach_the_catalog_alone(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{CANARY}\n")
    secret.chmod(0o600)

    config = ArchiveConfig(catalog={"type": "rest", "uri": "https://catalog"}, catalog_token_file=secret)

    assert config.catalog_properties() == {"type": "rest", "uri": "https://catalog", "token": CANARY}
    assert CANARY not in repr(config)
