"""The subcommands, and what they have in common."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from telemetry.cli.commands.operate import demo, doctor, fallback, keys, topic
from telemetry.cli.commands.prove import prove, verify
from telemetry.cli.commands.read import export, lineage, tail
from telemetry.cli.commands.write import log
from telemetry.cli.output.console import err, neutral
from telemetry.version import __version__

app = typer.Typer(
    name="telemetry",
    help="Encrypted audit logging: log, read, verify and operate an audit trail.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)
app.command("demo")(demo.demo)
app.command("log")(log.log)
app.command("tail")(tail.tail)
app.command("export")(export.export)
app.command("verify")(verify.verify)
app.command("lineage")(lineage.lineage)
app.command("prove")(prove.prove)
app.command("verify-proof")(prove.verify_proof_file)
app.command("doctor")(doctor.doctor)
app.add_typer(fallback.app, name="fallback")
app.add_typer(topic.app, name="topic")
app.add_typer(keys.app, name="keys")


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the library's log lines too.")] = False,
) -> None:
    """Encrypted audit logging: log, read, verify and operate an audit trail."""
    if version:
        sys.stdout.write(f"telemetry {__version__}\n")
        raise typer.Exit
    # Whoever runs the command inside a process of their own has their logging back when it ends.
    context.with_resource(_log_to_stderr(logging.INFO if verbose else logging.ERROR))


def run() -> int:
    """Run the command; return its exit code."""
    try:
        app(standalone_mode=True)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return 0


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        text = neutral(record.getMessage()).replace("[", r"\[")
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        err.print(f"[{style}]{record.levelname.lower()}:[/] {text}")


@contextmanager
def _log_to_stderr(level: int) -> Iterator[None]:
    logger = logging.getLogger("telemetry")
    before = logger.level, logger.propagate
    lines = _Lines()
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(lines)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before[0])
        logger.propagate = before[1]
