"""Renders the answer to a request: 202, 207 or a problem, and says of each event what was reached and not more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from starlette.responses import Response

from telemetry.audit.receipt import Receipt, reached
from telemetry.gateway.problems import problem_response
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.submission.event_call import RefusedEvent

JSON = "application/json"

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_encode = msgspec.json.Encoder().encode


def answer_of(results: Sequence[Receipt | RefusedEvent], *, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    """Return the answer to a request whose events were offered.

    Args:
        results: What became of each event, in the order of the request; at least one.
        headers: Further headers, such as ``Preference-Applied``.

    Returns:
        202 if all are accepted, 207 if some are, and a problem if none is.
    """
    refused = [result for result in results if type(result) is RefusedEvent]
    if not refused:
        return Response(_accepted(results), 202, headers, media_type=JSON)
    retry_after = max((event.retry_after for event in refused if event.retry_after is not None), default=None)
    if len(refused) < len(results):
        further = dict(headers) | ({"retry-after": str(retry_after)} if retry_after is not None else {})
        return Response(_encode({"events": [_said(result) for result in results]}), 207, further, media_type=JSON)
    # What may be accepted later decides: the caller may send all of it again.
    first = next((event for event in refused if event.retry_after is not None), refused[0])
    if len(refused) == 1:
        return problem_response(first.status, first.reason, retry_after=retry_after, headers=headers)
    detail = f"none of the {len(refused)} events was accepted; events says why, and what to do"
    said = [_said(event) for event in refused]
    return problem_response(first.status, detail, retry_after=retry_after, headers=headers, events=said)


def problem_of(error: RefusedRequestError) -> Response:
    """Return the answer to a request that was refused as a whole."""
    return problem_response(error.status, error.detail, retry_after=error.retry_after, headers=error.headers)


def _accepted(receipts: Sequence[Any]) -> bytes:
    """Return the answer for accepted events; nothing in it needs escaping, so that it is written as text."""
    events = ",".join(
        [
            f'{{"id":"{receipt.event_id}","producer":"{receipt.producer}","sequence":{receipt.sequence},'
            f'"level":"{reached(receipt)}"}}'
            for receipt in receipts
        ]
    )
    return f'{{"events":[{events}]}}'.encode()


def _said(result: Receipt | RefusedEvent) -> dict[str, Any]:
    if type(result) is RefusedEvent:
        return {"status": result.status, "reason": result.reason}
    return {
        "status": 202,
        "id": result.event_id,
        "producer": result.producer,
        "sequence": result.sequence,
        "level": reached(result),
    }
