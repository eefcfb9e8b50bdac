"""Reports the counts of a program that runs beside the pipeline, such as a forwarder or an archiver, to OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.version import __version__

Counts = TypeVar("Counts")
_Counts_co = TypeVar("_Counts_co", covariant=True)

Reading = Callable[[Counts], float | None]
"""Reads one number from the counts; None where there is none now."""
Instrument = tuple[str, str, Reading[Counts]]
"""Unit, description, and what reads the number."""


class Tally(Protocol[_Counts_co]):
    """Counts that can be read from any thread."""

    def snapshot(self) -> _Counts_co:
        """Return the counts of this moment."""


class TallyInstruments(Generic[Counts]):
    """The instruments of one program, created through the OpenTelemetry API; every series begins with 0.

    Args:
        tally: Its counts.
        gauges: Its gauges by name.
        counters: Its counters by name.
        attributes: Attributes of every series.
    """

    def __init__(
        self,
        tally: Tally[Counts],
        *,
        gauges: Mapping[str, Instrument[Counts]],
        counters: Mapping[str, Instrument[Counts]],
        attributes: Mapping[str, str],
    ) -> None:
        self._tally: Tally[Counts] | None = tally
        self._gauges = gauges
        self._counters = counters
        self._attributes = dict(attributes)

    def begin(self) -> None:
        """Have the SDK read the counts until :meth:`end`."""
        meter = metrics.get_meter("telemetry", __version__)
        for name, (unit, description, reading) in self._gauges.items():
            meter.create_observable_gauge(name, callbacks=[self._reader(reading)], unit=unit, description=description)
        for name, (unit, description, reading) in self._counters.items():
            meter.create_observable_counter(name, callbacks=[self._reader(reading)], unit=unit, description=description)

    def end(self) -> None:
        """Have the SDK no longer read the counts."""
        self._tally = None

    def _reader(self, reading: Reading[Counts]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_options: CallbackOptions) -> Iterable[Observation]:
            tally = self._tally
            value = None if tally is None else reading(tally.snapshot())
            return [] if value is None else [Observation(value, self._attributes)]

        return read
