"""Reads what an address asks for, and writes the addresses that ask for a little more, less or other than it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.index.found import Tally
from telemetry.explorer.index.search import Search
from telemetry.explorer.site.asked.fields import FIELDS, NEWEST, OLDEST
from telemetry.pages.addresses import own_url
from telemetry.reader.entry import Proven
from telemetry.reader.filters.event_filter import MAX_PATTERN
from telemetry.reader.filters.written import read_filter

PATH = "/search"
MAX_PARAMETERS = 200
_MAX_NAMED = 40
"""Characters of a name from outside that a problem repeats."""
_WILDCARD, _PLAIN_CHARACTER = re.compile(r"[*?\[]"), re.compile(r"\w")
_ORDER, _AFTER = "order", "after"
_UNREADABLE = "The address cannot be read: it is not UTF-8, or it has too many parts. Begin again with the search form."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an address asks for.

    Attributes:
        values: Texts by name of the field, as they were written; only of fields that are filled in.
        order: ``newest`` or ``oldest`` first.
        after: Where the page begins; empty for the first one.
        search: The search; None where it has problems, or where it needs content that is closed.
        problems: What is wrong with a field, by its name; by the empty name what belongs to no field.
        closed: Names of the fields that need content, where content is closed.
        has_blanks: Whether fields were sent that are not filled in.
    """

    values: Mapping[str, tuple[str, ...]]
    order: str = NEWEST
    after: str = ""
    search: Search | None = None
    problems: Mapping[str, str]
    closed: tuple[str, ...] = ()
    has_blanks: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no field is filled in: every event is asked for."""
        return not self.values

    def describe(self, *, with_text: bool) -> dict[str, Any]:
        """Return the conditions for the record of the search.

        Args:
            with_text: Include what is searched for in the content; otherwise only the fact that something is.
        """
        if self.search is None:
            return {}
        conditions = self.search.wanted.describe(with_text=with_text)
        more: dict[str, Any] = {
            name: list(self.values[name]) for name in ("service", "producer", "proven") if name in self.values
        }
        more |= {"foreign": True} if self.search.foreign else {}
        return conditions | more | ({"order": self.order} if self.order != NEWEST else {})

    def url(self, path: str = PATH) -> str:
        """Return the address of the first page."""
        return self._url(self.values, order=self.order, path=path)

    def narrowed(self, name: str, value: str) -> str:
        """Return the address that asks for this value of a field alone, and otherwise for the same."""
        return self._url({**self.values, name: (value,)}, order=self.order)

    def of_type(self, event_type: str, known: Tally) -> str:
        """Return the address that asks for one type alone, also where others begin like it.

        Args:
            event_type: The type.
            known: The types that there are.
        """
        is_alone = not known.others and not any(
            other != event_type and other.startswith(event_type) for other, _ in known.top
        )
        is_plain = is_alone and _WILDCARD.search(event_type) is None
        return self.narrowed("type", event_type if is_plain else _exactly(event_type))

    def without(self, name: str) -> str:
        """Return the address that asks for the same without a field."""
        left = {each: texts for each, texts in self.values.items() if each != name}
        return self._url(left, order=self.order)

    def without_closed(self) -> str:
        """Return the address that asks for the same without the filters that need content."""
        left = {each: texts for each, texts in self.values.items() if each not in self.closed}
        return self._url(left, order=self.order)

    def on_day(self, day: str) -> str:
        """Return the address that asks for the events of a day (UTC, ``YYYY-MM-DD``) alone."""
        times = {"since": (f"{day}T00:00:00Z",), "until": (f"{day}T23:59:59.999999Z",)}
        return self._url({**self.values, **times}, order=self.order)

    def ordered(self, order: str) -> str:
        """Return the address of the same in another order."""
        return self._url(self.values, order=order)

    def page(self, after: str) -> str:
        """Return the address of a further page."""
        return self._url(self.values, order=self.order, after=after)

    def hidden(self) -> list[tuple[str, str]]:
        """Return names and values of all parameters, for a form that carries the search on."""
        pairs = [(name, text) for name, texts in self.values.items() for text in texts]
        return [*pairs, (_ORDER, self.order)] if self.order != NEWEST else pairs

    def _url(self, values: Mapping[str, tuple[str, ...]], *, order: str, after: str = "", path: str = PATH) -> str:
        # In the order of the form, so that one search has one address.
        query: dict[str, object] = {name: list(values[name]) for name in FIELDS if name in values}
        if order != NEWEST:
            query[_ORDER] = order
        if after:
            query[_AFTER] = after
        return own_url(path, **query)


def read_asked(query: bytes, *, now: datetime, is_open: bool) -> Asked:
    """Read the query of an address.

    Args:
        query: As it was sent.
        now: The present time.
        is_open: Whether content may be looked into. If not, a filter of content is named in ``closed`` and never evaluated:
            whether something is found would say what the content is.

    Raises:
        Refused: It cannot be read at all.
    """
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_PARAMETERS,
            errors="strict",
            encoding="utf-8",
        )
    except ValueError as exc:
        raise Refused(400, "bad_query", _UNREADABLE) from exc
    return read_pairs(pairs, now=now, is_open=is_open)


def read_pairs(pairs: list[tuple[str, str]], *, now: datetime, is_open: bool) -> Asked:
    """Read names and values, as :func:`read_asked` does: a form that is sent has the same ones."""
    collected: dict[str, list[str]] = {}
    for name, text in pairs:
        collected.setdefault(name, [])
        if text.strip():
            collected[name].append(text)
    filled = {name: tuple(dict.fromkeys(collected[name])) for name in FIELDS if collected.get(name)}
    order, after = (collected.get(name, [""])[:1] or [""] for name in (_ORDER, _AFTER))
    asked = Asked(
        values=filled,
        order=OLDEST if order == [OLDEST] else NEWEST,
        after=(after or [""])[0],
        problems=dict(_unknown(collected)) | dict(_repeated(filled)),
        closed=() if is_open else tuple(name for name in filled if not FIELDS[name].is_clear),
        has_blanks=any(not texts for texts in collected.values()),
    )
    return asked if asked.problems or asked.closed else _searching(asked, now=now)


def _searching(asked: Asked, *, now: datetime) -> Asked:
    try:
        return replace(asked, search=_search(asked, now=now))
    except ConfigurationError as exc:
        problems: dict[str, str] = {}
        for problem in exc.problems:
            field = problem.field if problem.field in FIELDS else ""
            problems.setdefault(field, f"{problem.reason}; {problem.remedy}")
        return replace(asked, problems=problems)


def _search(asked: Asked, *, now: datetime) -> Search:
    written: dict[str, Any] = {}
    for name, texts in asked.values.items():
        field = FIELDS[name]
        if field.attribute:
            written[field.attribute] = texts[0] if field.is_single else texts
    return Search(
        wanted=read_filter(written, now=now),
        services=frozenset(_bounded(asked, "service")),
        producers=frozenset(_bounded(asked, "producer")),
        proven=frozenset(_proven(text) for text in asked.values.get("proven", ())),
        foreign="foreign" in asked.values,
        newest_first=asked.order == NEWEST,
    )


def _exactly(event_type: str) -> str:
    """Return a pattern that only this type matches: a filter without any of ``*?[`` matches beginnings too."""
    escaped = _WILDCARD.sub(r"[\g<0>]", event_type)
    return escaped if escaped != event_type else _PLAIN_CHARACTER.sub(r"[\g<0>]", event_type, count=1)


def _bounded(asked: Asked, name: str) -> tuple[str, ...]:
    texts = asked.values.get(name, ())
    if any(len(text) > MAX_PATTERN for text in texts):
        raise ConfigurationError(Problem(name, f"is longer than {MAX_PATTERN} characters", "search for less"))
    return texts


def _proven(text: str) -> Proven:
    try:
        return Proven(text)
    except ValueError as exc:
        known = ", ".join(each.value for each in Proven)
        raise ConfigurationError(Problem("proven", "is no verdict of a proof", f"use {known}")) from exc


def _unknown(collected: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """A filter that is not known must not be passed over: more would be shown than was asked for."""
    odd = next((name for name in collected if name not in FIELDS and name not in (_ORDER, _AFTER)), None)
    return [] if odd is None else [("", f"there is no filter {odd[:_MAX_NAMED]!r}; use the fields of the form")]


def _repeated(filled: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [
        (name, "is given twice; leave one out")
        for name, texts in filled.items()
        if FIELDS[name].is_single and len(texts) > 1
    ]
