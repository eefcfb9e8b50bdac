"""Bundles the options that say how ``telemetry forward`` runs, and in which form it sends events."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.cli.options.form import Form, event_schema
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.mappings import Schema

_FORM = "How events are written"
_PANEL = "How it runs"

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "form": (
        Annotated[
            Form | None, typer.Option("--schema", help="Schema of each event; default: event.", rich_help_panel=_FORM)
        ],
        None,
    ),
    "ocsf_rules": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--ocsf-rules",
                metavar="FILE|PRESET",
                help="Rules that say what each type is, as of `telemetry export`. Repeatable.",
                rich_help_panel=_FORM,
            ),
        ],
        None,
    ),
    "catalog": (
        Annotated[
            str | None,
            typer.Option(
                "--catalog",
                metavar="CATALOG",
                help="The classes that a catalogue names, as of `telemetry export`.",
                rich_help_panel=_FORM,
            ),
        ],
        None,
    ),
    "sealed": (
        Annotated[
            bool,
            typer.Option(
                "--sealed",
                help="Pass every record on unopened, checkpoints too; needs no key.",
                rich_help_panel=_FORM,
            ),
        ],
        False,
    ),
    "once": (
        Annotated[
            bool,
            typer.Option("--once", help="Forward what is on the topic now, and end.", rich_help_panel=_PANEL),
        ],
        False,
    ),
    "proof_wait": (
        Annotated[
            float,
            typer.Option(
                "--proof-wait",
                min=0,
                help="With trusted keys: seconds that an event waits for the checkpoint that proves it.",
                rich_help_panel=_PANEL,
            ),
        ],
        30.0,
    ),
    "takeover": (
        Annotated[
            float,
            typer.Option(
                "--takeover",
                min=6,
                max=300,
                help="Seconds after which another forwarder of the group takes over from one that is silent.",
                rich_help_panel=_PANEL,
            ),
        ],
        10.0,
    ),
    "timeout": (
        Annotated[
            float,
            typer.Option(
                "--timeout",
                min=0,
                help="Seconds in which what is in hand is still tried at the end.",
                rich_help_panel=_PANEL,
            ),
        ],
        30.0,
    ),
    "status": (
        Annotated[
            float,
            typer.Option(
                "--status",
                min=0.1,
                help="Seconds between two lines that show what it does.",
                rich_help_panel=_PANEL,
            ),
        ],
        10.0,
    ),
    "json": (
        Annotated[
            bool,
            typer.Option("--json", help="Print these lines as JSON, to standard output.", rich_help_panel=_PANEL),
        ],
        False,
    ),
}


class RunOptions:
    """How a forwarder runs, and in which form it sends events.

    Args:
        values: Values of the options, by name.

    Attributes:
        schema: Schema of each event; None leaves records sealed.
        once: Whether to end at the end of the topic.
        proof_wait: Seconds that an event waits for its checkpoint, where the topic is followed.
        takeover: Seconds after which another forwarder takes over.
        timeout: Seconds in which what is in hand is still tried at the end.
        status: Seconds between two lines that show what it does.
        json: Whether those are JSON.

    Raises:
        ConfigurationError: The options contradict each other, or rules cannot be used.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.schema = _schema(values)
        self.once: bool = values["once"]
        self.proof_wait: float = values["proof_wait"]
        self.takeover: float = values["takeover"]
        self.timeout: float = values["timeout"]
        self.status: float = values["status"]
        self.json: bool = values["json"]

    @property
    def is_sealed(self) -> bool:
        """Whether records are passed on unopened."""
        return self.schema is None


class RunBundle:
    """The options as a bundle: a command gets ``RunOptions``."""

    parameter = "run"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> RunOptions:
        """Return the options' values, checked."""
        return RunOptions(values)


def with_run(command: Command) -> Command:
    """Give a command the options; it receives them as ``run``."""
    return with_bundle(command, RunBundle())


def _schema(values: Mapping[str, Any]) -> Schema | None:
    form, rules, catalog = values["form"], values["ocsf_rules"] or [], values["catalog"]
    if not values["sealed"]:
        return event_schema(form or Form.EVENT, rules, catalog)
    if form is not None or rules or catalog is not None:
        remedy = "leave out --schema, --ocsf-rules and --catalog"
        raise ConfigurationError(Problem("--sealed", "opens no event", remedy))
    return None
