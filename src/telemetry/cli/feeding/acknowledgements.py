"""Prints an acknowledgement for each event that is durable."""

from __future__ import annotations

import sys

import msgspec

from telemetry.exceptions import TelemetryError
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.in_flight import LineObserver, LoggedEvent


class Acknowledgements(LineObserver):
    """Writes one JSON line for each durable event to standard output, in the order of the input.

    Attributes:
        count: Events that were acknowledged.
    """

    def __init__(self) -> None:
        self.count = 0
        self._lines: list[bytes] = []

    def durable(self, frame: Frame, receipt: LoggedEvent) -> None:
        """Acknowledge an event, with the next :meth:`flush`."""
        acknowledged = frame.coordinates | {
            "event_id": receipt.event_id,
            "producer": receipt.producer,
            "sequence": receipt.sequence,
            "level": _level(receipt),
        }
        self._lines.append(msgspec.json.encode(acknowledged))

    def flush(self) -> None:
        """Write what was acknowledged since.

        Raises:
            TelemetryError: Nobody reads standard output any more.
        """
        if not self._lines:
            return
        text = b"\n".join([*self._lines, b""]).decode()
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError as exc:
            # Without a stream, Python does not flush into the pipe at exit.
            sys.stdout = None
            message = (
                f"standard output was closed after {self.count} acknowledgements, so reading stopped; "
                "further lines may be logged already"
            )
            raise TelemetryError(message) from exc
        except OSError as exc:
            message = f"standard output cannot be written, so reading stopped: {exc.strerror}"
            raise TelemetryError(message) from exc
        self.count += len(self._lines)
        self._lines.clear()


def _level(receipt: LoggedEvent) -> str:
    delivery = receipt.delivery
    if delivery is None:
        return "durable"
    return "delivered" if delivery.fallback_object is None else "stored"
