"""Runs Java with Kafka's own jars: programs of its distribution, and the few small ones of this project."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.services import environment, fetch
from tests.services.kafka import kafka_java

_SECONDS = 300.0


def run_class(name: str, arguments: Sequence[str]) -> str:
    """Run a class of Kafka's distribution; return what it printed."""
    return _run([name, *arguments], stdin="")


def run_source(name: str, arguments: Sequence[str], *, stdin: str = "") -> str:
    """Compile and run a program in services/kafka/java; return what it printed."""
    return _run([str(fetch.DEFINITIONS / "kafka" / "java" / name), *arguments], stdin=stdin)


def _run(program: Sequence[str], *, stdin: str) -> str:
    command = [*kafka_java(), *program]
    done = subprocess.run(
        command,
        env=environment.for_service(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
