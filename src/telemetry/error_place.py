"""Says where an error was raised, for a log that must not have what the error's own text may quote."""

from __future__ import annotations

from pathlib import Path


def place_of(error: BaseException) -> str:
    """Return the file and the line in which an error was raised, such as ``front.py:54``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "an unknown place" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
