"""Decides when a key service that failed may be called again."""

from __future__ import annotations

import random

from telemetry.exceptions import EncryptionError, KeyServiceError

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_NEVER = float("-inf")


class RetryPace:
    """Exponential waits with jitter after failures in a row; the owner's lock protects it.

    Attributes:
        last_error: Why the last call failed; None after one that succeeded.
        failures_in_a_row: How many calls failed since the last success.
    """

    def __init__(self) -> None:
        self.last_error: KeyServiceError | None = None
        self.failures_in_a_row = 0
        self._retry_at = _NEVER

    def wait(self, now: float) -> float:
        """Return the seconds until the next call; zero if it may be made at once."""
        return max(self._retry_at - now, 0.0)

    def note_success(self) -> None:
        """Record that a call succeeded."""
        self.last_error = None
        self.failures_in_a_row = 0
        self._retry_at = _NEVER

    def note_failure(self, error: EncryptionError, now: float) -> None:
        """Record that a call failed."""
        self.last_error = error if isinstance(error, KeyServiceError) else KeyServiceError(str(error))
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self.failures_in_a_row, 16))
        self.failures_in_a_row += 1
        # The lower half is fixed: many processes that lost the service together shall not return together, nor at once.
        self._retry_at = now + random.uniform(wait / 2, wait)  # noqa: S311 - jitter, not a secret
