"""Takes log records over OTLP/HTTP: ``POST /v1/logs``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.audit.receipt import LEVELS, Receipt
from telemetry.gateway.gateway import Gateway
from telemetry.gateway.otlp.correlated_log import CorrelatedLog
from telemetry.gateway.otlp.export import NAMELESS, Export, ExportBounds
from telemetry.gateway.otlp.export_answer import Encoding, encoding_of, error_answer, success_answer
from telemetry.gateway.request.body import read_body
from telemetry.gateway.request.prefer import preference_of
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.gateway.routes.otlp_description import PATH
from telemetry.gateway.submission.event_call import RefusedEvent
from telemetry.gateway.submission.event_request import MARGIN_SECONDS, WORDS, audit_for
from telemetry.gateway.submission.submit import submit, wait_of

if TYPE_CHECKING:
    from telemetry.gateway.caller import Caller

_NOT_YET_SECONDS = 10
_NOT_YET = (
    "the events are accepted, and not as safe yet as this gateway promises; send the same request again: each event is shown "
    "once"
)


class _Outcome(NamedTuple):
    """What became of the records of a request.

    Attributes:
        nameless: How many have no event name.
        malformed: How many can be no event for another reason.
        example: Why one of these can be none.
        retry: Why the whole request is to be sent again; None if it is not.
    """

    nameless: int
    malformed: int
    example: str
    retry: RefusedEvent | None


async def export_logs(request: Request) -> Response:
    """Log the records of a request that are events; answer when they are as safe as the configuration says."""
    encoding = encoding_of(request.headers.get("content-type", ""))
    gateway: Gateway = request.app.state.gateway
    caller: Caller = request.state.caller
    if encoding is None:
        gateway.refused(caller, request, WORDS[415])
        detail = "send application/x-protobuf or application/json, as OTLP/HTTP has it"
        return error_answer(Encoding.JSON, 415, detail)
    try:
        with gateway.bodies.share(caller.service) as share:
            ends = time.monotonic() + gateway.limits.request_seconds - MARGIN_SECONDS
            body = await read_body(request, limits=gateway.limits, share=share)
            return await _exported(request, body, encoding, ends=ends)
    except RefusedRequestError as exc:
        if exc.status in WORDS:
            gateway.refused(caller, request, WORDS[exc.status])
        return error_answer(encoding, exc.status, exc.detail, retry_after=exc.retry_after, headers=exc.headers)


def later_answer(request: Request, status: int, detail: str, *, retry_after: float) -> Response:
    """Return the answer to an exporter whose request was not looked at.

    Args:
        request: The request.
        status: 429 or 503.
        detail: Why, without content.
        retry_after: Seconds after which it may be sent again.
    """
    encoding = encoding_of(request.headers.get("content-type", "")) or Encoding.JSON
    return error_answer(encoding, status, detail, retry_after=retry_after)


async def _exported(request: Request, body: bytes, encoding: Encoding, *, ends: float) -> Response:
    gateway: Gateway = request.app.state.gateway
    caller: Caller = request.state.caller
    config = gateway.otlp
    bounds = ExportBounds(config.max_records, gateway.limits.max_depth)
    export = Export(body, encoding, bounds, event_name_attributes=config.event_name_attributes)
    events = 0 if caller.max_events_per_second is None else export.count_events()
    audit = CorrelatedLog(audit_for(gateway, caller, events))
    preference = preference_of(request.headers.getlist("prefer"))
    asked = wait_of(preference.level, preference.seconds, longest=max(0.0, ends - time.monotonic()))
    wait = asked._replace(level=max(asked.level, LEVELS[config.wait_for]))
    results = await submit(audit, export.calls(), wait=wait)
    outcome = _outcome(results, wait.level)
    if outcome.retry is not None:
        retry = outcome.retry
        return error_answer(encoding, retry.status, retry.reason, retry_after=retry.retry_after)
    nameless = outcome.nameless if config.without_event_name == "refuse" else 0
    refused_records = nameless + outcome.malformed
    if outcome.malformed:
        gateway.refused(caller, request, WORDS[422])
    if refused_records:
        reason = outcome.example or NAMELESS.reason
        gateway.refused_records.add(caller.service, nameless=nameless, malformed=outcome.malformed, example=reason)
    headers = {"Preference-Applied": preference.applied} if preference.applied else {}
    reason = (
        f"{refused_records} of {len(results)} records are no audit events; of one: {outcome.example or NAMELESS.reason}"
    )
    return success_answer(encoding, refused=refused_records, reason=reason, headers=headers)


def _outcome(results: Sequence[Receipt | RefusedEvent], level: int) -> _Outcome:
    refused = [result for result in results if isinstance(result, RefusedEvent)]
    retries = [result for result in refused if result.retry_after is not None]
    for_good = [result for result in refused if result.retry_after is None]
    malformed = [result for result in for_good if result is not NAMELESS]
    retry = max(retries, key=lambda result: result.retry_after or 0, default=None)
    if retry is None and any(isinstance(result, Receipt) and not result.has_reached(level) for result in results):
        retry = RefusedEvent(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_YET, _NOT_YET_SECONDS)
    return _Outcome(len(for_good) - len(malformed), len(malformed), malformed[0].reason if malformed else "", retry)


ROUTES = (Route(PATH, export_logs, methods=["POST"]),)
