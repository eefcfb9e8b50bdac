"""A hold is signed by a key that the archiver believes, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.archive.upkeep.holds.signing import open_hold_keeper
from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError
from tests.support.kept_archive import PASSPHRASE, KeptArchive


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path)
    kept.log(commits=1)
    return kept


def signed_with(archive: KeptArchive, name: str, *roles: str) -> TelemetryConfig:
    """Return a configuration with a key of its own, which the trust file names if it has a role."""
    path = archive.folder / f"{name}.key"
    key = SigningKey.create(path, PASSPHRASE, name=name)
    blocks = [f'[[key]]\npublic = "{archive.key.public_key}"\nroles = ["archiver"]\nsources = ["/*/*"]\n']
    if roles:
        names = ", ".join(f'"{role}"' for role in roles)
        blocks.append(f'[[key]]\npublic = "{key.public_key}"\nroles = [{names}]\nsources = ["/*/*"]\n')
    trust = archive.folder / "trust.toml"
    trust.write_text("\n".join(["version = 1\n", *blocks]))
    trust.chmod(0o600)
    config = archive.config
    assert config.archive_config is not None
    signing = {"key_path": path, "passphrase": SecretStr(PASSPHRASE)}
    return config.model_copy(
        update={
            "audit_config": config.audit_config.model_copy(update={"trust_file": trust}),
            "archive_config": type(config.archive_config).model_validate(
                {**dict(config.archive_config), "signing_config": signing}
            ),
        }
    )


@pytest.mark.parametrize("role", ["archiver", "auditor"])
def test_key_with_the_role_may_sign(archive: KeptArchive, role: str) -> None:
    with open_hold_keeper(signed_with(archive, "dora", role)) as keeper:
        assert keeper.archive == archive.state().seal.archive


@pytest.mark.parametrize("roles", [(), ("service",)])
def test_key_that_no_archiver_believes_signs_nothing(archive: KeptArchive, roles: tuple[str, ...]) -> None:
    with (
        pytest.raises(ConfigurationError, match="no archiver would believe"),
        open_hold_keeper(signed_with(archive, "stranger", *roles)),
    ):
        pass


def test_own_key_of_the_archiver_needs_no_trust_file(archive: KeptArchive) -> None:
    with open_hold_keeper(archive.config) as keeper:
        assert list(keeper.holds()) == []
