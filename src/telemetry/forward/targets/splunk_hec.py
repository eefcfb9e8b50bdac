"""Sends events to Splunk's HTTP Event Collector, and waits until the indexers have acknowledged them.

Source: Splunk, "HTTP Event Collector REST API endpoints", "HTTP Event Collector indexer acknowledgment" and "Troubleshoot HTTP
Event Collector" (the codes).
"""

from __future__ import annotations

import time
import uuid
from types import MappingProxyType
from typing import Any

import msgspec

from telemetry.exceptions import TargetAwayError, TargetRefusedError
from telemetry.forward.delivery import Batch, BatchRefusedError, Described, Parcel, Patience
from telemetry.forward.targets.post import Answer, PostClient, require_accepted
from telemetry.reader.entry import Entry, RawRecord
from telemetry.system.backoff import Backoff

WINDOW = 16
"""Batches that are on their way before their acknowledgements are asked for."""

_EVENTS = "/services/collector/event"
_ACKS = "/services/collector/ack"
_FIRST_POLL, _LONGEST_POLL = 0.1, 5.0
_BAD_REQUEST = 400

# A code that stands for one event; all others of status 400 are about the request, the token or the index.
_OF_EVENTS = MappingProxyType(
    {
        5: "no data",
        6: "invalid data format",
        12: "the event field is absent",
        13: "the event field is blank",
        15: "an indexed field cannot be handled",
    }
)
_OF_SETTINGS = MappingProxyType(
    {
        1: "the token is disabled",
        2: "a token is required",
        3: "the authorization is invalid",
        4: "the token is invalid",
        7: "the token may not write to this index",
        10: "a channel is required",
        11: "the channel is invalid",
        14: "acknowledgement is disabled for the token",
        16: "the token must be in a header",
        21: "the token is invalid",
        22: "the token is disabled",
    }
)


class _Reply(msgspec.Struct):
    """An answer of the collector; it has more members."""

    code: int | None = None
    ack_id: int | None = msgspec.field(name="ackId", default=None)


class _Acks(msgspec.Struct):
    acks: dict[str, bool]


_reply = msgspec.json.Decoder(_Reply)
_acks = msgspec.json.Decoder(_Acks)
_encode = msgspec.json.Encoder().encode


class SplunkHec:
    """A collector. A batch counts once its indexer has acknowledged it: 200 alone says only that it is in memory.

    Args:
        client: Posts to it.
        index: Index of the events; None for the token's own.
        source_type: Their source type.
        acknowledged: Whether to require the acknowledgement of the indexers, which the token must have enabled.
        ack_seconds: How long to wait for it before everything that is not acknowledged is sent again.
    """

    name = "splunk-hec"

    def __init__(
        self,
        client: PostClient,
        *,
        index: str | None = None,
        source_type: str = "telemetry:audit",
        acknowledged: bool = True,
        ack_seconds: float = 120.0,
    ) -> None:
        self._client = client
        self._common = {"source": "telemetry", "sourcetype": source_type} | ({"index": index} if index else {})
        self._is_acknowledged = acknowledged
        self._ack_seconds = ack_seconds
        self._channel = str(uuid.uuid4())
        self._outstanding: set[int] = set()

    @property
    def window(self) -> int:
        """Several batches: an acknowledgement takes seconds."""
        return WINDOW if self._is_acknowledged else 1

    def parcel(self, entry: Entry, raw: RawRecord, described: Described, document: Any) -> Parcel:
        """Return an event of the collector; its indexed field ``event_id`` recognizes a copy."""
        content = _encode(
            {
                "time": round(described.time, 6),
                "host": described.service or "telemetry",
                **self._common,
                "event": document,
                "fields": {"event_id": described.id, "event_type": described.event_type},
            }
        )
        return Parcel(described.id, entry, raw, content)

    def send(self, batch: Batch) -> None:
        """Post a batch; see :class:`telemetry.forward.delivery.Target`."""
        body = b"\n".join(parcel.content for parcel in batch)
        answer = self._client.post(_EVENTS, body, self._headers())
        reply = _decoded(answer)
        self._require_accepted(answer, reply)
        if not self._is_acknowledged:
            return
        if reply.ack_id is None:
            message = (
                f"{self._client.origin} accepts events without an acknowledgement of its indexers: enable it for the token"
                " (useACK), or accept with --no-hec-ack that a collector that ends loses what it had in memory"
            )
            raise TargetRefusedError(message)
        self._outstanding.add(reply.ack_id)

    def settle(self, patience: Patience) -> None:
        """Ask for the acknowledgements until all are there."""
        waiting, self._outstanding = self._outstanding, set()
        give_up = time.monotonic() + self._ack_seconds
        polls = Backoff(first=_FIRST_POLL, longest=_LONGEST_POLL)
        while waiting:
            body = _encode({"acks": sorted(waiting)})
            answer = self._client.post(f"{_ACKS}?channel={self._channel}", body, self._headers(), packed=False)
            self._require_accepted(answer, _decoded(answer))
            try:
                acks = _acks.decode(answer.body).acks
            except msgspec.MsgspecError:
                acks = {}
            waiting = {number for number in waiting if not acks.get(str(number))}
            if not waiting:
                return
            pause = min(polls.next(), max(give_up - time.monotonic(), 0.0))
            if patience.pause(pause) or time.monotonic() >= give_up:
                message = (
                    f"the indexers behind {self._client.origin} did not acknowledge {len(waiting)} batches in"
                    f" {self._ack_seconds:g} s, or before this forwarder ended; they are sent again"
                )
                raise TargetAwayError(message)

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "X-Splunk-Request-Channel": self._channel}

    def _require_accepted(self, answer: Answer, reply: _Reply) -> None:
        code = -1 if reply.code is None else reply.code
        if answer.status == _BAD_REQUEST and code in _OF_EVENTS:
            reason = f"{answer.status}, code {code}: {_OF_EVENTS[code]}"
            raise BatchRefusedError(reason)
        if answer.status >= _BAD_REQUEST and code in _OF_SETTINGS:
            message = f"{self._client.origin} refuses everything: {answer.status}, code {code}: {_OF_SETTINGS[code]}"
            raise TargetRefusedError(message)
        require_accepted(answer, url=self._client.origin)


def _decoded(answer: Answer) -> _Reply:
    try:
        return _reply.decode(answer.body)
    except msgspec.MsgspecError:
        return _Reply()
