from __future__ import annotations

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.waiting_line import Patience, WaitingLine
from telemetry.audit.receipt import WAITING, Receipt


class Line:
    def __init__(self, *, max_events: int = 2, max_bytes: int = 10_000) -> None:
        self.now = 0.0
        self.line = WaitingLine(
            max_events=max_events, max_bytes=max_bytes, patience=Patience(room=5, key=9), clock=lambda: self.now
        )

    def add(self, size: int = 100) -> EventDraft:
        draft = EventDraft(f"e-{len(self.line)}", b"k", b"x" * size, b"", b"")
        self.line.append(draft, Receipt(draft.id, _level=WAITING))
        return draft


def test_first_in_is_first_out() -> None:
    bench = Line()
    drafts = [bench.add(), bench.add()]

    assert len(bench.line) == 2
    assert [bench.line.take_first().draft, bench.line.take_first().draft] == drafts
    assert bench.line.expires_in is None


def test_room_is_counted_in_events_and_bytes() -> None:
    bench = Line(max_bytes=2_000)
    small, large = EventDraft("a", b"", b"x", b"", b""), EventDraft("b", b"", b"x" * 5_000, b"", b"")
    assert bench.line.has_room(large), "one that is larger than all of it may wait alone"

    bench.add(900)
    assert bench.line.has_room(small)
    assert not bench.line.has_room(large)
    bench.add()
    assert not bench.line.has_room(small)

    assert len(bench.line.take_all()) == 2
    bench.add(900)
    assert bench.line.has_room(small)


def test_patience_follows_what_the_first_lacks() -> None:
    bench = Line()
    bench.add()
    bench.now = 4
    bench.add()
    assert bench.line.expires_in == 1

    bench.line.lacks_key = True
    assert bench.line.expires_in == 5
    bench.now = 20
    assert bench.line.expires_in == 0
