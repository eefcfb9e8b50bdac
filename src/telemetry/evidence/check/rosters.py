"""Checks the rosters of a pack, and finds when a witness first saw what a checkpoint signs."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime

from telemetry.evidence.check.report import Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.keys import PackKeys
from telemetry.evidence.pack.names import is_roster, roster_file
from telemetry.exceptions import FormatError, TamperedError, TelemetryError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.entries import StreamEntry, parse_entry
from telemetry.format.roster.roster import Roster, decode_roster, is_signed_by
from telemetry.reader.trust import Role, Statement, TrustPolicy
from telemetry.reader.trust.judgement import label_of

_WITNESSES = frozenset({Role.WITNESS})


class PackRosters:
    """The rosters of a pack that count: a witness that is trusted signed them.

    Args:
        policy: Who may sign what; None where nobody said: the keys of the pack are only consistent with it.
        keys: The keys inside the pack.
    """

    def __init__(self, policy: TrustPolicy | None, keys: PackKeys) -> None:
        self._policy = policy
        witnesses = keys.witnesses if policy is None else witnesses_of(policy)
        self._witnesses: dict[str, list[PublicKey]] = {}
        for key in witnesses:
            self._witnesses.setdefault(key.key_id.hex(), []).append(key)
        self._seen: dict[tuple[str, str], list[tuple[float, StreamEntry]]] = {}

    def check(self, archive: Archive, intact: Iterable[str], findings: Findings) -> None:
        """Check each roster; one of a witness that is not trusted counts for nothing, and speaks against nothing.

        1. Its leaves lead to the root that its note names.
        2. Its name is that of its key and of its place in the witness's log.
        3. The key of that id signed it.
        4. That key may sign rosters at that time, and is not revoked: no clock but its own says when.
        """
        check = findings.begin("rosters")
        names = sorted(name for name in intact if is_roster(name))
        counted = 0
        for name in names:
            try:
                counted += self._add(name, decode_roster(archive.read(name)))
            except TelemetryError as exc:
                check.add(name, str(exc))
        if names:
            check.conclude(f"{counted:,} of {len(names):,} are of a witness that is trusted; no other counts")
        else:
            check.note("there are none: only the signers' own clocks say when they signed")

    def first_seen(self, checkpoint: Checkpoint) -> float | None:
        """Return when a witness first saw what a checkpoint signs, in seconds since the epoch; None if none did."""
        seen = self._seen.get((checkpoint.producer, checkpoint.source), ())
        return min((time for time, entry in seen if covers(entry, checkpoint)), default=None)

    def _add(self, name: str, roster: Roster) -> bool:
        """Keep what a roster says; return whether it counts."""
        key_id = name.split("/")[1]
        if name != roster_file(key_id, roster.start):
            message = "it is the roster of another place in the log"
            raise TamperedError(message)
        # By the id in the name: a hostile pack cannot have every key tried on every roster.
        known = self._witnesses.get(key_id, [])
        signer = next((key for key in known if is_signed_by(roster, key)), None)
        if signer is None and known:
            message = f"it is not signed by the witness {label_of(known[0])}, whose id it has"
            raise TamperedError(message)
        if signer is None or not self._may_sign(signer, roster):
            return False
        time = datetime.fromisoformat(roster.time).timestamp()
        for entry in stream_entries(roster):
            self._seen.setdefault((entry.producer, entry.source), []).append((time, entry))
        return True

    def _may_sign(self, signer: PublicKey, roster: Roster) -> bool:
        if self._policy is None:
            return True
        statement = Statement(roles=_WITNESSES, source="", signed_at=roster.time)
        return self._policy.judge(signer, statement).accepted and not self._policy.is_revoked(signer)


def witnesses_of(policy: TrustPolicy) -> tuple[PublicKey, ...]:
    """Return the keys that may sign rosters."""
    return tuple(dict.fromkeys(key.public for key in policy.keys if Role.WITNESS in key.roles))


def covers(entry: StreamEntry, checkpoint: Checkpoint) -> bool:
    """Return whether a leaf of a witness's log says exactly what a checkpoint signs: the same size and root.

    A larger size proves nothing of a smaller one without the records between them: the checkpoint may be of another history.
    """
    return (
        (entry.producer, entry.source, entry.size) == (checkpoint.producer, checkpoint.source, checkpoint.size)
        and hmac.compare_digest(entry.root, checkpoint.root)
        and (entry.is_closed or not checkpoint.is_closing)
    )


def stream_entries(roster: Roster) -> Iterable[StreamEntry]:
    """Yield the leaves about streams that this version can read."""
    for text in roster.entries:
        try:
            entry = parse_entry(text)
        except FormatError:
            continue  # the witness's log is judged by `telemetry verify`, not here
        if isinstance(entry, StreamEntry):
            yield entry
