"""Judges the seals of an archive, from the first to the last: signatures, chain, offsets, files and counts."""

from __future__ import annotations

import hmac
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from telemetry.exceptions import TamperedError
from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.offsets import beginnings
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.archive.succession import ArchiveState, file_problems, identity_problems, offset_problems
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.judgement import ChainJudgement, SealCounts
from telemetry.reader.seals.signatures import Signatures
from telemetry.reader.seals.store import SealStore, StoredSeal, UnreadSeal
from telemetry.reader.seals.trees import SealedTrees
from telemetry.reader.seals.trust import SealTrust
from telemetry.reader.seals.witnessed import OutsideSeals
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import Finding, FindingList, Verdict

_MAX_PROBLEMS = 20
"""Problems of one seal that are named; one is enough."""


def judge_chain(
    seals: SealStore,
    policy: TrustPolicy,
    *,
    expected: Sequence[ExpectedSeal] = (),
    histories: Sequence[RosterHistory] = (),
    since: ExpectedSeal | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ChainJudgement:
    """Return what the seals of an archive say, and whether it is believed.

    It needs only the seals, not the data files. Memory holds the live files and some 280 bytes for each stream.

    Args:
        seals: The seals.
        policy: Who may sign them: keys with the role archiver, or any key that was named without rights.
        expected: Seals that must be there.
        histories: Logs of witnesses that are believed.
        since: A seal that was judged before: only later ones are read, and those that are needed to know its live files. Trees
            that earlier seals name are not compared then.
        progress: Called with the number of seals that were read, and with their number in all.

    Raises:
        TamperedError: The seal that was judged before is not there any more, or is not believed.
        StorageError: The store refused or did not answer.
    """
    numbers = seals.numbers()
    judge = SealJudge(policy, OutsideSeals(histories, expected))
    first = 0
    if since is not None:
        judge.begin(_judged_before(seals, policy, since))
        first = since.number + 1
        numbers = numbers[bisect_left(numbers, first) :]
    for count, stored in enumerate(_present(seals, numbers, first), 1):
        judge.add(stored)
        if progress is not None:
            progress(count, len(numbers))
    return judge.judgement()


def _judged_before(seals: SealStore, policy: TrustPolicy, since: ExpectedSeal) -> tuple[StoredSeal, ArchiveState]:
    state = fold(seals, number=since.number, policy=policy)
    if state is None or (since.digest and not hmac.compare_digest(state.digest, since.digest)):
        message = f"{seal_name(since.number)} is not the seal that was judged before: it was exchanged"
        raise TamperedError(message)
    return seals.read(since.number), state


def _present(seals: SealStore, numbers: Iterable[int], expected: int) -> Iterator[StoredSeal | UnreadSeal]:
    """Yield the seals, and one unread seal for each hole: a planted last name must not make a hole of a day's work."""
    for stored in seals.read_all(numbers):
        if stored.number > expected:
            yield UnreadSeal(expected, _absence(expected, stored.number - 1), is_absent=True)
        yield stored
        expected = stored.number + 1


def _absence(first: int, last: int) -> str:
    if first == last:
        return f"{seal_name(first)} is absent"
    return f"{last - first + 1} seals are absent, from {seal_name(first)} to {seal_name(last)}"


class SealJudge:
    """Judges seals one after the other.

    Args:
        policy: Who may sign them.
        outside: What is known outside the archive.
    """

    def __init__(self, policy: TrustPolicy, outside: OutsideSeals) -> None:
        self._outside = outside
        self._signatures = Signatures(SealTrust(policy))
        self._found = FindingList()
        self._notes: list[str] = []
        self._trees = SealedTrees()
        self._counts = SealCounts()
        self._newest: StoredSeal | None = None
        # The seal before the next one; None after a hole.
        self._last: StoredSeal | None = None
        self._state: ArchiveState | None = None
        # What a trusted archiver has sealed last, while seals after it are not believed: anyone who may write into the
        # store can put one there, and it must not hide the archive from its auditor.
        self._trusted: tuple[StoredSeal, LiveFiles] | None = None
        # After a hole nobody knows what the live files are, until a seal lists them again.
        self._is_live_known = True

    def begin(self, judged: tuple[StoredSeal, ArchiveState]) -> None:
        """Continue after a seal that was judged before; give it and the state of the archive after it."""
        self._newest, self._state = judged
        self._last = self._newest
        self._outside.bind(self._state.seal.archive)
        self._signatures.add(self._newest, seen_at=self._outside.seen_at(self._newest.number))
        for finding in self._outside.findings_of(self._newest):
            self._found.add(finding)

    def add(self, stored: StoredSeal | UnreadSeal) -> None:
        """Judge the next seal.

        1. It is there, and can be read.
        2. A key signed it that may sign the seals of this archiver.
        3. It names the digest of the seal before it.
        4. Its offsets continue the positions, its files fit the live ones, and its counts follow from them.
        5. It is not older than the seal before it.
        6. It is the one that a witness saw, or the auditor expects.
        """
        # 1.
        if isinstance(stored, UnreadSeal):
            self._add_unread(stored)
            return
        self._outside.bind(stored.seal.archive)
        if stored.number == 0:
            self._note_beginnings(stored)
        # 2.
        is_believed = self._signatures.add(stored, seen_at=self._outside.seen_at(stored.number))
        # 3. to 5.
        self._check_links(stored)
        # 6.
        for finding in self._outside.findings_of(stored):
            self._found.add(finding)
        self._count(stored, is_believed=is_believed)
        self._keep_trusted(is_believed=is_believed)
        self._go_on(stored)

    def judgement(self) -> ChainJudgement:
        """Return what was found, after the last seal."""
        newest = self._newest
        archive = newest.seal.archive if newest is not None else None
        for finding in self._outside.findings_of_end(archive, newest.number if newest is not None else None):
            self._found.add(finding)
        last, live = newest, self._state.live if self._state is not None else LiveFiles()
        if self._trusted is not None and newest is not None:
            last, live = self._trusted
            self._notes.append(
                f"the seals {last.number + 1} to {newest.number} are not believed: the archive was judged as the seal "
                f"{last.number} left it"
            )
        if last is None:
            self._found.add(Finding(Verdict.MISSING, "there is no seal at this place", place=seal_name(0)))
        for finding in self._signatures.findings():
            self._found.add(finding)
        return ChainJudgement(
            findings=self._found.sorted(),
            more_findings=self._found.more,
            notes=(*self._notes, *self._signatures.notes(), *self._outside.notes(archive)),
            last=last,
            live=live,
            trees=self._trees,
            signers=self._signatures.signers,
            counts=self._counts,
            unbelieved=self._signatures.unbelieved,
            is_believed=bool(self._signatures.signers),
        )

    def _add_unread(self, unread: UnreadSeal) -> None:
        place = seal_name(unread.number)
        if unread.is_absent:
            reason = f"{unread.reason}: seals are never deleted, and what was sealed there is not known"
            self._found.add(Finding(Verdict.MISSING, reason, place=place))
        else:
            self._found.add(Finding(Verdict.TAMPERED, unread.reason, place=place))
        self._is_live_known = False
        self._last = None

    def _check_links(self, stored: StoredSeal) -> None:
        seal, before, name = stored.seal, self._last, seal_name(stored.number)
        if before is None:
            # Nothing is known of the seal before it, but for the first one.
            if stored.number == 0:
                self._check_rules(None, stored)
            return
        if not hmac.compare_digest(seal.previous, before.digest):
            reason = f"it names another seal {before.number} than the one that is there: one of the two was exchanged"
            self._found.add(Finding(Verdict.TAMPERED, reason, place=name, field="previous"))
        self._check_rules(self._state, stored)
        if datetime.fromisoformat(seal.time) < datetime.fromisoformat(before.seal.time):
            reason = (
                f"it is of {seal.time}, and the one before it of {before.seal.time}: the archiver's clock ran back, or "
                "somebody has dated it back"
            )
            self._found.add(Finding(Verdict.UNVERIFIABLE, reason, place=name, field="time"))

    def _check_rules(self, before: ArchiveState | None, stored: StoredSeal) -> None:
        checks = [
            ("archive", identity_problems(before, stored.seal)),
            ("offsets", offset_problems(before, stored.seal)),
        ]
        if self._is_live_known:
            checks.append(("files", file_problems(before, stored.seal)))
        for field, problems in checks:
            for problem in islice(problems, _MAX_PROBLEMS):
                self._found.add(Finding(Verdict.TAMPERED, problem, place=seal_name(stored.number), field=field))

    def _count(self, stored: StoredSeal, *, is_believed: bool) -> None:
        self._counts.add(stored.seal)
        for gap in stored.seal.gaps:
            reason = (
                f"the offsets {gap.first} to {gap.end - 1} of {gap.topic}[{gap.partition}] were removed from the topic before "
                "they were archived: the archiver was too late, or the topic's retention too short"
            )
            self._found.add(Finding(Verdict.MISSING, reason, place=seal_name(stored.number), field="offsets"))
        if is_believed:
            self._trees.add_roster(stored.seal.roster, stored.number)
            for stream in stored.seal.streams:
                self._trees.add(stream, stored.number)

    def _note_beginnings(self, stored: StoredSeal) -> None:
        for place, offset in islice(beginnings(stored.seal), _MAX_PROBLEMS):
            self._notes.append(
                f"the archive begins at offset {offset} of {place}: what was before it was never archived"
            )

    def _keep_trusted(self, *, is_believed: bool) -> None:
        if is_believed:
            self._trusted = None
        elif (
            self._trusted is None and self._newest is not None and self._state is not None and self._signatures.signers
        ):
            self._trusted = self._newest, self._state.live.copy()

    def _go_on(self, stored: StoredSeal) -> None:
        live = self._state.live if self._state is not None else LiveFiles()
        if not self._is_live_known and stored.seal.live is not None:
            live = LiveFiles.listed(stored.seal)
            self._is_live_known = True
        else:
            # These live files are the judge's own: nobody else has them before the end.
            live.apply(stored.seal)
        self._state = ArchiveState(stored.seal, stored.digest, live)
        self._last = self._newest = stored
