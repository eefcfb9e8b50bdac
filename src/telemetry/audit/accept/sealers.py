"""Chooses what seals the events of a stream, and what fetches the keys for it."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.audit.accept.encryptor import AuditEncryptor, ClearEncoder, NoSealer
from telemetry.audit.accept.key_supply import ReadyKeys
from telemetry.audit.accept.stream import KeySource, Sealer
from telemetry.audit.accept.subject.sealing import Subjects
from telemetry.config import AuditConfig


class Sealing(NamedTuple):
    """What seals the events of a stream.

    Attributes:
        sealer: Seals them.
        keys: Fetches its keys; None where nothing is encrypted.
    """

    sealer: Sealer
    keys: KeySource | None


def sealing_of(config: AuditConfig, keys: ReadyKeys | None, *, source: str, subjects: Subjects | None) -> Sealing:
    """Return what seals the events of a stream.

    Args:
        config: Says whether the process logs events itself.
        keys: The data keys of the stream; None where it encrypts nothing.
        source: CloudEvents source of every event.
        subjects: The keys of its subjects; None where they have none.
    """
    if config.relay_only:
        return Sealing(NoSealer(), keys)
    if keys is None:
        return Sealing(ClearEncoder(source=source), None)
    if subjects is None:
        return Sealing(AuditEncryptor(keys.keyring, source=source), keys)
    # A service whose subjects have no keys does not load this.
    from telemetry.audit.accept.subject.both_keys import BothKeys  # noqa: PLC0415
    from telemetry.audit.accept.subject.encryptor import SubjectEncryptor  # noqa: PLC0415

    sealer = SubjectEncryptor(keys.keyring, source=source, subjects=subjects)
    return Sealing(sealer, BothKeys(keys, subjects))
