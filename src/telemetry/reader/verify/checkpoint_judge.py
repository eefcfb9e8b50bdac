"""Judges checkpoint records: who signed, whether the policy believes it, and which leaves come with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, parse_text
from telemetry.format.proof.checkpoint_message import CheckpointMessage
from telemetry.format.proof.checkpoint_text import ORIGIN
from telemetry.format.proof.leaves import LEAVES_HEADER, IntervalLeaves
from telemetry.format.proof.signed_note import Note, PublicKey, parse_note
from telemetry.format.uuid7 import is_uuid
from telemetry.reader.entry import RawRecord
from telemetry.reader.trust.judgement import Judgement
from telemetry.reader.trust.policy import TrustPolicy

_MAX_NAMED_SIGNERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCheckpoint:
    """A checkpoint record and what it is worth.

    Attributes:
        checkpoint: What it says; None where the record is not one.
        accepted: Judgements of the keys that are believed; empty if it proves nothing.
        refused: Judgements of keys whose signature is right, and that may not sign this.
        reason: Why it proves nothing, or what else is wrong with its record.
        signers: Labels of the keys that it says signed it.
        is_misuse: A trusted key signed a text that says it is a checkpoint, and is none.
        headers: Headers of the record, with the leaf hashes of its interval.
    """

    checkpoint: Checkpoint | None = None
    accepted: tuple[Judgement, ...] = ()
    refused: tuple[Judgement, ...] = ()
    reason: str = ""
    signers: str = ""
    is_misuse: bool = False
    headers: tuple[tuple[str, bytes], ...] = ()

    def leaves(self) -> IntervalLeaves | None:
        """Return the leaf hashes of its interval; None where there are none that its root proves."""
        for name, content in self.headers:
            if name == LEAVES_HEADER and self.checkpoint is not None:
                # Nothing signs a header, and there may be others; without any, the records can still lead to the root.
                with suppress(FormatError, TamperedError):
                    return IntervalLeaves.decode(content, self.checkpoint)
        return None


class RosterClock(Protocol):
    """Says when a witness saw a checkpoint."""

    def seen_at(self, checkpoint: Checkpoint) -> float | None:
        """Return when a witness first saw as many records of its stream, in seconds since the epoch; None if none did."""


class CheckpointJudge:
    """Judges checkpoints by a policy.

    Args:
        policy: Who may sign what.
        clock: Witnesses that saw the trail; None without any.
    """

    def __init__(self, policy: TrustPolicy, *, clock: RosterClock | None = None) -> None:
        self._policy = policy
        self._clock = clock
        self._known = {(key.name, key.key_id): key for key in policy.candidates()}

    def judge(self, message: CheckpointMessage, record: RawRecord) -> JudgedCheckpoint:
        """Return what a checkpoint is worth.

        1. Its producer is a UUID, so that it is a stream of this format, and its note is one.
        2. A key that may be trusted signed it.
        3. The note is a checkpoint, and its clear attributes are those that were signed: it was not moved.
        4. The policy believes this key for this source, topic and time.
        5. Its Kafka key is its producer. The note is genuine all the same, so it proves records.

        Args:
            message: The record's value, parsed.
            record: The record.
        """
        # 1. The note.
        if not is_uuid(message.producer):
            return JudgedCheckpoint(reason="its producer is not a UUID")
        try:
            note = parse_note(message.data)
        except FormatError as exc:
            return JudgedCheckpoint(reason=str(exc))
        # 2. The signature.
        claimed = ", ".join(line.label for line in note.signatures[:_MAX_NAMED_SIGNERS])
        keys = self._signers(note)
        # 3. Its text.
        try:
            checkpoint = parse_text(note.text)
        except (FormatError, TamperedError) as exc:
            # The first line says what was signed: anyone can move an acknowledgement or a roster into a checkpoint's record.
            is_misuse = bool(keys) and note.text.startswith(f"{ORIGIN}/")
            reason = f"signed by {claimed}, although it is not one: {exc}" if is_misuse else str(exc)
            return JudgedCheckpoint(reason=reason, signers=claimed, is_misuse=is_misuse)
        for name in ("producer", "source", "time"):
            if getattr(message, name) != getattr(checkpoint, name):
                reason = f"its {name} is not the one in its signed note: it was altered or moved here"
                return JudgedCheckpoint(reason=reason, signers=claimed)
        if not keys:
            return JudgedCheckpoint(checkpoint=checkpoint, reason=self._why_unknown(note, claimed), signers=claimed)
        # 4. The policy.
        seen = self._clock.seen_at(checkpoint) if self._clock is not None else None
        judgements = [
            self._policy.judge_checkpoint(key, checkpoint, appended_at=record.append_time, rostered_at=seen)
            for key in keys
        ]
        # 5. The Kafka key.
        is_its_own = not record.is_key_kept or record.key == message.producer.encode()
        reason = "" if is_its_own else "its Kafka key is not its producer"
        accepted = tuple(judgement for judgement in judgements if judgement.accepted)
        return JudgedCheckpoint(
            checkpoint=checkpoint,
            accepted=accepted,
            refused=tuple(judgement for judgement in judgements if not judgement.accepted),
            reason=reason,
            signers=claimed,
            headers=record.headers,
        )

    def lists_topic(self, judged: JudgedCheckpoint) -> bool:
        """Return whether the policy names the topic that was signed, for a key that signed it: it is a mirror then."""
        keys = {judgement.key for judgement in judged.accepted}
        topic = judged.checkpoint.topic if judged.checkpoint is not None else None
        return any(topic in (key.topics or ()) for key in self._policy.keys if key.public in keys)

    def _signers(self, note: Note) -> list[PublicKey]:
        """Return the keys that signed, of those that may be trusted."""
        text = note.text.encode()
        signers = []
        for line in note.signatures:
            key = self._known.get((line.name, line.key_id))
            # A line that is wrong proves nothing; anyone can add one to a copy of a genuine note.
            if key is not None and key not in signers and key.verify(text, line.signature):
                signers.append(key)
        return signers

    def _why_unknown(self, note: Note, claimed: str) -> str:
        if any((line.name, line.key_id) in self._known for line in note.signatures):
            return f"the signature of {claimed} does not match its text: it was altered or forged"
        names = {name for name, _ in self._known}
        if any(line.name in names for line in note.signatures):
            return (
                f"signed under the name of a trusted key by another key ({claimed}): forged, or by a rotated key whose "
                "public key was not given"
            )
        return f"signed by {claimed}, which is not trusted"
