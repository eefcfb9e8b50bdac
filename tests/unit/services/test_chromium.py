"""Chromium is unpacked from what apt says the machine lacks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.services import chromium, environment, fetch
from tests.services.required import ServiceUnavailableError

_APT = """\
#!/bin/sh
case "$*" in
  *download*) shift 2; for name in "$@"; do touch "$name.deb"; done ;;
  *install*) printf '%s\\n' 'Inst libneeded (1 Debian)' 'Inst chromium (1 Debian)' 'Conf chromium (1 Debian)' ;;
esac
"""
_DPKG = """\
#!/bin/sh
mkdir -p "$3/usr/lib/chromium" "$3/usr/lib/here"
touch "$3/usr/lib/chromium/chromium-of-tests" "$3/usr/lib/here/libneeded.so.1" "$3/$(basename "$2")"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is installed but the two programs that a test writes."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.defpath}")
    monkeypatch.setattr(fetch, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(chromium, "_INSTALLED", Path("/usr/lib/chromium/chromium-of-tests"))
    monkeypatch.setattr(environment, "ORIGINAL", dict(os.environ))
    return programs


def _install(programs: Path, name: str, text: str) -> None:
    (programs / name).write_text(text)
    (programs / name).chmod(0o755)


def test_machine_without_apt_is_told(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine))

    with pytest.raises(ServiceUnavailableError, match="apt-get is not installed"):
        chromium.chromium_program.__wrapped__()


def test_what_is_lacking_is_unpacked_once(machine: Path) -> None:
    _install(machine, "apt-get", _APT)
    _install(machine, "dpkg-deb", _DPKG)

    start = chromium.chromium_program.__wrapped__()
    unpacked = {file.stem for file in (start.parent / "unpacked").glob("*.deb")}
    launcher = start.read_text()
    _install(machine, "apt-get", "#!/bin/sh\nexit 1\n")

    assert unpacked == {"chromium", "libneeded", "fonts-dejavu-core", "fonts-liberation"}
    assert f"{start.parent}/unpacked/usr/lib/here" in launcher
    assert chromium.chromium_program.__wrapped__() == start


def test_apt_without_chromium_is_told(machine: Path) -> None:
    _install(machine, "apt-get", "#!/bin/sh\nexit 0\n")

    with pytest.raises(ServiceUnavailableError, match="knows no package chromium"):
        chromium.chromium_program.__wrapped__()
