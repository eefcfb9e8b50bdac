"""Defines what a person may do in the explorer."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """What a person may do; each right includes those before it.

    ``sealed`` sees records, proofs and verdicts, and no content. ``reader`` sees content once a reason was given and the
    read is recorded. ``exporter`` may take content away.
    """

    SEALED = "sealed"
    READ = "reader"
    EXPORT = "exporter"

    @property
    def rank(self) -> int:
        """Its place, from 0: a right includes those of a lower rank."""
        return _ORDER.index(self)

    @property
    def noun(self) -> str:
        """What a person with it is called."""
        return "sealed viewer" if self is Right.SEALED else self.value

    def includes(self, other: Right) -> bool:
        """Return whether a person with this right may do what needs the other one."""
        return self.rank >= other.rank


_ORDER = (Right.SEALED, Right.READ, Right.EXPORT)
