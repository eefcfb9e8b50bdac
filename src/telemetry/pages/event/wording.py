"""Tells an event in a sentence: who did what to which thing, with what outcome, from where and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import Target
from telemetry.pages.event.json_text import json_text
from telemetry.pages.event.known_types import KNOWN, Telling
from telemetry.pages.event.phrases import MAX_VALUE, Phrase, joined, value
from telemetry.pages.event.verbs import Deed, deed_of, words_of
from telemetry.pages.hostile_text import PiecedText

_MAX_THINGS = 3
_INTENT = ".intent"
"""End of the type of an event that is logged before something is done (``telemetry.audited``)."""
_UNDONE = ("failure", "denied")
_MAX_TYPE = 200


class Content(Protocol):
    """What a sentence tells of an event; an ``AuditEvent`` has all of it, and so has a row of a list."""

    @property
    def user_id(self) -> str:
        """User whose event it is."""

    @property
    def actor_id(self) -> str | None:
        """Who acted, if not the user."""

    @property
    def actor_type(self) -> str | None:
        """Kind of who acted."""

    @property
    def tenant_id(self) -> str | None:
        """Tenant that the event concerns."""

    @property
    def entity(self) -> str | None:
        """Kind of the thing acted upon."""

    @property
    def entity_id(self) -> str | None:
        """Id of that thing."""

    @property
    def action(self) -> str | None:
        """What was done to it."""

    @property
    def outcome(self) -> str | None:
        """``success``, ``failure`` or ``denied``."""

    @property
    def ip_address(self) -> str | None:
        """Address from which the request came."""


def sentence(event: AuditEvent) -> PiecedText:
    """Return an event in a sentence: ``ada updated order 77 (success) from 10.0.0.7``; one line without hidden characters.

    Args:
        event: Any event; long values are cut, and values of several words are in quotation marks.
    """
    # What the application marked as sensitive is shown where somebody asks for the payload, not in every list.
    payload = None if event.sensitive else event.payload
    told = _tell(event.event_type, event, service=event.service_name, payload=payload, targets=event.targets)
    reason = [Phrase(", because"), value(event.reason)] if event.reason else []
    return joined([*told, *reason])


def row_sentence(event_type: str, content: Content, *, service: str = "") -> PiecedText:
    """Return the same for a row of a list, which has no payload, targets or reason.

    Args:
        event_type: What happened.
        content: The row's content.
        service: Service that logged it.
    """
    return joined(_tell(event_type, content, service=service))


def _tell(
    event_type: str, content: Content, *, service: str, payload: Any = None, targets: Sequence[Target] = ()
) -> Iterator[Phrase]:
    is_intent = event_type.endswith(_INTENT)
    name = event_type.removesuffix(_INTENT) if is_intent else event_type
    telling = KNOWN.get(".".join(words_of(name[:_MAX_TYPE])))
    if telling is not None and not is_intent:
        yield from _tell_known(telling, content, service=service, payload=payload, targets=targets)
    else:
        yield from _tell_any(name, content, targets, is_intent=is_intent)
    if content.outcome:
        yield from (Phrase("("), value(content.outcome), Phrase(")"))
    if content.ip_address:
        yield from (Phrase("from"), value(content.ip_address))
    if content.tenant_id:
        yield from (Phrase(", tenant"), value(content.tenant_id))


def _tell_known(
    telling: Telling, content: Content, *, service: str, payload: Any, targets: Sequence[Target]
) -> Iterator[Phrase]:
    if telling.by_service:
        yield Phrase("The service")
        yield value(service or "(unknown)")
    elif telling.of_anyone:
        yield Phrase("Someone")
    else:
        yield from _subject(content)
    undone = telling.tried if content.outcome in _UNDONE else None
    yield Phrase(undone or telling.did)
    detail = payload.get(telling.detail) if isinstance(payload, dict) and telling.detail else None
    if isinstance(detail, str | int | float) and detail != "":
        yield value(json_text(detail, most=MAX_VALUE))
    if telling.of_anyone:
        yield value(content.user_id)
        return
    yield from _things(content, targets, before=telling.before_thing)
    if not telling.by_service:
        yield from _concerned(content)


def _tell_any(name: str, content: Content, targets: Sequence[Target], *, is_intent: bool) -> Iterator[Phrase]:
    yield from _subject(content)
    is_undone = content.outcome in _UNDONE
    deed = deed_of(name[:_MAX_TYPE], action=content.action)
    if deed is None:
        # The name of the type says what was done, in a way that this program cannot put into words.
        yield Phrase("was about to do" if is_intent else "tried to do" if is_undone else "did")
        yield value(name)
        yield from _things(content, targets, before="on")
    else:
        yield Phrase(_verb(deed, is_intent=is_intent, is_undone=is_undone))
        done_to = deed.object_beside(content.entity or (targets[0].entity if targets else None))
        if done_to:
            yield Phrase(done_to)
        yield from _things(content, targets, before="on" if done_to else "")
    yield from _concerned(content)


def _verb(deed: Deed, *, is_intent: bool, is_undone: bool) -> str:
    if is_intent:
        return f"was about to {deed.base}"
    return f"tried to {deed.base}" if is_undone else deed.past


def _subject(content: Content) -> Iterator[Phrase]:
    if content.actor_type == "anonymous":
        yield Phrase("Someone anonymous")
        if content.actor_id:
            yield value(content.actor_id)
        return
    if content.actor_type in ("service", "system"):
        yield Phrase(f"The {content.actor_type}")
    yield value(content.actor_id or content.user_id)


def _concerned(content: Content) -> Iterator[Phrase]:
    """Yield whose event it is, where somebody else acted and the thing is not that user."""
    is_actor = content.actor_id in (None, content.user_id) and content.actor_type != "anonymous"
    if not is_actor and content.user_id != content.entity_id:
        yield from (Phrase("for user"), value(content.user_id))


def _things(content: Content, targets: Sequence[Target], *, before: str = "") -> Iterator[Phrase]:
    """Yield the thing acted upon, and the first of several."""
    things: list[tuple[str | None, str | None]] = [(target.entity, target.entity_id) for target in targets]
    own = (content.entity, content.entity_id)
    if any(own) and own not in things:
        things.insert(0, own)
    if things and before:
        yield Phrase(before)
    for number, (kind, thing_id) in enumerate(things[:_MAX_THINGS]):
        if number:
            yield Phrase(",")
        yield from (value(part) for part in (kind, thing_id) if part)
    if len(things) > _MAX_THINGS:
        yield Phrase(f"and {len(things) - _MAX_THINGS:,} more")
