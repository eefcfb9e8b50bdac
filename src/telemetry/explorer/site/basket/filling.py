"""Puts single events, all events of a search, or a random sample of them into the basket."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request

from telemetry.evidence import MAX_EVENTS, Sample, sample_ids
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.visit import form_of, session_of
from telemetry.explorer.index.search import Search
from telemetry.explorer.jobs.basket import Drawing, too_many
from telemetry.explorer.jobs.gathering import count_found, found_ids
from telemetry.explorer.site.asked.asking import Asked
from telemetry.explorer.site.asked.sent import read_sent, require_search
from telemetry.explorer.site.site import Site
from telemetry.reader import EventFilter
from telemetry.reader.filters.moments import event_time
from telemetry.reader.filters.written import read_filter

_MAX_DIGITS = 4
_MAX_CONDITIONS = 2_000
"""Characters of what was searched for, as JSON; the record of the search has all of it."""


def add_named(site: Site, request: Request) -> int:
    """Add the events that a form names; return how many are new.

    Raises:
        ConfigurationError: They do not fit into the basket, or one is no id of an event.
    """
    return site.desk.baskets.of(session_of(request)).add(form_of(request).all("event"))


def add_found(site: Site, request: Request) -> int:
    """Add all events that the search of a form finds; return how many are new. The search has been recorded.

    Raises:
        ConfigurationError: They do not fit into the basket, or the search cannot be used.
    """
    form, session = form_of(request), session_of(request)
    basket = site.desk.baskets.of(session)
    if not form.get("take-all"):
        raise ConfigurationError(Problem("event", "is missing", "add it from the page of an event"))
    asked = read_sent(form, is_open=session.is_open)
    search = require_search(asked)
    total = count_found(site.index, search, with_content=session.is_open)
    if total > MAX_EVENTS:
        raise ConfigurationError(too_many(total, room=basket.room))
    ids = found_ids(site.index, search, with_content=session.is_open, most=total)
    return basket.add(ids, conditions=_conditions(site, asked))


def draw_sample(site: Site, request: Request) -> int:
    """Draw a random sample of what a search finds, and add it; return how many are new. The search has been recorded.

    The seed comes from the system's random numbers before anything is drawn: nobody can choose it.

    Raises:
        ConfigurationError: The sample does not fit into the basket, or its size or the search cannot be used.
    """
    form, session = form_of(request), session_of(request)
    basket = site.desk.baskets.of(session)
    asked = read_sent(form, is_open=session.is_open)
    # What arrives from now on is not drawn from, neither now nor when it is drawn again for the pack.
    search = _until_now(require_search(asked))
    sample = Sample.fresh(_size(form.get("take-size")))
    total = count_found(site.index, search, with_content=session.is_open)
    population = found_ids(site.index, search, with_content=session.is_open, most=total)
    drawn = sample_ids(population, sample)
    drawing = Drawing(sample=sample, population=len(population), wanted=_repeatable(site, search))
    return basket.add(drawn, conditions=_conditions(site, asked), drawing=drawing)


def _conditions(site: Site, asked: Asked) -> dict[str, Any]:
    """Return what was searched for, bounded: each choice of a basket remembers it, and the record of an export has all of them."""
    conditions = asked.describe(with_text=site.looks.with_text)
    text = msgspec.json.encode(conditions).decode()
    return conditions if len(text) <= _MAX_CONDITIONS else {"beginning": text[:_MAX_CONDITIONS]}


def _until_now(search: Search) -> Search:
    if search.wanted.until:
        return search
    now = event_time(datetime.now(UTC))
    return replace(search, wanted=replace(search.wanted, until=max(now, search.wanted.since)))


def _repeatable(site: Site, search: Search) -> EventFilter | None:
    """Return the filter by which the sample can be drawn again from the trail; None if no filter says the same."""
    if search.services or search.producers or search.proven or search.foreign or site.index.state.is_cut:
        return None
    wanted, scope = search.wanted, site.scope
    # The explorer may read a part of the time only.
    limits = read_filter({"since": scope.since or None, "until": scope.until or None}, now=datetime.now(UTC))
    since = max(wanted.since, limits.since)
    until = min(filter(None, (wanted.until, limits.until)))
    return replace(wanted, since=since, until=until) if since <= until else None


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ConfigurationError(Problem("sample", f"is not a number from 1 to {MAX_EVENTS:,}", "write such as 25"))
    return int(text)
