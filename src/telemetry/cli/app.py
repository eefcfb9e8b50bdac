"""Lists the subcommands, and does what they have in common."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from telemetry.cli.lazy_command import Entry, lazy_group
from telemetry.version import __version__

# In the order of a first day: try it, write, read, verify, then operate.
COMMANDS = (
    Entry(
        "demo",
        "telemetry.cli.commands.operate.demo",
        "See the library at work: seal, send, fall back, recover, read back. Needs no server and leaves nothing behind.",
    ),
    Entry("log", "telemetry.cli.commands.write.log", "Log JSON lines from standard input as audit events."),
    Entry(
        "relay",
        "telemetry.cli.commands.write.relay",
        "Deliver the events that applications have written into the outbox of their database, and delete each afterwards.",
    ),
    Entry(
        "serve",
        "telemetry.cli.commands.write.serve",
        "Take events of services in any language over HTTP, and log each under the name of the service that sent it.",
    ),
    Entry(
        "serve-token",
        "telemetry.cli.commands.write.serve_token",
        "Create a token for a caller of `telemetry serve`, and print it once, with the entry for the identities file.",
    ),
    Entry(
        "tail",
        "telemetry.cli.commands.read.tail",
        "Read the trail, decrypt it, check every byte, and print it. The read is recorded in the trail first.",
    ),
    Entry(
        "export",
        "telemetry.cli.commands.read.export",
        "Decrypt the trail, check every byte, and write it as JSON lines, CSV or Parquet, as it is or in a published schema.",
    ),
    Entry(
        "search",
        "telemetry.cli.commands.read.search",
        "Find events in an archive by what is in the clear. They stay sealed, and no key is needed.",
    ),
    Entry(
        "explore",
        "telemetry.cli.commands.read.explore",
        "Show the trail in a browser: look, filter, verify, and file evidence. Who looks at what is recorded in the trail.",
    ),
    Entry(
        "forward",
        "telemetry.cli.commands.read.forward",
        "Decrypt the trail, check every byte, and pass each event on to another system, until a signal ends it.",
    ),
    Entry(
        "verify",
        "telemetry.cli.commands.prove.verify",
        "Verify that nothing is missing, changed or reordered. Needs public keys only.",
    ),
    Entry(
        "trust",
        "telemetry.cli.commands.prove.trust",
        "Write and explain the trust file: which key may sign for which services, as which role, and until when.",
    ),
    Entry(
        "acknowledge",
        "telemetry.cli.commands.prove.acknowledge",
        "Sign that findings were looked into; `verify --acknowledged FILE` then shows them, and they no longer count.",
    ),
    Entry(
        "witness",
        "telemetry.cli.commands.prove.witness",
        "Watch that every stream of the trail only grows, and publish signed rosters of them. Needs no right to decrypt.",
    ),
    Entry(
        "lineage",
        "telemetry.cli.commands.read.lineage",
        "Follow one event: call, sealing, batch, fallback and replay, place on the topic, checkpoint. All copies are listed.",
    ),
    Entry(
        "prove",
        "telemetry.cli.commands.prove.prove",
        "Write proofs that events are part of the signed trail. Needs public keys only; the events stay sealed in them.",
    ),
    Entry(
        "verify-proof",
        "telemetry.cli.commands.prove.verify_proof",
        "Check proof files offline: no Kafka, no key service, public keys only.",
    ),
    Entry(
        "evidence",
        "telemetry.cli.commands.prove.evidence",
        "Write an evidence pack: events, their proofs and the verification of the trail in one ZIP that is checked offline.",
    ),
    Entry(
        "verify-evidence",
        "telemetry.cli.commands.prove.verify_evidence",
        "Check an evidence pack offline: no Kafka, no store, no right to decrypt, public keys only.",
    ),
    Entry(
        "archive",
        "telemetry.cli.commands.keep.archive",
        "Move the trail into the archive, still sealed: an Iceberg table, with a signed seal for each commit.",
    ),
    Entry(
        "catalog",
        "telemetry.cli.commands.declare.catalog",
        "Export the event types that a service declares, compare two versions, and compare them with code and with a trail.",
    ),
    Entry(
        "config",
        "telemetry.cli.commands.operate.configuration",
        "Show the settings in force and where each comes from, check them, and list the variables.",
    ),
    Entry(
        "doctor",
        "telemetry.cli.commands.operate.doctor",
        "Check configuration, key, Kafka, fallback store, spool, disk and clock; nothing is written to the topic.",
    ),
    Entry(
        "fallback",
        "telemetry.cli.commands.operate.fallback",
        "Look at the fallback store, and bring it back to Kafka.",
    ),
    Entry(
        "spool",
        "telemetry.cli.commands.operate.spool",
        "Look at the spool folder, and take back what was quarantined there.",
    ),
    Entry(
        "subject",
        "telemetry.cli.commands.keep.subject",
        "Forget a subject: destroy its key, so that nobody can read what the trail has of it; or keep it from that.",
    ),
    Entry("topic", "telemetry.cli.commands.operate.topic", "Create the topic of a trail."),
    Entry(
        "keys",
        "telemetry.cli.commands.operate.keys",
        "Create and maintain key files: of the provider local_key, and for signing.",
    ),
)
"""Every subcommand, in the order of the help; a command's module is imported when the command is called."""

app = typer.Typer(
    name="telemetry",
    cls=lazy_group(COMMANDS),
    help="Encrypted audit logging: log, read, verify and operate an audit trail.",
    no_args_is_help=True,
    # The decorated traceback can show local variables, and with them payloads and passphrases.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the library's log lines too.")] = False,
) -> None:
    """Encrypted audit logging: log, read, verify and operate an audit trail."""
    if version:
        sys.stdout.write(f"telemetry {__version__}\n")
        raise typer.Exit
    # A program that runs the command inside its own process gets its logging back when the command ends.
    context.with_resource(_log_to_stderr(logging.INFO if verbose else logging.ERROR))


def run() -> int:
    """Run the command; return its exit code."""
    # In this mode typer prints usage errors itself and always ends with SystemExit.
    try:
        app(standalone_mode=True)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return 0


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from telemetry.cli.output.console import err, escape_control  # noqa: PLC0415 - rich, for the first line only

        # A log line can quote a name from the trail or from a server.
        text = escape_control(record.getMessage()).replace("[", r"\[")
        style = "red" if record.levelno >= logging.ERROR else "yellow"
        err.print(f"[{style}]{record.levelname.lower()}:[/] {text}")


@contextmanager
def _log_to_stderr(level: int) -> Iterator[None]:
    logger = logging.getLogger("telemetry")
    before = logger.level, logger.propagate
    lines = _Lines()
    logger.setLevel(level)
    logger.propagate = False  # a handler of the root logger would print every line a second time
    logger.addHandler(lines)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before[0])
        logger.propagate = before[1]
