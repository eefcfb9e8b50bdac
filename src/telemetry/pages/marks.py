"""Defines the marks that a value or an event carries where it is shown: what is proven of it, and what is only claimed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "warn", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or two beside a value.

    Attributes:
        text: The words.
        meaning: What they mean, in a sentence.
        tone: Colour of the mark; it repeats what the words say.
        of: What the mark names, such as a gateway; text from outside.
    """

    text: str
    meaning: str
    tone: Tone = "plain"
    of: str = ""


PROVEN = Mark("proven", "A checkpoint of a trusted key proves the record.", "good")
NOT_PROVEN = Mark(
    "not proven",
    "A trusted key signed another record for this place, or ended the stream before it: the record may be forged.",
    "bad",
)
PENDING = Mark("pending", "No checkpoint that was read says anything about the record yet.", "warn")
NOT_JUDGED = Mark("not judged", "No trusted key was given, so nothing is proven and nothing refuted.", "warn")
NOT_SEALED = Mark(
    "not sealed", "It was logged with encryption off: anyone who may write to the topic could have written it.", "bad"
)
FOREIGN = Mark("foreign", "The trail should not have it: no trusted key proves it, and events are sealed here.", "bad")
CLOSED = Mark("sealed", "The content was not opened: only what is outside the seal is known.")
CLAIMED = Mark("claimed", "Nothing proves who this was: the record is not proven, or its source is not signed.", "warn")
ADJUSTED = Mark("adjusted", "It is not what the caller gave: the library cut, escaped or replaced it.", "warn")
SENSITIVE = Mark("sensitive", "The application marked the payload as needing special care.", "warn")
DAMAGED = Mark("damaged", "The record cannot be opened, or was altered.", "bad")


def through(gateway: str) -> Mark:
    """Return the mark of an event that a gateway logged for its service.

    Args:
        gateway: Source of the gateway.
    """
    return Mark("logged through", "A gateway logged it for the service, and signed that it did.", "plain", gateway)


def attested(key: str) -> Mark:
    """Return the mark of content that is the word of the one who exported it.

    Args:
        key: Name or id of the key that signed the export.
    """
    return Mark(
        "content attested by",
        "The proof is over the sealed record. That it opens to this is the signer's word.",
        "warn",
        key,
    )


ALL_MARKS = (
    PROVEN,
    NOT_PROVEN,
    PENDING,
    NOT_JUDGED,
    NOT_SEALED,
    FOREIGN,
    CLOSED,
    through("GATEWAY"),
    attested("KEY"),
    CLAIMED,
    ADJUSTED,
    SENSITIVE,
    DAMAGED,
)
"""Every mark, for a legend."""

_EXIT_TAMPERED = 3
_BY_PROOF = {"yes": PROVEN, "no": NOT_PROVEN, "pending": PENDING, "not judged": NOT_JUDGED}


def proof_mark(proven: str) -> Mark:
    """Return the mark for what a checkpoint says of a record.

    Args:
        proven: A value of ``telemetry.reader.entry.Proven``.

    Raises:
        KeyError: It is no such value.
    """
    return _BY_PROOF[str(proven)]


def verdict_kind(exit_code: int) -> Literal["fine", "incomplete", "tampered"]:
    """Return the rung of the ladder on which a verdict is, by the exit code of the command.

    Args:
        exit_code: 0 is fine, 3 tampered with, everything else incomplete.
    """
    if exit_code == 0:
        return "fine"
    return "tampered" if exit_code == _EXIT_TAMPERED else "incomplete"


def record_marks(
    proven: str, *, is_sealed: bool, is_foreign: bool = False, via: str | None = None, is_opened: bool = True
) -> tuple[Mark, ...]:
    """Return the marks of a record, in the order in which they are read.

    Args:
        proven: A value of ``telemetry.reader.entry.Proven``.
        is_sealed: Whether it was encrypted.
        is_foreign: Whether the trail should not have it.
        via: Source of the gateway that logged it for its service; None or empty where the service did.
        is_opened: Whether its content was opened.
    """
    return tuple(_marks(proof_mark(proven), is_sealed=is_sealed, is_foreign=is_foreign, via=via, is_opened=is_opened))


def _marks(proof: Mark, *, is_sealed: bool, is_foreign: bool, via: str | None, is_opened: bool) -> Iterator[Mark]:
    yield proof
    if not is_sealed:
        yield NOT_SEALED
    if is_foreign:
        yield FOREIGN
    if via:
        yield through(via)
    if not is_opened:
        yield CLOSED
