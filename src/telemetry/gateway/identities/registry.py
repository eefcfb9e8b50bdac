"""Recognizes callers by certificate, token or user."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime

from telemetry.gateway.caller import Caller, Channel
from telemetry.gateway.identities.entries import IdentityEntry
from telemetry.gateway.identities.token import digest_of, token_id


class Identities:
    """Those who may call; never changed after it was built.

    Args:
        entries: What the file says, checked.

    Attributes:
        count: How many identities there are.
    """

    def __init__(self, entries: Iterable[IdentityEntry]) -> None:
        listed = tuple(entries)
        self.count = len(listed)
        self._by_certificate = {name: _caller(entry, name, "mtls") for entry in listed for name in entry.certificates}
        self._by_uid = {uid: _caller(entry, f"uid:{uid}", "unix") for entry in listed for uid in entry.uids}
        digests = [(bytes.fromhex(token.sha256), token.not_after, entry) for entry in listed for token in entry.tokens]
        self._tokens = tuple(
            (digest, not_after, _caller(entry, token_id(digest), "token")) for digest, not_after, entry in digests
        )

    def of_certificate(self, names: Iterable[str]) -> Caller | None:
        """Return the caller with a certificate of these names.

        Returns:
            None if no name is known, or if the names belong to several identities.
        """
        found = [caller for caller in (self._by_certificate.get(name) for name in names) if caller is not None]
        return found[0] if len({caller.service for caller in found}) == 1 else None

    def of_uid(self, uid: int) -> Caller | None:
        """Return the caller that is this user of the machine; None if there is none."""
        return self._by_uid.get(uid)

    def of_token(self, token: str, *, now: datetime | None = None) -> tuple[Caller | None, bool]:
        """Return the caller with a token, and whether the token is one that has expired.

        Every entry is compared, in constant time, so that the time tells neither whether nor where one was found.
        """
        moment = now or datetime.now(UTC)
        digest = digest_of(token)
        found: Caller | None = None
        is_expired = False
        for known, not_after, caller in self._tokens:
            if hmac.compare_digest(known, digest):
                found, is_expired = (caller, False) if moment <= not_after else (None, True)
        return found, is_expired


def _caller(entry: IdentityEntry, identity: str, channel: Channel) -> Caller:
    return Caller(identity, entry.service, channel, entry.max_events_per_second)
