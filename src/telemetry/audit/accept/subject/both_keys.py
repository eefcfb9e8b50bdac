"""Fetches what the events that wait lack: keys of their subjects, or a data key."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from telemetry.audit.accept.key_supply import ReadyKeys
from telemetry.audit.accept.stream import KeyWaiters
from telemetry.audit.accept.subject.sealing import Subjects
from telemetry.exceptions import EncryptionError, TelemetryError

_MOST_SUBJECTS = 500
"""Subjects of one request."""


class BothKeys:
    """The data keys and the subjects' keys of one stream; a ``KeySource``.

    Args:
        keys: The data keys.
        subjects: The keys of the subjects.
    """

    def __init__(self, keys: ReadyKeys, subjects: Subjects) -> None:
        self._keys = keys
        self._subjects = subjects
        self._request_lock = threading.Lock()
        self._lacks_subject = False

    def request(self, waiters: KeyWaiters) -> None:
        """Fetch a data key; where there is one, the keys of all subjects that wait, in one request.

        While a request is on its way, further ones are dropped: its result is for every call that waits, and who lacks
        something else then asks again.
        """
        if not self._keys.keyring.has_usable_key:
            self._lacks_subject = False
            self._keys.request(waiters)
            return
        if not self._request_lock.acquire(blocking=False):
            return
        waiting = waiters.waiting_subjects()[:_MOST_SUBJECTS]
        lacking = [user_id for user_id in waiting if self._subjects.take(user_id) is None]
        self._lacks_subject = bool(lacking)
        if not lacking:
            self._request_lock.release()
            self._keys.request(waiters)
            return

        def finish(future: Future[None]) -> None:
            # Released first: the waiters may lack another subject's key by now.
            self._request_lock.release()
            error = future.exception()
            if error is None:
                waiters.key_arrived()
            elif isinstance(error, TelemetryError):
                waiters.key_unavailable(error)
            else:
                waiters.key_unavailable(EncryptionError("the keys of subjects are not available"))

        self._subjects.request(lacking).add_done_callback(finish)

    def missing(self) -> EncryptionError:
        """Return the error for an event that waited too long for a key."""
        return self._subjects.missing() if self._lacks_subject else self._keys.missing()
