"""Checks the store of the subjects' keys: whether it can be used, opens, and has nothing left to finish."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from telemetry.config import TelemetryConfig
from telemetry.doctor.report import CheckResult, Status
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.subjects.store.opening import open_store
from telemetry.encryption.subjects.store.rows import Counts
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.exceptions import EncryptionError, SubjectTableError, TelemetryError
from telemetry.format.value.message import source_of

_CHECK = "subject_store"
_TRIAL_SECONDS = 1.0


def subject_results(config: TelemetryConfig) -> Iterator[CheckResult]:
    """Connect, take and end a trial lease, unwrap this service's store key, and count; nothing where there is no store."""
    section = config.audit_config.subject_keys
    if section is None:
        return
    try:
        with open_store(section) as store:
            store.check()
            _take_trial_lease(store)
            yield _opened(config, store)
            yield from _unfinished(store.counts())
    except SubjectTableError as exc:
        remedy = "run `telemetry subject init`, or check the rights of its user"
        yield CheckResult.failed(_CHECK, exc, remedy=remedy, exit_code=EncryptionError.exit_code)
    except TelemetryError as exc:
        remedy = "check audit_config.subject_keys, and the right to unwrap for the purpose telemetry-subjects"
        yield CheckResult.failed(_CHECK, exc, remedy=remedy, exit_code=EncryptionError.exit_code)


def _take_trial_lease(store: SubjectStore) -> None:
    holder = f"doctor-{secrets.token_hex(8)}"
    # With the last change as seen, so that nothing waits for it.
    store.renew(holder, described="doctor", seen_epoch=store.changes(0).epoch, seconds=_TRIAL_SECONDS)
    store.end_lease(holder)


def _opened(config: TelemetryConfig, store: SubjectStore) -> CheckResult:
    place = "PostgreSQL" if store.is_shared else "a SQLite file, for processes of this host alone"
    encryption = config.audit_config.encryption_config
    if encryption is None:
        return CheckResult(_CHECK, Status.OK, f"{place}, can be used")
    with EncryptionProviderFactory.create(encryption) as provider:
        keys = StoreKeys(store, provider)
        known = keys.find_lookup_secret(source_of(config.environment, config.service_name)) is not None
    opened = "its store key opens" if known else "this service has no subjects in it yet"
    return CheckResult(_CHECK, Status.OK, f"{place}, can be used; {opened}")


def _unfinished(counts: Counts) -> Iterator[CheckResult]:
    said = f"{counts.active} subjects, {counts.forgotten} forgotten, {counts.held} held; {counts.holders} processes have leases"
    if not counts.forgetting:
        yield CheckResult("subjects", Status.OK, said)
        return
    message = f"the keys of {counts.forgetting} subjects wait for their destruction"
    remedy = (
        "run `telemetry subject forget --pending`; a hold, or a process that does not end its lease, may be in the way"
    )
    yield CheckResult("subjects", Status.WARNING, message, remedy)
