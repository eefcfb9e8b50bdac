"""Breaks an import between a bad line and the lines before it."""

from __future__ import annotations

from pathlib import Path

from telemetry.ingest.bad_lines import BadLines
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.resume import Resume, load_state

GOOD, BAD, LATER = Frame(b'{"n":1}', line=1), Frame(b"bad", line=2), Frame(b"bad too", line=3)


class Durable:
    """A receipt whose event is safe."""

    event_id = "0198c0de-1111-7222-8333-444455556666"
    producer: str | None = None
    sequence: int | None = None
    is_durable = True
    delivery = None

    def wait_durable(self, timeout: float | None = None) -> None:
        """Return at once."""


def begin(folder: Path) -> tuple[Resume, BadLines]:
    state = load_state(folder / "state")
    bad = BadLines(folder / "bad", known_bytes=state.bad_bytes if state else None)
    return Resume(folder / "state", state, bad_lines=bad), bad


def test_bad_line_read_ahead_is_kept_once(tmp_path: Path) -> None:
    first, bad = begin(tmp_path)
    with bad:
        # Read, and written at once; the event of the line before is not durable when the process is killed.
        bad.write(BAD)
        first.finish()

    again, bad = begin(tmp_path)
    with bad:
        again.durable(GOOD, Durable())
        bad.write(BAD)
        again.refused(BAD)
        bad.write(LATER)
        again.finish()

    last, bad = begin(tmp_path)
    with bad:
        bad.write(LATER)
        last.refused(LATER)
        last.finish()

    assert (tmp_path / "bad").read_bytes() == b"bad\nbad too\n"
    state = load_state(tmp_path / "state")
    assert state is not None
    assert (state.lines, state.bad_bytes) == (3, 12)


def test_two_equal_bad_lines_are_both_kept(tmp_path: Path) -> None:
    first, bad = begin(tmp_path)
    with bad:
        bad.write(BAD)
        first.refused(BAD)
        bad.write(BAD)
        first.finish()

    again, bad = begin(tmp_path)
    with bad:
        bad.write(BAD)
        again.refused(BAD)
        again.finish()

    assert (tmp_path / "bad").read_bytes() == b"bad\nbad\n"
