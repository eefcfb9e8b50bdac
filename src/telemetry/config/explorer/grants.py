"""Configures who gets which right in the explorer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from telemetry.config.model import ConfigModel
from telemetry.exceptions import ConfigurationError, Problem

GrantedRight = Literal["sealed", "reader", "exporter"]

_MAX_NAMES = 1_000
_MAX_NAME = 1_024


class GrantsConfig(ConfigModel):
    """Which groups and persons get which right; who is in none of the lists is refused.

    A person who is in several gets the right that allows most.

    Attributes:
        sealed_groups: Groups that see records, proofs and verdicts, and no content.
        reader_groups: Groups that read content, for a reason.
        exporter_groups: Groups that may take content away too.
        sealed_subjects: Single persons, by what identifies them, who see no content.
        reader_subjects: Single persons who read content.
        exporter_subjects: Single persons who may take content away too.
    """

    sealed_groups: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)
    reader_groups: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)
    exporter_groups: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)
    sealed_subjects: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)
    reader_subjects: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)
    exporter_subjects: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)

    @field_validator("*")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(0 < len(name.strip()) == len(name) <= _MAX_NAME for name in value):
            reason = f"has a name that is empty, has spaces around it, or more than {_MAX_NAME} characters"
            raise ConfigurationError(Problem("", reason, "write names as the source of the identities does"))
        return value
