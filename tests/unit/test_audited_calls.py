"""An event for each call of a decorated function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest

from telemetry import audit_context, audited
from telemetry.audited_calls import AuditedCall, update_audited_call
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


class DeletedOrder:
    """As a row of an ORM that is gone."""

    @property
    def id(self) -> int:
        raise LookupError


def fails(call: AuditedCall) -> Any:
    raise EncryptionError(str(call))


@pytest.mark.usefixtures("telemetry")
@pytest.mark.parametrize(
    ("parts", "member"),
    [
        ({"changes": fails}, "changes"),
        ({"payload": fails}, "payload"),
        ({"payload": ["order.id"]}, "payload"),
        ({"entity_id": "order.id"}, "entity_id"),
        ({"user_id": "order.id"}, "user_id"),
    ],
)
def test_failing_part_is_left_out(captured_events: CapturedEvents, parts: dict[str, Any], member: str) -> None:
    @audited("order.deleted", **parts)
    def delete(order: DeletedOrder) -> int:
        del order
        return 1

    assert delete(DeletedOrder()) == 1

    event = captured_events.one("order.deleted", user_id="ada", outcome="success", entity_id=None, payload={})
    assert event.adjusted == (member,)


def test_failing_user_outside_a_context(captured_events: CapturedEvents) -> None:
    @audited("order.deleted", user_id=fails)
    def delete() -> None: ...

    with Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))):
        delete()

    assert captured_events.one("order.deleted", user_id="anonymous").adjusted == ("user_id",)


@pytest.mark.usefixtures("telemetry")
@pytest.mark.parametrize("wrong", [{"outcome": "great"}, {"changes": 3}, {"wait_for": "ever"}])
def test_refused_parts_leave_the_rest(captured_events: CapturedEvents, wrong: dict[str, Any]) -> None:
    @audited("order.deleted")
    def delete() -> None:
        update_audited_call(entity_id="7", **wrong)

    delete()

    assert captured_events.one("order.deleted", user_id="ada", outcome="success").adjusted == ("payload",)


@pytest.mark.usefixtures("telemetry")
def test_exception_whose_status_raises_is_a_failure(captured_events: CapturedEvents) -> None:
    class OddError(Exception):
        @property
        def status_code(self) -> int:
            raise LookupError

    @audited("order.deleted")
    def delete() -> None:
        raise OddError

    with pytest.raises(OddError):
        delete()
    captured_events.one("order.deleted", outcome="failure", payload={"error": "OddError"})


@pytest.mark.usefixtures("telemetry")
def test_hidden_coroutine_is_logged_at_its_end(captured_events: CapturedEvents) -> None:
    async def delete() -> None:
        captured_events.none("order.deleted")
        update_audited_call(entity_id="7")
        raise PermissionError

    @audited("order.deleted")
    def hidden() -> Any:
        return delete()

    with pytest.raises(PermissionError):
        asyncio.run(hidden())
    captured_events.one("order.deleted", outcome="denied", entity_id="7")


@pytest.mark.usefixtures("telemetry")
def test_coroutine_closed_elsewhere_is_a_failure(captured_events: CapturedEvents) -> None:
    @audited("order.deleted")
    async def delete() -> None:
        await asyncio.sleep(60)

    async def throw_away() -> None:
        begun = delete()
        copy_context().run(begun.send, None)
        begun.close()

    asyncio.run(throw_away())

    captured_events.one("order.deleted", outcome="failure", payload={"error": "GeneratorExit"})


@pytest.mark.usefixtures("telemetry")
def test_wrong_call_is_the_functions_own_error(captured_events: CapturedEvents) -> None:
    @audited("order.refunded", entity_id="order_id")
    def refund(order_id: int) -> int:
        return order_id

    with pytest.raises(TypeError, match="order_id"):
        refund()  # type: ignore[call-arg]
    captured_events.one("order.refunded", outcome="failure", entity_id=None)

    @audited("order.shown", entity_id="order_id")
    async def show(order_id: int) -> int:
        return order_id

    with pytest.raises(TypeError, match="order_id"):
        asyncio.run(show())  # type: ignore[call-arg]
    captured_events.one("order.shown", outcome="failure", entity_id=None)


def test_signature_is_the_functions_own() -> None:
    @audited("order.refunded")
    async def refund(order_id: int, *, amount: str = "1") -> None:
        """Refund."""

    assert str(inspect.signature(refund)) == "(order_id: int, *, amount: str = '1') -> None"
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


class Amount:
    """Is named by an annotation, which is a text in this file."""


def test_signature_names_objects_not_texts() -> None:
    @audited("order.refunded")
    def refund(amount: Amount) -> Amount:
        return amount

    @audited("order.refunded")
    def later(amount: DefinedNowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert inspect.signature(refund).parameters["amount"].annotation is Amount
    assert inspect.signature(later).parameters["amount"].annotation == "DefinedNowhere"
