"""Declares ``--metrics-listen`` of the commands that run until a signal, and serves their metrics meanwhile."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from telemetry.cli.output.console import err, escape_markup
from telemetry.exceptions import MissingExtraError

_NAME = "--metrics-listen"
_PACKAGES = ("starlette", "uvicorn", "opentelemetry.exporter.prometheus")
"""What it needs of the extra."""

MetricsAddress = Annotated[
    str | None,
    typer.Option(
        _NAME,
        metavar="ADDRESS",
        help="http://127.0.0.1:PORT or unix:/PATH that answers /metrics and /healthz; default: none.",
    ),
]


@contextmanager
def serving_metrics(address: str | None, *, service: str) -> Iterator[None]:
    """Serve the metrics of this process while the block runs; enter it before anything measures.

    Args:
        address: Where to listen; None serves nothing.
        service: Name of the service, for ``target_info``.

    Raises:
        ConfigurationError: Nobody can listen there, or the metrics go elsewhere already.
        MissingExtraError: The packages that serve them are not installed.
    """
    if address is None:
        yield
        return
    try:
        for name in _PACKAGES:
            importlib.import_module(name)
    except ImportError as exc:
        raise MissingExtraError(_NAME, "serve") from exc
    from telemetry.cli.feeding.metrics_server import MetricsServer  # noqa: PLC0415 - it needs the extra

    with MetricsServer(address, service=service) as server:
        err.print(f"metrics on {escape_markup(str(server.address))}")
        yield
