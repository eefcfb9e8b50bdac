"""Checks that the rest of a configuration gives away nothing of what the keys of subjects protect."""

from __future__ import annotations

from typing import Protocol

from telemetry.config.subjects.section import SubjectKeysConfig
from telemetry.exceptions import Problem


class SealingFields(Protocol):
    """What the keys of subjects depend on; ``AuditConfig`` has it."""

    @property
    def subject_keys(self) -> SubjectKeysConfig | None:
        """The section, if there is one."""

    @property
    def encryption_enabled(self) -> bool:
        """Whether events are sealed."""

    @property
    def key_mode(self) -> str:
        """Form of the Kafka key."""


def problems_of_subject_keys(audit: SealingFields) -> list[Problem]:
    """Return why subjects cannot have keys in this configuration; nothing where they have none."""
    if audit.subject_keys is None:
        return []
    problems = []
    if not audit.encryption_enabled:
        reason = "is given, and encryption_enabled is false: the keys of subjects are wrapped by the same key service"
        problems.append(Problem("subject_keys", reason, "seal the events, or leave it out"))
    if audit.key_mode != "hmac":
        reason = 'is "clear", and subject_keys is given: the Kafka key would name the subject for ever'
        problems.append(Problem("key_mode", reason, 'set it to "hmac"'))
    return problems
