"""Offers the events that were captured, and fails a test that expected others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from telemetry.audit.local.event_memory import EventMemory
from telemetry.format.value.event import AuditEvent
from telemetry.testing.captured.event_table import explanation
from telemetry.testing.captured.expected_event import EventMembers, ExpectedEvent


class CapturedEvents:
    """Events in the order in which they were logged; it grows while the code under test runs.

    Members are given as to ``log()``. ``payload``, ``metadata`` and ``changes`` match an event that has at least what is
    given; everything else must be equal. None means that the event has no such member.

    Args:
        memory: Where the events are.
    """

    def __init__(self, memory: EventMemory) -> None:
        self._memory = memory

    def __iter__(self) -> Iterator[AuditEvent]:
        return iter(self._memory.events())

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, index: int) -> AuditEvent:
        return self._memory.events()[index]

    def __repr__(self) -> str:
        return f"<CapturedEvents: {len(self)}>"

    @property
    def dropped(self) -> int:
        """How many events are no longer here because the memory was full; 0 in a capture."""
        return self._memory.dropped

    def one(self, event_type: str | None = None, /, **members: Unpack[EventMembers]) -> AuditEvent:
        """Return the only event that is as expected.

        Args:
            event_type: Its type; None for any.
            **members: Its members.

        Raises:
            AssertionError: There is none, or more than one; the message lists what was captured.
            TypeError: An event has no member of a name that was given.
        """
        __tracebackhide__ = True
        expected, events = ExpectedEvent(event_type, members), self._memory.events()
        matching = [event for event in events if not expected.differences(event)]
        if len(matching) != 1:
            raise AssertionError(explanation("exactly one", expected, events))
        return matching[0]

    def all(self, event_type: str | None = None, /, **members: Unpack[EventMembers]) -> list[AuditEvent]:
        """Return every event that is as expected; arguments as :meth:`one`."""
        expected = ExpectedEvent(event_type, members)
        return [event for event in self if not expected.differences(event)]

    def none(self, event_type: str | None = None, /, **members: Unpack[EventMembers]) -> None:
        """Check that no event is like this; arguments as :meth:`one`.

        Raises:
            AssertionError: There is one; the message lists what was captured.
        """
        __tracebackhide__ = True
        expected, events = ExpectedEvent(event_type, members), self._memory.events()
        if any(not expected.differences(event) for event in events):
            raise AssertionError(explanation("no", expected, events))

    def clear(self) -> None:
        """Forget all events, such as those of the test's preparation."""
        self._memory.clear()
