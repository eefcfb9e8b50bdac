"""Fetches the servers of the tests by their package managers into ``.services``."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from tests.services import environment
from tests.services.required import ServiceUnavailableError

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "services"
CACHE = ROOT / ".services"
_OLDEST_JAVA = 17
_FETCH_SECONDS = 900.0
_ASK_SECONDS = 60.0


@functools.cache
def kafka_libs() -> Path:
    """Return the folder with the jars of Apache Kafka, fetched by Maven if need be, each of the committed digest.

    Raises:
        ServiceUnavailableError: Java 17 or later or Maven is missing, the fetch failed, or a jar has another digest.
    """
    require_java()
    return _jars("kafka", CACHE / "kafka-libs")


def azurite_program() -> Path:
    """Return Azurite's program for blobs, fetched by npm if need be, as locked by name, version and digest.

    Raises:
        ServiceUnavailableError: Node or npm is missing, or the fetch failed.
    """
    program("node")
    return npm_modules("azurite") / "azurite" / "dist" / "src" / "blob" / "main.js"


def npm_modules(name: str) -> Path:
    """Return the folder of the modules that ``services/NAME/package-lock.json`` locks, fetched by npm if need be.

    Raises:
        ServiceUnavailableError: npm is missing, or the fetch failed.
    """
    target = CACHE / name
    definition = DEFINITIONS / name
    lock, installed_lock = definition / "package-lock.json", target / "fetched-package-lock.json"
    with locked(name):
        if not installed_lock.is_file() or installed_lock.read_bytes() != lock.read_bytes():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for file in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copyfile(definition / file, target / file)
            run(
                [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder=target
            )
            shutil.copyfile(lock, installed_lock)
    return target / "node_modules"


@functools.cache
def require_java() -> str:
    """Return the path of a Java runtime that Kafka 4 accepts."""
    java = program("java")
    output = subprocess.run(
        [java, "-version"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
    ).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version.group(1)) < _OLDEST_JAVA:
        message = f"Apache Kafka needs Java {_OLDEST_JAVA} or later; {java} says: {output.splitlines()[:1]}"
        raise ServiceUnavailableError(message)
    return java


def program(name: str) -> str:
    """Return the path of an installed program.

    Raises:
        ServiceUnavailableError: It is not installed.
    """
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed; the tests with real services need Java 17+, Maven, Node and Go"
        raise ServiceUnavailableError(message)
    return path


def spark_jars() -> Path:
    """Return the folder with what Spark needs for Kafka and Iceberg, fetched by Maven if need be, each of the committed digest.

    Raises:
        ServiceUnavailableError: Java 17 or later or Maven is missing, the fetch failed, or a jar has another digest.
    """
    require_java()
    return _jars("spark", CACHE / "spark-jars")


def _jars(name: str, target: Path) -> Path:
    """Return the folder of the jars that ``services/NAME/pom.xml`` names."""
    with locked(name):
        if _wrong_jars(name, target):
            _fetch_jars(name, target)
    return target


def _fetch_jars(name: str, target: Path) -> None:
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
    run([program("mvn"), "-q", "-B", "-f", "pom.xml", *goal], folder=DEFINITIONS / name)
    wrong = _wrong_jars(name, partial)
    if wrong:
        message = f"the fetched jars differ from services/{name}/SHA256SUMS: {', '.join(sorted(wrong))}"
        raise ServiceUnavailableError(message)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _wrong_jars(name: str, folder: Path) -> set[str]:
    """Return the names of jars that are missing, unexpected, or not of the committed digest."""
    lines = (DEFINITIONS / name / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    present = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*")}
    return {name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name)}


def run(command: list[str], *, folder: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a package manager in a folder, with further variables.

    Raises:
        ServiceUnavailableError: It failed, or did not end in time.
    """
    _run(command, folder=folder, variables=variables)


def output(command: list[str]) -> str:
    """Return what a package manager answers to a question.

    Raises:
        ServiceUnavailableError: It failed, or did not end in time.
    """
    return _run(command, folder=ROOT, variables={"LC_ALL": "C"})


def _run(command: list[str], *, folder: Path, variables: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment.ORIGINAL, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        message = f"{command[0]} did not end within {_FETCH_SECONDS:g} s in {folder}"
        raise ServiceUnavailableError(message) from exc
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-2_000:]
        message = f"{command[0]} failed in {folder}:\n{said}"
        raise ServiceUnavailableError(message)
    return done.stdout


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process fetch or prepare while the others wait; the kernel frees the lock of a process that died."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
