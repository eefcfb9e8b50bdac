"""Answers a request that brings events: reads it, logs its events for the caller, and says what became of each."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from telemetry.exceptions import EventError, TelemetryError
from telemetry.gateway.caller import Caller
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.request.body import read_body
from telemetry.gateway.request.idempotency import idempotency_key_of, key_at
from telemetry.gateway.request.prefer import preference_of
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.submission.answer import answer_of, problem_of
from telemetry.gateway.submission.event_call import EventCall, RefusedEvent
from telemetry.gateway.submission.event_reader import EventReader, Text
from telemetry.gateway.submission.submit import EventLog, offer, refusal_of, settled, wait_of

MARGIN_SECONDS = 0.5
"""The answer is rendered and sent before the time of the request is over."""
WORDS = {400: "malformed", 404: "not_found", 413: "too_large", 415: "media_type", 422: "unfit"}
"""What a refused call is called in the gateway's own events."""


async def answer_events(request: Request, reader: EventReader[Text]) -> Response:
    """Answer a request that brings events.

    Args:
        request: The request; its state has the caller.
        reader: Reads bodies of its kind.
    """
    gateway: Gateway = request.app.state.gateway
    caller: Caller = request.state.caller
    try:
        # What the body takes of the room is given back once its events are offered: a wait for their level keeps no body.
        began = time.monotonic()
        with gateway.bodies.share(caller.service) as share:
            body = await read_body(request, limits=gateway.limits, share=share)
            texts = await reader.split(body, request, gateway.limits)
            del body
            key = idempotency_key_of(request.headers.getlist("idempotency-key"))
            audit = audit_for(gateway, caller, len(texts))
            offered = await offer(audit, _calls(reader, texts, key))
            del texts
    except RefusedRequestError as exc:
        return refused_answer(request, exc)
    preference = preference_of(request.headers.getlist("prefer"))
    left = max(0.0, gateway.limits.request_seconds - MARGIN_SECONDS - (time.monotonic() - began))
    results = await settled(offered, wait=wait_of(preference.level, preference.seconds, longest=left))
    word = next((WORDS.get(result.status) for result in results if type(result) is RefusedEvent), None)
    if word is not None:
        gateway.refused(caller, request, word)
    headers = {"Preference-Applied": preference.applied} if preference.applied else {}
    return answer_of(results, headers=headers)


def refused_answer(request: Request, error: RefusedRequestError) -> Response:
    """Return the answer to a request that is refused as a whole, and report it to the gateway."""
    if error.status in WORDS:
        gateway: Gateway = request.app.state.gateway
        gateway.refused(request.state.caller, request, WORDS[error.status])
    return problem_of(error)


def audit_for(gateway: Gateway, caller: Caller, events: int) -> EventLog:
    """Return what logs for a caller, once its quota has room for so many events.

    Raises:
        RefusedRequestError: It has none, or too many streams are in use (429); nothing can be logged for it now (503).
    """
    seconds = gateway.wait_for_quota(caller, events)
    if seconds > 0:
        detail = "the quota of this identity has no room for so many events now; send them later, or fewer at once"
        raise RefusedRequestError(429, detail, retry_after=seconds)
    try:
        return gateway.audit_of(caller)
    except TelemetryError as exc:
        refused = refusal_of(exc)
        if isinstance(exc, EventError):
            # The identities file names it, so it is no fault of the caller.
            raise RefusedRequestError(503, "the gateway cannot log for this service; tell its operator") from exc
        raise RefusedRequestError(refused.status, refused.reason, retry_after=refused.retry_after) from exc


def _calls(reader: EventReader[Text], texts: Sequence[Text], key: str | None) -> Iterator[EventCall | RefusedEvent]:
    keys = itertools.repeat(None) if key is None else (key_at(key, index) for index in itertools.count())
    read = reader.read
    for text, event_key in zip(texts, keys, strict=False):
        try:
            yield read(text, event_key)
        except EventError as exc:
            yield refusal_of(exc)
