"""Lets every person use the index in turn, so that one who asks much does not keep the others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from telemetry.explorer.access.session import Session

_P = ParamSpec("_P")
_R = TypeVar("_R")

_AT_ONCE = 8
"""Threads that look into the index for everyone together."""
_EACH = 2
"""Threads for one person, at however many browsers; further requests wait."""


class Turns:
    """Runs what takes long in threads: few at once, and fewer for one person."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(_AT_ONCE)
        # By how a person signed in, and as whom.
        self._of: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()

    async def run(self, session: Session, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call a function in a thread when it is this person's turn.

        Args:
            session: A session of the person.
            function: What to call.
            *args: Its arguments.
            **kwargs: Its arguments.
        """
        person = session.person
        own = self._of.setdefault((person.how, person.subject), asyncio.Semaphore(_EACH))
        # The person's own turn first: those who wait for it must not take the places of the others.
        async with own, self._all:
            return await asyncio.to_thread(function, *args, **kwargs)
