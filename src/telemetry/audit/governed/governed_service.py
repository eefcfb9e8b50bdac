"""Logs events as safely as their type requires, and does what the type says where that fails."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from telemetry.audit.accept.draft.adjuster import Unfit
from telemetry.audit.governed.policies import Policies
from telemetry.audit.receipt import (
    LEVELS,
    WAITING,
    Receipt,
    allow_failure,
    limit_wait,
    mark_failed,
)
from telemetry.audit.service import AuditService, PipelineOwner, level_of, log_signature
from telemetry.catalog.policy import Policy
from telemetry.config import TelemetryConfig
from telemetry.config.audit import MIN_HMAC_SECRET_BYTES, WaitFor
from telemetry.context import FROM_CONTEXT
from telemetry.exceptions import ConfigurationError, EventError, LifecycleError, Problem, TelemetryError
from telemetry.system.backoff import Backoff
from telemetry.system.deadline import Deadline
from telemetry.system.loops.running import in_event_loop

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class GovernedService(AuditService):
    """``telemetry.audit`` where a catalogue or the configuration has policies for types.

    Args:
        owner: Owner of the pipeline.
        policies: What is required for the events of a type.
        catalog: The declared types, if there is a catalogue.
        default: Level that a call waits for which does not say so.
    """

    def __init__(
        self, owner: PipelineOwner, *, policies: Policies, catalog: AuditCatalog | None, default: WaitFor
    ) -> None:
        super().__init__(owner)
        self._policies = policies
        self._catalog = catalog
        self._default: WaitFor = default

    @log_signature
    def log(
        self,
        event_type: str,
        payload: Any,
        user_id: Any = FROM_CONTEXT,
        *,
        unfit: Unfit = "refuse",
        wait_for: WaitFor | None = None,
        **fields: Any,
    ) -> Receipt:
        """Seal an event and log it, as safely as its type requires; arguments and errors as :meth:`AuditService.log`.

        Raises:
            EventError: The type is not declared, the payload does not fit its class, or the type belongs into an outbox.
            TimeoutError: A type that blocks is not as safe as it must be within its time limit; it is still on its way.
        """
        policy = self._policies.of(event_type)
        if policy is None:
            return super().log(event_type, payload, user_id, unfit=unfit, wait_for=wait_for, **fields)
        level = self._level(policy, wait_for)
        call = _Call(self._owner, event_type, payload, user_id, fields, unfit, level)
        match policy.on_failure:
            case "count":
                return call.counted()
            case "block":
                return call.within(policy.block_seconds)
            case _:
                return call.made()

    def emit(self, event: Any, user_id: Any = FROM_CONTEXT, **fields: Any) -> Receipt:
        """Log a typed event; see :meth:`AuditService.emit`."""
        if self._catalog is None:
            return super().emit(event, user_id, **fields)
        return self.log(self._catalog.of(event).name, event, user_id, **fields)

    def _with(self, owner: PipelineOwner) -> AuditService:
        return GovernedService(owner, policies=self._policies, catalog=self._catalog, default=self._default)

    def _level(self, policy: Policy, wait_for: WaitFor | None) -> int:
        if policy.delivery == "transactional":
            message = "the type is transactional: seal the event in the transaction that it is about (docs/outbox.md)"
            raise EventError(message)
        default = LEVELS[self._default]
        asked = default if wait_for is None else level_of(wait_for, default=default)
        return max(asked, LEVELS[policy.delivery])


class _Call:
    """One call of ``log()``."""

    __slots__ = ("_arguments", "_level", "_owner")

    def __init__(
        self,
        owner: PipelineOwner,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit,
        level: int,
    ) -> None:
        self._owner = owner
        self._arguments = (event_type, payload, user_id, fields, unfit, level)
        self._level = level

    def made(self) -> Receipt:
        """Log the event; raise where that fails."""
        receipt = self._owner.pipeline().offer(*self._arguments)
        if not receipt.is_at_least(self._level) and not in_event_loop():
            receipt.wait()
        return receipt

    def counted(self) -> Receipt:
        """Log the event; count it as lost where that fails, and go on."""
        pipeline = self._owner.pipeline()
        try:
            receipt = pipeline.offer(*self._arguments)
        except LifecycleError:
            raise  # the program is wrong, and not the day
        except TelemetryError as exc:
            pipeline.forgo(exc)
            receipt = Receipt("", _asked=self._level, _level=WAITING)
            mark_failed(receipt, exc)
            allow_failure(receipt)
            return receipt
        allow_failure(receipt)
        if not receipt.is_at_least(self._level) and not in_event_loop():
            receipt.wait()
        return receipt

    def within(self, seconds: float) -> Receipt:
        """Log the event, and wait for at most so many seconds; in an event loop the ``await`` waits."""
        if in_event_loop():
            receipt = self._owner.pipeline().offer(*self._arguments)
            limit_wait(receipt, seconds)
            return receipt
        deadline = Deadline(seconds)
        backoff = Backoff(first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        while True:
            try:
                return self._owner.pipeline().offer(*self._arguments).wait(deadline.remaining)
            except TelemetryError as exc:
                # What was accepted has its number and cannot be logged again; an error that stays is no use to wait for.
                if not exc.retriable or deadline.is_over:
                    raise
            time.sleep(min(backoff.next(), deadline.remaining))


def service_of(owner: PipelineOwner, config: TelemetryConfig, catalog: AuditCatalog | None) -> AuditService:
    """Return ``telemetry.audit`` for a configuration and a catalogue.

    Raises:
        ConfigurationError: The catalogue cannot be used with the configuration.
    """
    audit = config.audit_config
    if catalog is None and not audit.event_policies:
        return AuditService(owner)
    if catalog is not None:
        _require_fit(catalog, config)
    return GovernedService(
        owner, policies=Policies(catalog, audit.event_policies), catalog=catalog, default=audit.wait_for
    )


def _require_fit(catalog: Any, config: TelemetryConfig) -> None:
    from telemetry.catalog.catalog import AuditCatalog  # noqa: PLC0415 - loaded by now, by the module that declares the types

    if not isinstance(catalog, AuditCatalog):
        raise ConfigurationError(Problem("catalog", f"is of type {type(catalog).__name__}", "give an AuditCatalog"))
    secret = config.audit_config.key_hmac_secret
    length = len(secret.get_secret_value().encode()) if secret is not None else 0
    if catalog.needs_secret and length < MIN_HMAC_SECRET_BYTES:
        reason = f'is required by the catalogue (show="hmac"), at least {MIN_HMAC_SECRET_BYTES} bytes'
        raise ConfigurationError(Problem("audit_config.key_hmac_secret", reason, "read one from your secret store"))
