"""The command inside the test's process: many times faster than a process of its own."""

from __future__ import annotations

from typing import NamedTuple

from typer.testing import CliRunner

from telemetry.cli.app import app


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: bytes
    err: str


def run(*arguments: str, stdin: bytes = b"") -> Ended:
    """Run the command with its arguments; an error that it does not handle fails the test."""
    found = CliRunner().invoke(app, arguments, input=stdin)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Ended(found.exit_code, found.stdout_bytes, found.stderr)
