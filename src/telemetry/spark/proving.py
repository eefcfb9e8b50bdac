"""Merges the ranges of a stream and compares them with what was signed: the reduction of a verification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.compact_range import CompactRange
from telemetry.format.proof.merkle import Frontier
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.trust import TrustPolicy, load_trust_file
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge
from telemetry.reader.verify.verdicts import Verdict
from telemetry.spark.ranges import Stream

MAX_FINDINGS = 10_000

_NOWHERE = Place("archive")


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeFinding:
    """What is wrong with a part of a stream.

    Attributes:
        verdict: What it is.
        source: CloudEvents source of the stream.
        producer: The stream.
        first: Sequence of the first event concerned.
        last: That of the last one; None where it is not known.
        reason: Why.
    """

    verdict: Verdict
    source: str
    producer: str
    first: int
    last: int | None
    reason: str


@dataclass(slots=True)
class RangeReport:
    """What the ranges of an archive prove.

    Attributes:
        events: Events whose leaves were hashed.
        proven: Events that a signed checkpoint proves, those whose value is gone and whose leaf hash is kept among them.
        ended: Events whose retention has ended, as the archive says; the seals say who ended them.
        findings: What is wrong, up to ``MAX_FINDINGS``.
        more_findings: How many more there are.
    """

    events: int = 0
    proven: int = 0
    ended: int = 0
    findings: list[RangeFinding] = field(default_factory=list)
    more_findings: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every event is proven and nothing is missing."""
        return not self.findings

    def add(self, finding: RangeFinding) -> None:
        """Add a finding."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)
        else:
            self.more_findings += 1


def signed_checkpoints(
    values: Iterable[bytes | None], *, trust: TrustPolicy | Path | str | Iterable[PublicKey]
) -> dict[Stream, list[Checkpoint]]:
    """Return the checkpoints that trusted keys signed, by stream, those of fewer events first.

    Args:
        values: Values of the rows of the kind ``checkpoint``. There is one for each 1,000 events or so: they fit into memory.
        trust: The trust file, what it says, or public keys.

    Raises:
        ConfigurationError: The trust file cannot be used.
    """
    judge = CheckpointJudge(_policy(trust))
    found: defaultdict[Stream, dict[int, Checkpoint]] = defaultdict(dict)
    for value in values:
        checkpoint = _signed(value, judge)
        if checkpoint is not None:
            found[checkpoint.source, checkpoint.producer][checkpoint.size] = checkpoint
    return {stream: [known[size] for size in sorted(known)] for stream, known in found.items()}


def judge_ranges(
    rows: Iterable[Mapping[str, object]], checkpoints: Mapping[Stream, Sequence[Checkpoint]]
) -> RangeReport:
    """Compare the ranges of every stream with its signed checkpoints.

    Each interval between two checkpoints is proven alone, from the tree that the first one has signed: what is lost or altered in
    one makes no other unprovable. Who else claimed a place, when it arrived, in which order, and whether its data key was the
    signed one, is not judged here: ``telemetry verify --from archive`` does all of that.

    Args:
        rows: What :func:`verify_ranges` yielded, as dictionaries, in any order; 100 to 200 bytes for each interval.
        checkpoints: From :func:`signed_checkpoints`.

    Raises:
        FormatError: A row is not what :func:`verify_ranges` yields.
    """
    report, parts = RangeReport(), defaultdict[Stream, list[CompactRange]](list)
    ended = defaultdict[Stream, list[tuple[int, int]]](list)
    for row in rows:
        stream = (str(row["source"]), str(row["producer"]))
        problem, data, first = row["problem"], row["range"], int(str(row["first"]))
        report.ended += (gone := int(str(row["ended"])))
        if problem is not None:
            source, producer = stream
            report.add(
                RangeFinding(
                    verdict=Verdict.TAMPERED,
                    source=source,
                    producer=producer,
                    first=first,
                    last=first,
                    reason=str(problem),
                )
            )
        elif isinstance(data, bytes | bytearray):
            parts[stream].append(CompactRange.from_bytes(bytes(data)))
            report.events += int(str(row["events"]))
        else:
            ended[stream].append((first, first + gone))
    for stream in sorted(parts.keys() | checkpoints.keys()):
        judge = _StreamJudge(report, stream, ended=_runs(ended.get(stream, ())))
        judge.judge(_without_copies(parts.get(stream, ())), checkpoints.get(stream, ()))
    return report


def _policy(trust: TrustPolicy | Path | str | Iterable[PublicKey]) -> TrustPolicy:
    if isinstance(trust, TrustPolicy):
        return trust
    return load_trust_file(Path(trust)) if isinstance(trust, str | Path) else TrustPolicy.of_keys(trust)


def _signed(value: bytes | None, judge: CheckpointJudge) -> Checkpoint | None:
    try:
        message = decode_checkpoint_message(bytes(value or b""))
    except MalformedRecordError:
        return None
    if message is None:
        return None
    judged = judge.judge(message, RawRecord(message.producer.encode(), value, _NOWHERE))
    return judged.checkpoint if judged.accepted else None


def _without_copies(parts: Sequence[CompactRange]) -> list[CompactRange]:
    """Return the ranges in their order; a range that is there twice is the same events, delivered or archived twice."""
    return sorted(set(parts), key=lambda part: (part.start, part.end))


class _StreamJudge:
    """Judges the ranges of one stream.

    Args:
        report: Gets the findings.
        stream: The stream.
        ended: Sequences of events that have ended and left nothing, as pairs of the first and the one after the last, sorted and
            joined.
    """

    def __init__(self, report: RangeReport, stream: Stream, *, ended: Sequence[tuple[int, int]]) -> None:
        self._report = report
        self._stream = stream
        self._ended = ended

    def judge(self, parts: Sequence[CompactRange], checkpoints: Sequence[Checkpoint]) -> None:
        """Judge the stream, interval by interval.

        1. The ranges of the interval are put together; a gap is a finding, unless its events have ended.
        2. Together with the tree signed before they must lead to the tree that was signed.
        3. What no checkpoint covers is a finding, and an end that nobody has signed too.
        """
        if not checkpoints:
            self._find(Verdict.UNVERIFIABLE, 0, None, "no trusted key signed for this stream")
            return
        tree, at = Frontier(), 0
        for checkpoint in checkpoints:
            # 1.
            inside: list[CompactRange] = []
            while at < len(parts) and parts[at].end <= checkpoint.size:
                inside.append(parts[at])
                at += 1
            whole = self._joined(inside, start=tree.size, end=checkpoint.size)
            # 2.
            if whole is not None:
                self._compare(whole, tree, checkpoint)
            signed = checkpoint.tree() or (whole.after(tree) if whole is not None else None)
            if signed is None:
                reason = "a checkpoint of version 1 without a frontier: nothing after a gap can be proven"
                self._find(Verdict.UNVERIFIABLE, tree.size, None, reason)
                return
            tree = signed
        # 3.
        for part in parts[at:]:
            self._find(Verdict.UNVERIFIABLE, part.start, part.end - 1, "no checkpoint covers these events")
        if not checkpoints[-1].is_closing:
            reason = (
                "the last checkpoint does not end the stream: its end was cut off, or its process was still running"
            )
            self._find(Verdict.TRUNCATED, tree.size, None, reason)

    def _compare(self, whole: CompactRange, tree: Frontier, checkpoint: Checkpoint) -> None:
        if whole.after(tree).root() == checkpoint.root:
            self._report.proven += checkpoint.size - tree.size
        else:
            reason = f"the root of the events is not the one that was signed for {checkpoint.size} events"
            self._find(Verdict.TAMPERED, tree.size, checkpoint.size - 1, reason)

    def _joined(self, parts: Sequence[CompactRange], *, start: int, end: int) -> CompactRange | None:
        """Return the range from ``start`` to ``end``; None if it cannot be put together."""
        gaps = list(_gaps(parts, start, end))
        for first, last in gaps:
            if not any(begin <= first and last < until for begin, until in self._ended):
                self._find(Verdict.MISSING, first, last, "absent, although a checkpoint covers it")
        if gaps:
            return None
        whole = CompactRange(start, start, ())
        for part in parts:
            if part.start < whole.end:
                reason = "events are there twice in runs that overlap, or two events claim one place"
                self._find(Verdict.UNVERIFIABLE, part.start, whole.end - 1, reason)
                return None
            whole = whole.merge(part)
        return whole

    def _find(self, verdict: Verdict, first: int, last: int | None, reason: str) -> None:
        source, producer = self._stream
        self._report.add(
            RangeFinding(verdict=verdict, source=source, producer=producer, first=first, last=last, reason=reason)
        )


def _runs(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return runs of sequences in their order, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for first, until in sorted(pairs):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(until, joined[-1][1])
        else:
            joined.append((first, until))
    return joined


def _gaps(parts: Sequence[CompactRange], start: int, end: int) -> Iterator[tuple[int, int]]:
    for part in parts:
        if part.start > start:
            yield start, part.start - 1
        start = max(start, part.end)
    if start < end:
        yield start, end - 1
