from __future__ import annotations

import pytest
from litestar import Litestar, post
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath

from telemetry import sync
from telemetry.integrations.asgi import AuditMiddleware, audited
from telemetry.outcome import Outcome
from telemetry.testing import CapturedEvents
from tests.support.web.asgi_client import call


@pytest.mark.parametrize(
    ("number", "status", "outcome"), [(7, 201, "success"), (403, 403, "denied"), (500, 500, "failure")]
)
async def test_litestar_names_its_route(
    telemetry: sync.Telemetry, captured_events: CapturedEvents, number: int, status: int, outcome: Outcome
) -> None:
    @post("/orders/{order_id:int}")
    @audited("order.refunded", entity="order", entity_id="order_id", telemetry=telemetry)
    async def refund(order_id: FromPath[int]) -> None:
        if order_id == 403:
            raise PermissionDeniedException
        if order_id == 500:
            message = "secret-in-error"
            raise ValueError(message)

    app = AuditMiddleware(Litestar([refund], openapi_config=None), telemetry=telemetry)  # type: ignore[arg-type]  # its own types of ASGI

    assert (await call(app, "POST", f"/orders/{number}")).status == status

    captured_events.one("http.request", outcome=outcome, payload={"route": "/orders/{order_id}", "status": status})
    captured_events.one("order.refunded", outcome=outcome, entity_id=str(number))
