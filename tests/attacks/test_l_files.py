"""L gives the files and folders that a command or a service believes another content, owner or target."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.exceptions import TelemetryError
from telemetry.sync import Telemetry
from telemetry.types import StorageConfig
from tests.attacks.forge import give_away
from tests.attacks.site import PASSPHRASE, Site


@pytest.fixture
def trail(site: Site) -> Site:
    """A finished trail."""
    site.log(["login"] * 3)
    return site


def test_report_is_not_written_through_a_link(trail: Site, tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "evidence.html"
    victim.write_text("precious")
    link.symlink_to(victim)

    trail.run("verify", "--public-key", trail.keys.public_key, "--report", str(link))

    assert victim.read_text() == "precious"
    assert link.is_symlink() or link.stat().st_mode & 0o777 == 0o600


def test_report_is_private(trail: Site, tmp_path: Path) -> None:
    report = tmp_path / "evidence.html"

    assert trail.run("verify", "--public-key", trail.keys.public_key, "--report", str(report)).code == 0

    assert report.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o666, 0o622, 0o602])
def test_configuration_that_others_may_write_is_refused(trail: Site, mode: int) -> None:
    trail.file.chmod(mode)

    ended = trail.run("tail")

    assert ended.code == 2
    assert str(trail.file) in ended.err


def test_configuration_of_another_user_is_refused(trail: Site) -> None:
    give_away(trail.file)
    if trail.file.stat().st_uid == trail.folder.stat().st_uid:
        pytest.skip("this user cannot give a file away")

    assert trail.run("tail").code == 2


@pytest.mark.parametrize("mode", [0o666, 0o622])
def test_loose_passphrase_file_is_refused(trail: Site, tmp_path: Path, mode: int) -> None:
    loose = tmp_path / "passphrase"
    loose.write_text(PASSPHRASE)
    loose.chmod(mode)

    ended = trail.run("tail", "--key-path", str(trail.keys.kek), "--passphrase-file", str(loose))

    assert ended.code == 2
    assert str(loose) in ended.err


def test_state_that_others_may_write_is_refused(trail: Site, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert trail.verify("--state", str(state)).code == 0
    state.chmod(0o666)

    ended = trail.run("verify", "--public-key", trail.keys.public_key, "--state", str(state))

    assert ended.code not in (0, 1)
    assert str(state) in ended.err


@pytest.mark.parametrize("mode", [0o666, 0o644])
def test_loose_private_key_of_tls_is_refused(trail: Site, tmp_path: Path, mode: int) -> None:
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.pem"
    for path in (key, certificate):
        path.write_text("-----BEGIN NOTHING-----\n")
    key.chmod(mode)

    ended = trail.run("tail", "--security-protocol", "SSL", "--cert", str(certificate), "--key", str(key))

    assert ended.code == 2
    assert f"{key}" in ended.err
    assert "mode" in ended.err or "others" in ended.err


@pytest.mark.parametrize("whose", ["ours", "another user's"])
def test_store_in_a_folder_that_others_may_write_is_refused(site: Site, tmp_path: Path, whose: str) -> None:
    base = tmp_path / "fallback"
    base.mkdir()
    base.chmod(0o777)
    if whose != "ours":
        give_away(base)
    storage = StorageConfig(provider="local_file", base_path=base)
    telemetry = Telemetry(site.config(fallback_enabled=True, storage_config=storage))

    try:
        with pytest.raises(TelemetryError, match="fallback"):
            telemetry.start()
    finally:
        telemetry.shutdown()

    assert list(base.iterdir()) == []
