"""Checks that the rest of a configuration gives away nothing of what the keys of subjects protect."""

from __future__ import annotations

from typing import Protocol

from telemetry.config.subjects.section import SubjectKeysConfig
from telemetry.exceptions import Problem
from telemetry.format.value.subject.split import SHOWABLE_FIELDS


class SealingFields(Protocol):
    """What the keys of subjects depend on; ``AuditConfig`` has it."""

    @property
    def subject_keys(self) -> SubjectKeysConfig | None:
        """The section, if there is one."""

    @property
    def key_mode(self) -> str:
        """Form of the Kafka key."""

    @property
    def clear_fields(self) -> tuple[str, ...]:
        """Fields that are shown outside the sealed part."""

    @property
    def disclosable(self) -> bool:
        """Whether each event commits to its content outside."""


def problems_of_subject_keys(audit: SealingFields) -> list[Problem]:
    """Return why subjects cannot have keys in this configuration; nothing where they have none."""
    if audit.subject_keys is None:
        return []
    problems = []
    if audit.key_mode != "hmac":
        reason = 'is "clear", and subject_keys is given: the Kafka key would name the subject for ever'
        problems.append(Problem("key_mode", reason, 'set it to "hmac"'))
    lasting = [name for name in audit.clear_fields if name not in SHOWABLE_FIELDS]
    if lasting:
        reason = f"shows {', '.join(lasting)}, which would be in the clear for ever: a person can be recognized by it"
        remedy = f"with subject_keys it may show {', '.join(sorted(SHOWABLE_FIELDS))}"
        problems.append(Problem("clear_fields", reason, remedy))
    if audit.disclosable:
        reason = "is true, and subject_keys is given: a disclosure shows the sealed bytes, in which the content is sealed again"
        problems.append(Problem("disclosable", reason, "leave one of them out"))
    return problems
