"""Signs and reads acknowledgements: an auditor has looked into exactly these findings (docs/format.md).

An acknowledgement is a signed note (C2SP signed-note, https://c2sp.org/signed-note). It names findings by their ids, so it
covers nothing that is found later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from telemetry.exceptions import FormatError
from telemetry.format.calendar_time import has_time_form
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, Note, Signer, parse_note, sign_note

FIRST_LINE = "telemetry-acknowledgement/1"
MAX_FINDINGS = 1_000
MAX_TEXT = 1_000
"""Characters of the author and of the reason."""

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEAD = ("author", "time", "expires", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What an auditor has looked into, and why it shall not count any more.

    Attributes:
        author: The person.
        time: When it was signed, RFC 3339 in UTC.
        expires: When the findings count again, RFC 3339 in UTC.
        reason: Why they do not count, such as the number of a ticket.
        findings: Ids of the findings, 32 hexadecimal digits each.
    """

    author: str
    time: str
    expires: str
    reason: str
    findings: tuple[str, ...]


def sign_acknowledgement(acknowledgement: Acknowledgement, signer: Signer) -> str:
    """Return the signed note of an acknowledgement.

    Raises:
        FormatError: A text is empty, too long or of more than one line, or an id is not one.
    """
    text = _render(acknowledgement)
    # Read back first: a signature under a text that means something else could not be taken back.
    if _parse(text) != acknowledgement:
        message = "the acknowledgement has values that its format cannot carry"
        raise FormatError(message)
    return sign_note(text, signer)


def parse_acknowledgement(note: str) -> tuple[Note, Acknowledgement]:
    """Return note and acknowledgement without verifying a signature.

    Raises:
        FormatError: The note is not an acknowledgement.
    """
    parsed = parse_note(note)
    return parsed, _parse(parsed.text)


def _render(acknowledgement: Acknowledgement) -> str:
    head = (f"{name} {getattr(acknowledgement, name)}" for name in _HEAD)
    findings = (f"finding {finding}" for finding in acknowledgement.findings)
    text = "\n".join([FIRST_LINE, *head, *findings]) + "\n"
    if len(text.encode("utf-8", "replace")) > MAX_NOTE_BYTES // 2:
        message = "the acknowledgement is too long; acknowledge fewer findings at once"
        raise FormatError(message)
    return text


def _parse(text: str) -> Acknowledgement:
    first, *lines = text.removesuffix("\n").split("\n")
    head = dict(zip(_HEAD, (_rest(line, name) for line, name in zip(lines, _HEAD, strict=False)), strict=False))
    findings = tuple(_rest(line, "finding") for line in lines[len(_HEAD) :])
    if first != FIRST_LINE or len(head) < len(_HEAD) or not 0 < len(findings) <= MAX_FINDINGS:
        message = f"this is not an acknowledgement of version 1 with 1 to {MAX_FINDINGS} findings"
        raise FormatError(message)
    for name in ("author", "reason"):
        if not head[name].strip() or len(head[name]) > MAX_TEXT:
            message = f"the {name} of an acknowledgement is one line of 1 to {MAX_TEXT} characters"
            raise FormatError(message)
    if not has_time_form(head["time"]) or not has_time_form(head["expires"]):
        message = "a time of the acknowledgement is not RFC 3339 in UTC"
        raise FormatError(message)
    if not all(_ID.fullmatch(finding) for finding in findings):
        message = "an acknowledgement names a finding by the 32 hexadecimal digits of its id"
        raise FormatError(message)
    return Acknowledgement(**head, findings=findings)


def _rest(line: str, name: str) -> str:
    word, _, rest = line.partition(" ")
    if word != name:
        message = f"the acknowledgement has {word[:20]!r} where {name!r} is expected"
        raise FormatError(message)
    return rest
