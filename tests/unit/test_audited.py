"""An event for each call of a decorated function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from telemetry import audit_context, audited
from telemetry.audited import AuditedCall, update_audited_call
from telemetry.exceptions import EncryptionError, LifecycleError
from telemetry.outcome import Outcome, outcome_of, register_outcome
from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig


@pytest.fixture
def telemetry(captured_events: CapturedEvents) -> Iterator[Telemetry]:
    with (
        Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))) as started,
        audit_context(user_id="ada"),
    ):
        yield started


class TeapotError(Exception):
    """As the exceptions of web frameworks are."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


@pytest.mark.usefixtures("telemetry")
def test_return_is_a_success(captured_events: CapturedEvents) -> None:
    @audited("order.refunded", entity="order", entity_id="order_id", payload=["amount"], source="shop", kind="test")
    def refund(order_id: int, amount: str = "1.00") -> str:
        return f"{order_id}: {amount}"

    assert refund(7) == "7: 1.00"

    event = captured_events.one("order.refunded", outcome="success", entity="order", entity_id=7, user_id="ada")
    assert event.payload == {"amount": "1.00"}
    assert (event.source, event.metadata) == ("shop", {"kind": "test"})


@pytest.mark.usefixtures("telemetry")
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("hunter2"), "failure"),
        (PermissionError(), "denied"),
        (TeapotError(403), "denied"),
        (TeapotError(418), "failure"),
        (asyncio.CancelledError(), "failure"),
        (SystemExit(3), "failure"),
        (SystemExit(403), "failure"),
        (SystemExit(0), "success"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_exception_decides_the_outcome(
    captured_events: CapturedEvents, error: BaseException, outcome: Outcome, is_async: bool
) -> None:
    @audited("order.refunded")
    def plain() -> None:
        raise error

    @audited("order.refunded")
    async def coroutine() -> None:
        raise error

    async def caught() -> None:
        with pytest.raises(type(error)):
            await coroutine()

    if is_async:
        asyncio.run(caught())
    else:
        with pytest.raises(type(error)):
            plain()

    event = captured_events.one("order.refunded", outcome=outcome)
    assert event.payload == {"error": type(error).__name__}


@pytest.mark.usefixtures("telemetry")
def test_function_names_what_it_changed(captured_events: CapturedEvents) -> None:
    @audited("limit.raised", entity_id="account.id", user_id=lambda call: call.arguments["account"].owner)
    def raise_limit(account: Any) -> None:
        update_audited_call(changes={"limit": (1, 2)}, outcome="denied", payload={"checked": True}, ticket=3)

    raise_limit(SimpleNamespace(id=5, owner="eve"))

    event = captured_events.one("limit.raised", entity_id=5, user_id="eve", actor_id="ada", outcome="denied")
    assert event.payload == {"checked": True}
    assert event.metadata == {"ticket": 3}
    assert captured_events.one("limit.raised", changes={"limit": (1, 2)})
    with pytest.raises(LookupError):
        update_audited_call(outcome="success")


@pytest.mark.usefixtures("telemetry")
async def test_coroutines_side_by_side_keep_their_own(captured_events: CapturedEvents) -> None:
    @audited("job.done", entity_id="number")
    async def job(number: int) -> None:
        await asyncio.sleep(0)
        update_audited_call(mark=number)
        await asyncio.sleep(0)

    await asyncio.gather(*(job(number) for number in range(50)))

    marks = {(event.entity_id, (event.metadata or {})["mark"]) for event in captured_events.all("job.done")}
    assert marks == {(str(number), number) for number in range(50)}


@pytest.mark.usefixtures("telemetry")
def test_intent_comes_before_and_is_linked(captured_events: CapturedEvents) -> None:
    @audited("key.destroyed", entity="key", entity_id="name", intent=True)
    def destroy(name: str) -> None:
        captured_events.one("key.destroyed.intent", entity_id=name, outcome=None)
        captured_events.none("key.destroyed")

    destroy("k1")

    intent = captured_events.one("key.destroyed.intent")
    assert captured_events.one("key.destroyed", outcome="success").metadata == {"intent": str(intent.id)}


@pytest.mark.usefixtures("captured_events")
def test_nothing_happens_without_a_recorded_intent() -> None:
    done = []

    @audited("key.destroyed", user_id="ada", intent=True)
    def destroy() -> None:
        done.append(1)

    @audited("key.destroyed", user_id="ada", intent=True)
    async def destroy_async() -> None:
        done.append(1)

    with pytest.raises(LifecycleError):
        destroy()
    with pytest.raises(LifecycleError):
        asyncio.run(destroy_async())
    assert done == []


@pytest.mark.usefixtures("captured_events")
def test_missing_telemetry_never_reaches_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    @audited("order.refunded", user_id="user")
    def refund(user: str) -> int:
        return len(user)

    assert refund("hunter2") == 7
    assert "hunter2" not in caplog.text


@pytest.mark.usefixtures("telemetry")
def test_failing_part_never_reaches_the_caller(captured_events: CapturedEvents) -> None:
    def fails(call: AuditedCall) -> Any:
        raise EncryptionError(str(call))

    @audited("order.refunded", changes=fails)
    def refund() -> int:
        return 1

    assert refund() == 1
    captured_events.none("order.refunded")


@pytest.mark.usefixtures("telemetry")
def test_wrong_call_is_the_functions_own_error(captured_events: CapturedEvents) -> None:
    @audited("order.refunded", entity_id="order_id")
    def refund(order_id: int) -> int:
        return order_id

    with pytest.raises(TypeError, match="order_id"):
        refund()  # type: ignore[call-arg]
    captured_events.one("order.refunded", outcome="failure", entity_id=None)


def test_signature_is_the_functions_own() -> None:
    @audited("order.refunded")
    async def refund(order_id: int, *, amount: str = "1") -> None:
        """Refund."""

    assert str(inspect.signature(refund)) == "(order_id: 'int', *, amount: 'str' = '1') -> 'None'"
    assert inspect.iscoroutinefunction(refund)


def test_generator_is_refused() -> None:
    def values() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        audited("order.read")(values)


def test_rule_of_the_nearest_class_counts() -> None:
    class LockedError(Exception):
        pass

    class FrozenError(LockedError):
        pass

    register_outcome(LockedError, lambda _: "denied")

    assert outcome_of(FrozenError()) == "denied"
    assert outcome_of(Exception()) == "failure"
