"""Bundles the options that say where ``telemetry forward`` sends events, and in which batches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from telemetry.cli.options.bundle import Command, with_bundle
from telemetry.forward.lanes import BatchLimits
from telemetry.forward.targets.opening import Kind, TargetSettings
from telemetry.forward.targets.post import TlsFiles

_PANEL = "Where events are sent"
_BATCHES = "How they are batched"
_STORE_SECONDS, _SECONDS = 60.0, 1.0
_STORE_EVENTS, _EVENTS = 10_000, 500
_STORE_KB, _KB = 8_192, 1_024


def _target(*names: str, help_: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_, rich_help_panel=_PANEL, **more)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "kind": (Annotated[Kind, _target("--to", help_="Kind of the target.")], ...),
    "url": (
        Annotated[
            str,
            _target(
                "--url",
                help_="URL of the collector or receiver; of a store: s3://BUCKET/PREFIX, gs://, az:// or file:///FOLDER.",
            ),
        ],
        ...,
    ),
    "token": (
        Annotated[
            Path | None, _target("--token-file", help_="File whose first line is the token that the target wants.")
        ],
        None,
    ),
    "header": (
        Annotated[Path | None, _target("--header-file", help_="File whose first line is a header: Name: value.")],
        None,
    ),
    "target_ca": (
        Annotated[
            Path | None, _target("--target-ca", help_="PEM file with the authorities of the target's certificate.")
        ],
        None,
    ),
    "target_cert": (
        Annotated[Path | None, _target("--target-cert", help_="PEM file with a certificate to show to the target.")],
        None,
    ),
    "target_key": (
        Annotated[Path | None, _target("--target-key", help_="PEM file with its private key, without a passphrase.")],
        None,
    ),
    "request_seconds": (
        Annotated[float, _target("--request-seconds", help_="Limit of one request.", min=0.1, max=600)],
        30.0,
    ),
    "lines": (
        Annotated[bool, _target("--lines", help_="http: post JSON lines instead of a JSON array.")],
        False,
    ),
    "index": (
        Annotated[str | None, _target("--index", help_="splunk-hec: index of the events; default: that of the token.")],
        None,
    ),
    "source_type": (
        Annotated[str, _target("--source-type", help_="splunk-hec: source type of the events.")],
        "telemetry:audit",
    ),
    "acknowledged": (
        Annotated[
            bool,
            _target(
                "--hec-ack/--no-hec-ack",
                help_="splunk-hec: wait until the indexers have acknowledged each batch; the token must have that enabled.",
            ),
        ],
        True,
    ),
    "ack_seconds": (
        Annotated[
            float,
            _target("--ack-seconds", help_="splunk-hec: how long to wait before a batch is sent again.", min=0.1),
        ],
        120.0,
    ),
    "batch": (
        Annotated[
            int | None,
            typer.Option(
                "--batch",
                help=f"Events of a batch at most; default: {_EVENTS}, of a store {_STORE_EVENTS}.",
                min=1,
                max=100_000,
                rich_help_panel=_BATCHES,
            ),
        ],
        None,
    ),
    "batch_kb": (
        Annotated[
            int | None,
            typer.Option(
                "--batch-kb",
                help=f"KiB of a batch at most, before compression; default: {_KB}, of a store {_STORE_KB}.",
                min=1,
                max=65_536,
                rich_help_panel=_BATCHES,
            ),
        ],
        None,
    ),
    "batch_seconds": (
        Annotated[
            float | None,
            typer.Option(
                "--batch-seconds",
                help=f"How long a batch waits for more events; default: {_SECONDS:g}, of a store {_STORE_SECONDS:g}.",
                min=0.0,
                max=3_600,
                rich_help_panel=_BATCHES,
            ),
        ],
        None,
    ),
}


class TargetOptions:
    """Where events are sent, and in which batches.

    Args:
        values: Values of the options, by name.

    Attributes:
        settings: The target.
        limits: Its batches.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.settings = TargetSettings(
            kind=values["kind"],
            url=values["url"],
            token=values["token"],
            header=values["header"],
            tls=TlsFiles(authorities=values["target_ca"], certificate=values["target_cert"], key=values["target_key"]),
            seconds=values["request_seconds"],
            lines=values["lines"],
            index=values["index"],
            source_type=values["source_type"],
            acknowledged=values["acknowledged"],
            ack_seconds=values["ack_seconds"],
        )
        is_store = self.settings.kind in (Kind.S3, Kind.STORE)
        seconds = values["batch_seconds"]
        self.limits = BatchLimits(
            events=values["batch"] or (_STORE_EVENTS if is_store else _EVENTS),
            size=(values["batch_kb"] or (_STORE_KB if is_store else _KB)) << 10,
            seconds=seconds if seconds is not None else (_STORE_SECONDS if is_store else _SECONDS),
        )


class TargetBundle:
    """The options as a bundle: a command gets ``TargetOptions``."""

    parameter = "target"
    options: Mapping[str, tuple[Any, Any]] = MappingProxyType(_OPTIONS)

    def build(self, values: Mapping[str, Any]) -> TargetOptions:
        """Return the options' values."""
        return TargetOptions(values)


def with_target(command: Command) -> Command:
    """Give a command the options; it receives them as ``target``."""
    return with_bundle(command, TargetBundle())
