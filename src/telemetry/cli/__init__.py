"""Runs the ``telemetry`` command; needs the extra ``cli``."""

from __future__ import annotations

import sys

_USAGE = 2
"""Exit code for a command line that cannot be used."""


def main() -> None:
    """Run the command and exit with its code."""
    if not all(_is_text(word) for word in sys.argv[1:]):
        # Python keeps such bytes as half characters, which no output and no server accepts.
        sys.stderr.write(
            "error: the command line has bytes that are not UTF-8; rename the file, or check the terminal's encoding\n"
        )
        sys.exit(_USAGE)
    if sys.argv[1:] == ["--version"]:
        # Scripts ask for it often: answered before typer and rich are loaded, which would take most of the time.
        from telemetry.version import __version__  # noqa: PLC0415

        sys.stdout.write(f"telemetry {__version__}\n")
        return
    try:
        from telemetry.cli.app import run  # noqa: PLC0415 - the extra may be missing

        code = run()
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        from telemetry.exceptions import MissingExtraError  # noqa: PLC0415 - not needed otherwise

        error = MissingExtraError("the telemetry command", "cli")
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    sys.exit(code)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
