"""Decides which right a person gets, from the lists of the configuration."""

from __future__ import annotations

from collections.abc import Collection

from telemetry.config.explorer.grants import GrantsConfig
from telemetry.explorer.access.person import How, Person
from telemetry.explorer.access.refused import FORBIDDEN, Refused
from telemetry.explorer.access.right import Right

MAX_SUBJECT = 1_024
"""Characters of what identifies a person: those of a ``user_id``."""
_MAX_NAME = 200
_NO_GRANT = (
    "You have signed in, and no list of the explorer grants you a right. Ask the person who administers it to add you, or one "
    "of your groups."
)
_NO_SUBJECT = (
    "The sign-in does not say who you are, or not in a form that can be recorded. Ask the person who administers it."
)


class Grants:
    """Who gets which right.

    Args:
        config: The lists.
    """

    def __init__(self, config: GrantsConfig) -> None:
        self._groups = {
            Right.EXPORT: frozenset(config.exporter_groups),
            Right.READ: frozenset(config.reader_groups),
            Right.SEALED: frozenset(config.sealed_groups),
        }
        self._subjects = {
            Right.EXPORT: frozenset(config.exporter_subjects),
            Right.READ: frozenset(config.reader_subjects),
            Right.SEALED: frozenset(config.sealed_subjects),
        }

    def person(self, subject: str, *, name: str, groups: Collection[str], how: How) -> Person:
        """Return the person with the right that allows most.

        Args:
            subject: What identifies the person.
            name: Name for the screen; the subject if it is empty or odd.
            groups: The person's groups.
            how: How the person has signed in.

        Raises:
            Refused: No list names the person, or a group of theirs; or the subject cannot be recorded.
        """
        if not _is_plain(subject, MAX_SUBJECT):
            raise Refused(FORBIDDEN, "no_subject", _NO_SUBJECT)
        right = next((right for right in self._groups if self._is_granted(right, subject, groups)), None)
        if right is None:
            raise Refused(FORBIDDEN, "no_grant", _NO_GRANT)
        return Person(subject=subject, name=name if _is_plain(name, _MAX_NAME) else subject, right=right, how=how)

    def _is_granted(self, right: Right, subject: str, groups: Collection[str]) -> bool:
        return subject in self._subjects[right] or not self._groups[right].isdisjoint(groups)


def _is_plain(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.strip() == text and text.isprintable()
