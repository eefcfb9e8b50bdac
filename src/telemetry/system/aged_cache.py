"""Keeps values in memory, bounded by bytes; what gives way is one of the older half, chosen at random."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

_SPARE_NAMES = 64


class Weighed(Protocol):
    """A value that knows how much memory it costs."""

    @property
    def weight(self) -> int:
        """Bytes."""


Name = TypeVar("Name")
Value = TypeVar("Value", bound=Weighed)


class AgedCache(Generic[Name, Value]):
    """Values by their names, the one used last the youngest; not safe for several threads.

    Where more values are in use in turn than have room, a cache that drops the oldest one drops each just before it is
    needed, and helps with none. Chance keeps a part of them.

    Args:
        max_bytes: Room for all values together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._young: OrderedDict[Name, Value] = OrderedDict()
        self._old: dict[Name, Value] = {}
        self._young_bytes = 0
        self._old_bytes = 0
        # The names in `_old`, to draw from; names that have left it are removed when they are drawn, or are too many.
        self._drawn_from: list[Name] = []

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __iter__(self) -> Iterator[tuple[Name, Value]]:
        yield from self._old.items()
        yield from self._young.items()

    @property
    def weight(self) -> int:
        """Bytes of all values."""
        return self._young_bytes + self._old_bytes

    def get(self, name: Name) -> Value | None:
        """Return a value, which is the youngest from now on; None if it is not kept."""
        value = self._young.get(name)
        if value is not None:
            self._young.move_to_end(name)
            return value
        if name not in self._old:
            return None
        value = self._remove_old(name)
        self._add_young(name, value)
        return value

    def put(self, name: Name, value: Value) -> list[Name]:
        """Keep a value, in place of an earlier one of its name.

        Returns:
            The names of the values that gave way; among them the new one, if it alone is larger than the room.
        """
        self.discard(name)
        self._add_young(name, value)
        given_way: list[Name] = []
        while self.weight > self._max_bytes:
            given_way.append(self._give_way())
        return given_way

    def discard(self, name: Name) -> None:
        """Forget a value, if it is kept."""
        if name in self._old:
            self._remove_old(name)
        elif name in self._young:
            self._young_bytes -= self._young.pop(name).weight

    def clear(self) -> None:
        """Forget every value."""
        self._young.clear()
        self._old.clear()
        self._drawn_from.clear()
        self._young_bytes = self._old_bytes = 0

    def _add_young(self, name: Name, value: Value) -> None:
        self._young[name] = value
        self._young_bytes += value.weight
        while self._young_bytes > self._max_bytes // 2 and len(self._young) > 1:
            oldest, aged = self._young.popitem(last=False)
            self._young_bytes -= aged.weight
            self._old[oldest] = aged
            self._old_bytes += aged.weight
            self._drawn_from.append(oldest)
        if len(self._drawn_from) > 2 * len(self._old) + _SPARE_NAMES:
            self._drawn_from = list(self._old)

    def _remove_old(self, name: Name) -> Value:
        value = self._old.pop(name)
        self._old_bytes -= value.weight
        return value

    def _give_way(self) -> Name:
        while self._old:
            drawn = secrets.randbelow(len(self._drawn_from))
            name, self._drawn_from[drawn] = self._drawn_from[drawn], self._drawn_from[-1]
            self._drawn_from.pop()
            if name in self._old:
                self._remove_old(name)
                return name
        name, value = self._young.popitem(last=False)
        self._young_bytes -= value.weight
        return name
