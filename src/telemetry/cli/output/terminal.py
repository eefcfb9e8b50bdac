"""Shows bytes of data on a terminal that they cannot steer."""

from __future__ import annotations

import codecs
import io
from typing import Any, BinaryIO

from telemetry.cli.output.console import escape_json


class TerminalStream(io.RawIOBase):
    """Passes text from a writer of JSON lines or CSV to a terminal; line ends pass, other control characters become escapes.

    Args:
        target: The terminal.
    """

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        # A character may be divided between two writes.
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes of UTF-8 text."""
        text = self._decoder.decode(bytes(data)).replace("\r\n", "\n")
        self._target.write("\n".join(map(escape_json, text.split("\n"))).encode())
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Show what was written."""
        self._target.flush()
