"""Renders the byte slices of events that are constant for a service, an event type or a user (docs/adr/0006).

An event is rendered twice: inside, as the JSON that is sealed, and outside, as attributes of the value. Both consist of
slices, and each slice that starts with a member starts with the comma before it, so that any of them can follow another::

    inside   beginning % sequence | id and time | sealed type | user | before payload | payload | end
    outside  head | sequence and key hash | id and time | clear type | trace and projected fields | data

The caller joins the slices, since a call per slice would cost more than the join (``EventFactory.draft``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from telemetry.format.value.features import (
    DISCLOSABLE,
    FEATURES_VERSION,
    HIDDEN_EVENT_TYPE,
    HIDDEN_TYPE,
    PLAIN_VERSION,
)
from telemetry.format.value.render import render_rest

ID_AND_TIME = b',"id":"%b","time":"%b.%06dZ"'
"""Id, time up to the second, and microseconds; none of them needs an escape."""

TypeSlices = tuple[bytes, bytes, bytes]
"""The sealed type; the clear type; and the clear tail of an event without a trace and without projected fields."""

_encode = msgspec.json.Encoder().encode


class _Version(msgspec.Struct):
    """The members between the time of an event and its type."""

    schema_version: int
    features: tuple[str, ...] = ()


_version_decoder = msgspec.json.Decoder(_Version)


class EventTemplate:
    """The slices of one service's events.

    Args:
        service_name: Name of the service.
        environment: Environment that it runs in.
        version: Version of the service; empty if unknown.
        features: Features that every event uses.

    Attributes:
        before_payload: Between the JSON of the user id and that of the payload.
        end: After the payload, in an event without optional fields.
        is_disclosable: Whether every event is.
    """

    __slots__ = ("_features", "_key_end", "before_payload", "end", "is_disclosable")

    def __init__(
        self, *, service_name: str, environment: str, version: str, features: Collection[str] = frozenset()
    ) -> None:
        self._features = frozenset(features)
        self.is_disclosable = DISCLOSABLE in self._features
        self._key_end = f":{service_name}"
        service = _encode(service_name), _encode(environment)
        self.before_payload = b',"service_name":%b,"environment":%b,"payload":' % service
        self.end = b',"version":%b}' % _encode(version) if version else b"}"

    def of_type(self, event_type: str, *, features: Collection[str] = frozenset()) -> TypeSlices:
        """Return the slices of an event type.

        Args:
            event_type: What happened.
            features: Features that the event uses beside those of every event.
        """
        used = self._features.union(features)
        # The type is free text, so it is the one part of the clear members that may need escapes.
        sealed_type = b'%b,"event_type":%b,"user_id":' % (_version(used), _encode(event_type))
        clear_type = b',"type":%b' % _encode(HIDDEN_EVENT_TYPE if HIDDEN_TYPE in used else event_type)
        return sealed_type, clear_type, clear_type + render_rest(None, None)

    def of_user(self, user_id: str) -> bytes:
        """Return the JSON of a user id."""
        return _encode(user_id)

    def key_of(self, user_id: str) -> bytes:
        """Return the Kafka key of a user's events, where it is not derived by HMAC."""
        return (user_id + self._key_end).encode()

    def user_of(self, key: bytes) -> str:
        """Return the user id in a Kafka key from :meth:`key_of`."""
        return key.decode()[: -len(self._key_end)]

    def clear_tail(self, clear_type: bytes, traceparent: str | None, projected: Mapping[str, Any]) -> bytes:
        """Return the clear tail of an event.

        Args:
            clear_type: From :meth:`of_type`.
            traceparent: The span as W3C Trace Context, or None.
            projected: Fields to project outside the sealed part, by attribute name.
        """
        return clear_type + render_rest(traceparent, projected)

    def end_with(self, optional: bytes) -> bytes:
        """Return the end of an event with optional fields.

        Args:
            optional: The fields as a JSON object, possibly empty.
        """
        # The version, where there is one, comes before the optional fields: the brace moves to their end.
        return self.end if optional == b"{}" else b"%b,%b" % (self.end[:-1], optional[1:])


def with_feature(event: bytes, name: str, content: str | None = None, *, at: int) -> bytes:
    """Return an event that uses one feature more, and may carry a member of its name.

    Args:
        event: The event from the comma after its sequence to the end. It has no other member yet that this function added.
        name: Name of the feature, and of the member.
        content: Text of the member, which needs no escapes; None for a feature without a member.
        at: Where the comma before the schema version is: after id and time.
    """
    start, separator, rest = event[at:].partition(b',"event_type":')
    before = _version_decoder.decode(b"{" + start[1:] + b"}")
    member = b"" if content is None else b',"%b":"%b"' % (name.encode(), content.encode())
    return b"".join((event[:at], _version(frozenset((*before.features, name))), member, separator, rest))


def _version(features: frozenset[str]) -> bytes:
    """Return the members that say which reader an event needs; without features they are those of version 1."""
    if not features:
        return b',"schema_version":%d' % PLAIN_VERSION
    return b',"schema_version":%d,"features":%b' % (FEATURES_VERSION, _encode(sorted(features)))


def beginning_of(producer: str) -> bytes:
    """Return the beginning of every event of a producer, with ``%d`` in the place of its sequence."""
    return b'{"producer":"%b","sequence":%%d' % producer.encode()
