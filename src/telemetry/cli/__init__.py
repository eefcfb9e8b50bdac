"""The ``telemetry`` command; it uses the public API only and needs the extra ``cli``."""

from __future__ import annotations

import sys

from telemetry.exceptions import MissingExtraError


def main() -> None:
    """Run the command."""
    try:
        from telemetry.cli.app import run  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as exc:
        if exc.name not in {"typer", "rich"}:
            raise
        error = MissingExtraError("the telemetry command", "cli")
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    sys.exit(run())
