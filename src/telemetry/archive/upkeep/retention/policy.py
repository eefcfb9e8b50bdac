"""Says how long events of each type are kept, by the catalogues that declare them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from telemetry.catalog.described.described_catalog import DescribedCatalog
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.value.members import RETENTION

_RETENTION = re.compile(RETENTION, re.ASCII)
_MONTHS_IN_YEAR = 12
_FIRST_YEAR = 1970


class Retention(NamedTuple):
    """A length of time.

    Attributes:
        number: How many.
        unit: ``d`` days, ``m`` calendar months or ``y`` calendar years.
    """

    number: int
    unit: str

    @classmethod
    def parse(cls, text: str, *, field: str) -> Retention:
        """Read a length of time, such as ``7y``.

        Args:
            text: A number from 1 to 9999 and ``d``, ``m`` or ``y``.
            field: What it was given for, for errors.

        Raises:
            ConfigurationError: It is no length of time.
        """
        if _RETENTION.match(text) is None:
            raise ConfigurationError(Problem(field, "is no number of days, months or years", 'write "7y"'))
        return cls(int(text[:-1]), text[-1])

    def cutoff(self, now: datetime) -> datetime:
        """Return the moment before which an event's retention is over.

        Months and years are those of the calendar: seven years are never shorter than the law counts them.

        Args:
            now: Present time, with its time zone.
        """
        if self.unit == "d":
            days = timedelta(days=self.number)
            return now - days if now - datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC) > days else _EPOCH
        months = self.number * (_MONTHS_IN_YEAR if self.unit == "y" else 1)
        year, month = divmod(now.year * _MONTHS_IN_YEAR + now.month - 1 - months, _MONTHS_IN_YEAR)
        if year < _FIRST_YEAR:
            return _EPOCH
        day = min(now.day, calendar.monthrange(year, month + 1)[1])
        return now.replace(year=year, month=month + 1, day=day)

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"


_EPOCH = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)


class RetentionPolicy:
    """How long events are kept.

    Args:
        retentions: Retention by event type; None keeps its events.
        default: Retention of every other type, and of records that are no events; None keeps them.
        name: Names of the catalogues, for reports and seals.
    """

    def __init__(self, retentions: Mapping[str, Retention | None], *, default: Retention | None, name: str) -> None:
        self._retentions = dict(retentions)
        self.default = default
        self.text = f"{name or 'no catalogue'}; others {default or 'kept'}"

    @classmethod
    def of(cls, catalogs: Iterable[DescribedCatalog], *, default: Retention | None) -> RetentionPolicy:
        """Return the policy of catalogues; where two declare a type, the longer retention counts.

        Args:
            catalogs: The catalogues; a type that declares no retention is kept as ``default`` says.
            default: Retention of everything else; None keeps it.

        Raises:
            ConfigurationError: A retention is no length of time.
        """
        retentions: dict[str, Retention | None] = {}
        kept: set[str] = set()
        names = []
        for catalog in catalogs:
            names.append(f"{catalog.name} {catalog.version}")
            for kind in catalog.types.values():
                if kind.retention is None:
                    kept.add(kind.name)
                    continue
                one = Retention.parse(kind.retention, field=f"retention of {kind.name} in {catalog.name}")
                retentions[kind.name] = _longer(one, retentions.get(kind.name, one))
        # One catalogue says nothing of it: there the default decides.
        for name in kept & retentions.keys():
            retentions[name] = _longer(retentions[name], default)
        return cls(retentions, default=default, name=", ".join(names))

    def of_type(self, event_type: str | None) -> Retention | None:
        """Return the retention of a type; None where its events are kept.

        Args:
            event_type: The type; None for a record that is no event.
        """
        return self._retentions.get(event_type, self.default) if event_type is not None else self.default

    @property
    def lengths(self) -> set[Retention]:
        """The lengths of time after which something may end."""
        return {each for each in (*self._retentions.values(), self.default) if each is not None}

    def cutoffs(self, now: datetime) -> Cutoffs:
        """Return the moments before which retentions are over.

        Args:
            now: Present time, with its time zone.
        """
        return Cutoffs(self, now)


class Cutoffs:
    """The moments before which the retention of each type is over.

    Args:
        policy: The policy.
        now: Present time, with its time zone.
    """

    def __init__(self, policy: RetentionPolicy, now: datetime) -> None:
        self._policy = policy
        self._now = now
        self._known: dict[str | None, int | None] = {}

    @property
    def latest(self) -> datetime | None:
        """The latest of them: nothing that is newer has ended. None if everything is kept."""
        return max((each.cutoff(self._now) for each in self._policy.lengths), default=None)

    def is_over(self, event_type: str | None, newest: int) -> bool:
        """Return whether the retention of a record is over.

        Args:
            event_type: Type of the event; None for a record that is none.
            newest: Microseconds since the epoch of the last moment that anything says of the record.
        """
        if event_type not in self._known:
            retention = self._policy.of_type(event_type)
            self._known[event_type] = None if retention is None else _micros(retention.cutoff(self._now))
        cutoff = self._known[event_type]
        return cutoff is not None and newest < cutoff


_REFERENCE = datetime(9000, 1, 1, tzinfo=UTC)
"""Any moment that is late enough: it only tells which of two retentions is longer."""


def _longer(one: Retention | None, other: Retention | None) -> Retention | None:
    if one is None or other is None:
        return None
    return min(one, other, key=lambda each: each.cutoff(_REFERENCE))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
