from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.cli.options.trust import require_trust, trust_policy
from telemetry.exceptions import ConfigurationError
from tests.support.written_trail import Signer

FIRST, SECOND = Signer(1, "first").public_key, Signer(2, "second").public_key


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    file = tmp_path / "trust.toml"
    file.write_text(
        f'version = 1\n[[key]]\npublic = "{FIRST}"\nroles = ["service"]\nsources = ["/production/payments"]\n'
    )
    file.chmod(0o600)
    return file


def test_keys_and_files_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "audit.pub"
    file.write_text(f"{SECOND}\n\n")

    policy = require_trust([FIRST, str(file)], None)

    assert [key.name for key in policy.candidates()] == ["first", "second"]
    assert policy.binds_first_source


def test_no_key_is_an_error() -> None:
    assert trust_policy(None, None) is None
    with pytest.raises(ConfigurationError, match="--public-key: is missing"):
        require_trust([], None)


@pytest.mark.parametrize("content", [b"not a key\n", b"\xff\n"])
def test_file_without_a_key_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "audit.pub"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="is not a public key"):
        require_trust([FIRST, str(file)], None)


def test_trust_file_of_the_option_or_the_configuration(trust_file: Path, tmp_path: Path) -> None:
    for policy in (
        require_trust(None, trust_file),
        require_trust(None, None, configured=trust_file),
        require_trust(None, trust_file, configured=tmp_path / "absent"),
    ):
        assert [key.sources for key in policy.keys] == [("/production/payments",)]


def test_key_replaces_the_configured_file(trust_file: Path) -> None:
    assert require_trust([SECOND], None, configured=trust_file).binds_first_source


def test_key_and_trust_file_contradict_each_other(trust_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="contradicts --public-key"):
        trust_policy([FIRST], trust_file)


def test_file_of_keys_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "audit.pub"
    file.write_text(f"{SECOND}\n")
    file.chmod(0o666)

    with pytest.raises(ConfigurationError, match="may be written by others") as caught:
        require_trust([str(file)], None)

    assert caught.value.problems[0].remedy == f"chmod go-w {file}"
