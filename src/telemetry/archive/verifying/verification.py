"""Verifies an archive: its seals and data files, and the records in it by the verifier that verifies a topic."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from telemetry.archive.reading.place import archive_name, open_archive_store
from telemetry.archive.verifying.planning import ArchiveIndex
from telemetry.archive.verifying.processes import run_shares
from telemetry.archive.verifying.sealed_state import SealedState, read_seals
from telemetry.archive.verifying.share import Share, SharedFile, ShareResult
from telemetry.archive.verifying.share_run import verify_share
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveError
from telemetry.reader.entry import RawRecord
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.parted.streams_part import StreamsPart
from telemetry.reader.verify.sealed.archive_evidence import ArchiveEvidence
from telemetry.reader.verify.shared.share_verifier import claimed_producer, first_sources
from telemetry.reader.verify.trail_report import Evidence, VerifiedPart
from telemetry.reader.verify.verdicts import Acknowledgements, Finding, Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.reader.verify.witnessed.witnessed_trail import WitnessedTrail
from telemetry.storage import StorageProvider
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay, StepProgress

LARGE_ROWS = 500_000
"""Rows from which on several processes are worth their start, which takes about a second."""

_NO_STREAMS = StreamsPart(trusted={}, young={})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRequest:
    """What is wanted of the verification of an archive; the names are those of :class:`Verifier`.

    Attributes:
        policy: Who may sign what.
        jobs: Processes that verify; None for one for each processor where the archive is large.
        is_leaves_only: The leaf hashes are verified as they are in the archive, and no value is read.
        open_seconds: A producer whose last checkpoint is not older counts as still running.
        from_start: The archive begins where the topic began.
        expected: Least number of producers of each source.
        acknowledged: Findings that shall not count.
        witnessed: What witnesses saw of the trail.
        seals: Seals that must be there.
        histories: Logs of the witnesses, which may have seen the seals.
    """

    policy: TrustPolicy
    jobs: int | None = None
    is_leaves_only: bool = False
    open_seconds: float = 0.0
    from_start: bool = True
    expected: Mapping[str, int] = field(default_factory=dict)
    acknowledged: Acknowledgements | None = None
    witnessed: WitnessedTrail | None = None
    seals: Sequence[ExpectedSeal] = ()
    histories: Sequence[RosterHistory] = ()


def verify_archive(
    storage: StorageConfig,
    request: ArchiveRequest,
    *,
    now: datetime | None = None,
    progress: ProgressDisplay = NO_PROGRESS,
) -> VerificationReport:
    """Verify an archive; return the report that its records would get on the topic, and what is wrong with its seals.

    Args:
        storage: The archive's store.
        request: What is wanted.
        now: When the reading began, with its time zone.
        progress: Shows how far it is.

    Raises:
        ConfigurationError: There is no archive.
        TamperedError: A seal that says which files are live is absent or not believed.
        StorageError: The store refused or did not answer.
        ArchiveError: A process that verified a share was killed.
    """
    with open_archive_store(storage) as store, progress.step("verifying") as step:
        state = read_seals(
            store,
            request.policy,
            name=archive_name(storage),
            expected=request.seals,
            histories=request.histories,
        )
        step.expect(sum(one.file.rows for one in state.files))
        return _ArchiveVerification(storage, store, request, state, step).report(now)


class _ArchiveVerification:
    """One verification.

    Args:
        storage: The archive's store, as other processes open it.
        store: The store.
        request: What is wanted.
        state: The archive, as its seals describe it.
        step: Shows how many rows were read.
    """

    def __init__(
        self,
        storage: StorageConfig,
        store: StorageProvider,
        request: ArchiveRequest,
        state: SealedState,
        step: StepProgress,
    ) -> None:
        self._storage = storage
        self._store = store
        self._request = request
        self._state = state
        self._step = step
        self._policy = request.policy
        is_large = sum(one.file.rows for one in state.files) >= LARGE_ROWS
        self._jobs = request.jobs or ((os.cpu_count() or 1) if is_large else 1)
        self._index: ArchiveIndex | None = None

    def report(self, now: datetime | None) -> VerificationReport:
        """Return the report.

        1. Each share of the producers is verified by itself, in the order of the sequences.
        2. If the shares do not know enough by themselves, they are verified again: in one process, or with each key bound
           to the service that it signed for first.
        3. Producers whose records are not in the order of their places, and those of records that were in the rows of
           other producers, are verified again, in the order of their places.
        4. What was collected is judged as one trail.
        """
        # 1. and 2.
        results = self._verified_in_shares()
        self._require_unchanged(results)
        verifier = Verifier(
            self._policy,
            open_seconds=self._request.open_seconds,
            from_start=self._request.from_start,
            expected=self._request.expected,
            acknowledged=self._request.acknowledged,
            witnessed=self._request.witnessed,
        )
        # 3.
        strays = [stray for result in results for stray in result.strays]
        again = frozenset().union(*(result.disordered for result in results)) | _producers_of(strays)
        for result in results:
            verifier.join(replace(result.part, streams=result.part.streams.without(again)))
        if again:
            for result in self._run(self._shares_again(again, results)):
                # What they hold besides streams was counted when they were read first.
                verifier.join(VerifiedPart(records=0, streams=result.part.streams, evidence=Evidence()))
            verifier.join(_evidence_of(strays, self._policy))
        # 4.
        verifier.join(_findings_part(self._findings(results)))
        for topic, positions in self._state.seal.positions.items():
            for partition, end in positions.items():
                verifier.note_bounds(topic, partition, low=0, high=end)
        report = verifier.report(now=now)
        removed = {"redacted": report.total("redacted"), "ended": report.total("ended")}
        # Only the report says how much was removed; what the seals say of it is judged like everything else.
        verifier.join(_findings_part(self._state.findings(**removed)))
        report = verifier.report(now=now)
        return replace(report, archive=self._evidence(**removed))

    def _verified_in_shares(self) -> list[ShareResult]:
        results = self._run(self._shares(self._jobs))
        # Without a trusted stream nothing tells genuine producers from invented ones, and then all of them matter.
        if len(results) > 1 and (
            any(result.has_too_many_strays for result in results)
            or not any(result.part.streams.trusted for result in results)
        ):
            results = self._run(self._shares(1))
        several = first_sources(result.signings for result in results)
        if not several:
            return results
        self._policy = self._request.policy.afresh()
        for key, source in several:
            self._policy.bind(key, source)
        return self._run(self._shares(max(len(results), 1)))

    def _require_unchanged(self, results: Sequence[ShareResult]) -> None:
        """Raise an error if a file is absent because it was replaced while it was verified.

        Raises:
            ArchiveError: It was.
        """
        absent = {one.place for result in results for one in result.findings if one.verdict is Verdict.MISSING}
        if not absent:
            return
        now = read_seals(self._store, self._request.policy, name=archive_name(self._storage))
        if now.seal.number > self._state.seal.number and not absent <= set(now.judgement.live):
            message = (
                f"{archive_name(self._storage)} was compacted while it was verified (seal {now.seal.number} replaced files of "
                f"seal {self._state.seal.number}), so nothing is reported; run it again, and let keep_removed_seconds be longer "
                "than a verification takes"
            )
            raise ArchiveError(message)

    def _findings(self, results: Sequence[ShareResult]) -> Iterator[Finding]:
        """Yield which files are not what was sealed, and which trees that were sealed are absent."""
        for result in results:
            yield from result.findings
        if not self._state.is_judged:
            return
        sealed = self._state.judgement.trees
        for result in results:
            for digest in result.rosters:
                sealed.saw_roster(digest)
            for name, trees in result.trees.items():
                for tree in trees:
                    sealed.saw(**name._asdict(), **tree._asdict())
        # Rosters are not read where no values are.
        is_leaves_only = self._request.is_leaves_only
        yield from (one for one in sealed.findings() if not (is_leaves_only and one.field == "roster"))

    def _run(self, shares: Sequence[Share]) -> list[ShareResult]:
        if len(shares) > 1:
            return run_shares(self._storage, shares, progress=self._step)
        return [verify_share(self._store, share, count=self._step) for share in shares]

    def _shares(self, jobs: int) -> list[Share]:
        """Return the shares of all producers."""
        divided = self._indexed().divide(jobs) if jobs > 1 else []
        if len(divided) <= 1:
            return [self._share(None, number=0, shares=1)]
        return [self._share(producers, number=number, shares=len(divided)) for number, producers in enumerate(divided)]

    def _shares_again(self, producers: frozenset[str], results: Sequence[ShareResult]) -> list[Share]:
        """Return the shares of producers that are verified in the order of their places."""
        divided = self._indexed().divide(self._jobs, only=producers)
        # Producers that no row names at all: only their strays are there.
        named = frozenset().union(*divided)
        divided = [*divided[:-1], divided[-1] | (producers - named)] if divided else [producers]
        displaced = [each for result in results for each in result.displaced.items()]
        also = frozenset(place for place, producer in displaced if producer in producers)
        is_by_value = any(result.has_too_many_displaced for result in results)
        return [
            replace(
                self._share(share, number=-1, shares=len(divided), reads_all=bool(also) or is_by_value),
                has_rest=False,
                is_in_order_of_places=True,
                also=also,
                is_by_value=is_by_value,
            )
            for share in divided
        ]

    def _share(self, producers: frozenset[str] | None, *, number: int, shares: int, reads_all: bool = False) -> Share:
        request, state = self._request, self._state
        files = [
            SharedFile(
                live=one,
                groups=None
                if producers is None or reads_all
                else self._indexed().groups_of(one.file.name, producers, has_rest=number == 0),
                is_believed=state.believes(one),
                is_hashed=state.is_judged and place % shares == number,
            )
            for place, one in enumerate(state.files)
        ]
        return Share(
            policy=self._policy,
            witnessed=request.witnessed,
            name=archive_name(self._storage),
            files=tuple(files),
            producers=producers,
            has_rest=number == 0,
            is_leaves_only=request.is_leaves_only,
            collects_trees=state.is_judged,
        )

    def _indexed(self) -> ArchiveIndex:
        if self._index is None:
            self._index = ArchiveIndex(self._store, (one.file.name for one in self._state.files))
        return self._index

    def _evidence(self, *, redacted: int, ended: int) -> ArchiveEvidence:
        seal = self._state.seal
        return ArchiveEvidence(
            name=archive_name(self._storage),
            seal=seal.number,
            sealed_at=seal.time,
            is_judged=self._state.is_judged,
            notes=self._state.judgement.notes if self._state.is_judged else (),
            files=len(self._state.files),
            rows=seal.rows,
            redacted=redacted,
            ended=ended,
            jobs=self._jobs,
            is_leaves_only=self._request.is_leaves_only,
        )


def _producers_of(strays: Sequence[RawRecord]) -> frozenset[str]:
    claimed = (claimed_producer(stray.value) for stray in strays)
    return frozenset(producer for producer in claimed if producer is not None)


def _evidence_of(strays: Sequence[RawRecord], policy: TrustPolicy) -> VerifiedPart:
    """Return what strays say besides what belongs to streams; each record says it by itself."""
    verifier = Verifier(policy)
    verifier.observe_all(strays)
    return replace(verifier.part(), streams=_NO_STREAMS)


def _findings_part(findings: Iterable[Finding]) -> VerifiedPart:
    evidence = Evidence()
    for finding in findings:
        evidence.findings.add(finding)
    return VerifiedPart(records=0, streams=_NO_STREAMS, evidence=evidence)
