"""Fetches Debian's Chromium, the fonts of the screenshots, and the rules of axe, and starts the browser for a test.

The packages are unpacked into ``.services`` and not installed: that needs no rights and changes nothing on the machine.
apt says which libraries the machine lacks, and those are unpacked beside the browser.
"""

from __future__ import annotations

import functools
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from playwright.sync_api import Browser, sync_playwright

from tests.services import fetch
from tests.services.required import ServiceUnavailableError

_INSTALLED = Path("/usr/lib/chromium/chromium")
_BROWSER = "chromium"
_FONTS = ("fonts-dejavu-core", "fonts-liberation")
_LAUNCHER_VERSION = "1"
_ARGUMENTS = (
    "--no-sandbox",  # the tests run as root in containers; the pages are the explorer's own
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
    # No name but this machine's has an address: not even a hostile page reaches anything else.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

_FONT_SETTINGS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>system-ui</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family><family>DejaVu Sans</family></prefer></alias>
  <alias><family>serif</family><prefer><family>Liberation Serif</family><family>DejaVu Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


@functools.cache
def chromium_program() -> Path:
    """Return a program that starts Chromium with the fonts of the screenshots, whatever the machine has.

    The installed Chromium of Debian is used if there is one.

    Raises:
        ServiceUnavailableError: This is no Debian, or the packages could not be fetched.
    """
    target = fetch.CACHE / "chromium"
    with fetch.locked("chromium"):
        if not _is_current(target):
            _fetch(target)
    return target / "start"


def axe_rules() -> Path:
    """Return the script of axe-core, fetched by npm.

    Raises:
        ServiceUnavailableError: npm is missing, or the fetch failed.
    """
    return fetch.npm_modules("axe") / "axe-core" / "axe.min.js"


@contextmanager
def started_chromium() -> Iterator[Browser]:
    """Start Chromium without a window, and end it with everything that it started.

    Raises:
        ServiceUnavailableError: It is not to be had, or does not start.
    """
    program = chromium_program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS), timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()


def _is_current(target: Path) -> bool:
    stamp = target / "version"
    return (
        stamp.is_file()
        and stamp.read_text() == f"{_LAUNCHER_VERSION} {_program(target)}"
        and _program(target).is_file()
    )


def _program(target: Path) -> Path:
    return _INSTALLED if _INSTALLED.is_file() else target / "unpacked" / _INSTALLED.relative_to("/")


def _fetch(target: Path) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _download(partial)
    for package in sorted(partial.glob("*.deb")):
        fetch.run([fetch.program("dpkg-deb"), "--extract", str(package), "unpacked"], folder=partial)
        package.unlink()
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    _write_launcher(target)
    (target / "version").write_text(f"{_LAUNCHER_VERSION} {_program(target)}")


def _download(folder: Path) -> None:
    apt = fetch.program("apt-get")
    try:
        fetch.run([apt, "--quiet", "download", *_packages()], folder=folder)
    except ServiceUnavailableError:
        # The lists of packages are missing or older than the server's.
        fetch.run([apt, "--quiet", "update"], folder=folder)
        fetch.run([apt, "--quiet", "download", *_packages()], folder=folder)


def _packages() -> list[str]:
    """Return the fonts, and the browser with what it needs and the machine lacks, unless it is installed."""
    if _INSTALLED.is_file():
        return list(_FONTS)
    simulated = ["--simulate", "--no-install-recommends", "install", _BROWSER]
    lines = fetch.output([fetch.program("apt-get"), *simulated]).splitlines()
    missing = [line.split()[1] for line in lines if line.startswith("Inst ")]
    if _BROWSER not in missing:
        message = "apt-get knows no package chromium: the tests of the explorer need Debian's"
        raise ServiceUnavailableError(message)
    return [*missing, *_FONTS]


def _write_launcher(target: Path) -> None:
    unpacked = target / "unpacked"
    settings = target / "fonts.conf"
    cache = target / "font-cache"
    settings.write_text(
        _FONT_SETTINGS.format(fonts=escape(str(unpacked / "usr" / "share" / "fonts")), cache=escape(str(cache)))
    )
    libraries = sorted({str(file.parent) for file in unpacked.rglob("*.so*") if file.parent != _program(target).parent})
    lines = [
        "#!/bin/sh",
        f"export FONTCONFIG_FILE={shlex.quote(str(settings))}",
        f"export LD_LIBRARY_PATH={shlex.quote(':'.join(libraries))}",
        f'exec {shlex.quote(str(_program(target)))} "$@"',
    ]
    launcher = target / "start"
    launcher.write_text("\n".join(lines) + "\n")
    launcher.chmod(0o755)
