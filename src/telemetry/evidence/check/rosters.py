"""Checks the rosters of a pack, and finds when a witness first saw what a checkpoint signs."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime

from telemetry.evidence.check.report import UNPROVEN, Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.keys import PackKeys
from telemetry.evidence.pack.names import is_roster, roster_file
from telemetry.exceptions import FormatError, TamperedError, TelemetryError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.entries import StreamEntry, parse_entry
from telemetry.format.roster.roster import Roster, decode_roster, is_signed_by
from telemetry.reader.trust import Role, Statement, TrustPolicy

_WITNESSES = frozenset({Role.WITNESS})


class PackRosters:
    """The rosters of a pack whose signatures hold.

    Args:
        policy: Who may sign what; None where nobody said: the keys of the pack are only consistent with it.
        keys: The keys inside the pack.
    """

    def __init__(self, policy: TrustPolicy | None, keys: PackKeys) -> None:
        self._policy = policy
        self._keys = keys.witnesses if policy is None else witnesses_of(policy)
        self._seen: dict[tuple[str, str], list[tuple[float, StreamEntry]]] = {}

    def check(self, archive: Archive, intact: Iterable[str], findings: Findings) -> None:
        """Check each roster.

        1. Its leaves lead to the root that its note signs.
        2. A witness that is trusted signed it, inside the dates of its key.
        3. Its name is that of its key and of its place in the witness's log.
        """
        check = findings.begin("rosters")
        names = sorted(name for name in intact if is_roster(name))
        if not names:
            check.note("there are none: only the signers' own clocks say when they signed")
            return
        held = 0
        for name in names:
            try:
                self._add(name, decode_roster(archive.read(name)))
            except TelemetryError as exc:
                is_unknown = self._policy is not None and not self._keys
                check.add(name, str(exc), exit_code=UNPROVEN if is_unknown else exc.exit_code)
            else:
                held += 1
        check.conclude(f"{held:,} of {len(names):,} are signed by a witness that is trusted")

    def first_seen(self, checkpoint: Checkpoint) -> float | None:
        """Return when a witness first saw what a checkpoint signs, in seconds since the epoch; None if none did."""
        times = [
            time
            for time, entry in self._seen.get((checkpoint.producer, checkpoint.source), ())
            if covers(entry, checkpoint)
        ]
        return min(times, default=None)

    def _add(self, name: str, roster: Roster) -> None:
        signer = next((key for key in self._keys if is_signed_by(roster, key)), None)
        if signer is None:
            message = f"no witness that is trusted signed it; it is of the log {roster.origin}"
            raise TamperedError(message)
        if self._policy is not None:
            statement = Statement(roles=_WITNESSES, source="", signed_at=roster.time)
            judgement = self._policy.judge(signer, statement)
            if not judgement.accepted:
                message = f"its signer is not believed: {judgement.signer}: {judgement.why}"
                raise TamperedError(message)
        if name != roster_file(signer.key_id.hex(), roster.start):
            message = "it is the roster of another place or of another witness"
            raise TamperedError(message)
        time = datetime.fromisoformat(roster.time).timestamp()
        for entry in stream_entries(roster):
            self._seen.setdefault((entry.producer, entry.source), []).append((time, entry))


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
