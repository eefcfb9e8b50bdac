"""Starts what logs around a program that has no framework to do it: a ``with`` block or a decorator of its main function."""

from __future__ import annotations

from contextlib import ContextDecorator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from telemetry.integrations.recorder import Recorder

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig


class running_telemetry(ContextDecorator):  # noqa: N801 - a function to its user, as contextlib.suppress is
    """Starts a ``Telemetry`` unless one is started in this process, and shuts down what it has started.

    Its events are on their way when the block or the function ends.

    >>> @running_telemetry()
    ... def main() -> None: ...

    Args:
        config: Configuration: an object, a TOML file, or None for ``TELEMETRY_*`` variables.
    """

    def __init__(self, config: TelemetryConfig | str | Path | None = None) -> None:
        self._recorder = Recorder("running", config=config, use_started=True)

    def __enter__(self) -> Telemetry:
        self._recorder.start()
        return self._recorder.telemetry

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorder.shutdown()
