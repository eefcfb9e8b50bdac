"""Finds out what the seals of an archive say, and whether they are believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.archive.live_files import LiveFile
from telemetry.format.archive.seal import Seal
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.seals.chain import judge_chain
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.judgement import ChainJudgement
from telemetry.reader.seals.store import SealStore
from telemetry.reader.seals.trust import SealTrust
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import Finding, Verdict
from telemetry.storage import StorageProvider

_NOT_JUDGED = (
    "the seals of the archive are not judged, because no key with the role archiver is trusted: nothing says that no whole "
    "producer and no file was removed, and events that ended by a policy count as missing"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedState:
    """An archive as its seals describe it.

    Attributes:
        seal: The last seal.
        files: The live files, in the order in which they are read.
        is_judged: Somebody is trusted to sign seals; else nothing that they say is believed.
        judgement: What can be said of the seals.
    """

    seal: Seal
    files: tuple[LiveFile, ...]
    is_judged: bool
    judgement: ChainJudgement

    def believes(self, live: LiveFile) -> bool:
        """Return whether a trusted seal brought a file."""
        return self.is_judged and self.judgement.believed(live.number)

    def findings(self, *, redacted: int, ended: int) -> Iterator[Finding]:
        """Yield what is wrong with the seals, and with what they do not know of.

        Args:
            redacted: Redacted events that were found.
            ended: Events that were found to have ended.
        """
        if not self.is_judged:
            yield Finding(Verdict.UNVERIFIABLE, _NOT_JUDGED, place="evidence/seals", field="signature")
            if redacted:
                reason = f"{redacted} events are redacted, and no seal that is believed says so"
                yield Finding(Verdict.UNVERIFIABLE, reason, field="redacted")
            return
        yield from self.judgement.findings
        counts = self.judgement.counts
        for found, sealed, what in ((redacted, counts.redacted, "redacted"), (ended, counts.ended, "ended")):
            if found > sealed:
                reason = f"{found} events are {what}, and the seals say so of {sealed}"
                yield Finding(Verdict.TAMPERED, reason, field=what)


def read_seals(
    store: StorageProvider,
    policy: TrustPolicy,
    *,
    name: str,
    expected: Sequence[ExpectedSeal] = (),
    histories: Sequence[RosterHistory] = (),
) -> SealedState:
    """Read all seals of an archive.

    Args:
        store: Its store.
        policy: Who may sign what.
        name: What the archive is called in messages.
        expected: Seals that must be there.
        histories: Logs of witnesses.

    Raises:
        ConfigurationError: There is no seal, so it is no archive.
        StorageError: The store refused or did not answer.
    """
    judgement = judge_chain(SealStore(store), policy, expected=expected, histories=histories)
    if judgement.last is None:
        reason = f"{name} has no seal, so it is no archive, or a part of it was not copied"
        raise ConfigurationError(Problem("--archive", reason, "name the place that `telemetry archive` writes to"))
    live = judgement.live
    return SealedState(
        seal=judgement.last.seal,
        files=tuple(live[file.name] for file in live.files()),
        is_judged=SealTrust(policy).names_archivers,
        judgement=judgement,
    )
