"""Finds the verb in the name of an event type, and knows it in two forms: what somebody did, and what they tried to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORDS = re.compile(r"[a-z]+", re.ASCII)
_REGULAR = _WORDS.findall(
    "acknowledge activate add adjust apply approve archive assign authenticate authorize block change check clear clone close "
    "collect complete confirm configure connect copy correct deactivate decline delegate delete deliver deny deploy detach "
    "disable disconnect discharge dismiss dispatch dispense download duplicate edit email enable enroll escalate execute "
    "expire export extend fetch fix fulfill generate import inject insert install join launch load lock merge modify mount "
    "move mute notify open pause perform pledge post preview print promote provision publish purge rank reassign receive "
    "recover refund register reject release remove rename renew reopen replace require reschedule reserve resolve restart "
    "restore resume retrieve return revert review revoke rotate save search share sign start store subscribe suspend sync "
    "synchronize terminate transform trigger unassign unblock unlink unlock unpublish unshare unsubscribe update upload "
    "upsert validate verify view visit void"
)
_IRREGULAR = {
    "begin": "began",
    "bind": "bound",
    "cancel": "cancelled",
    "commit": "committed",
    "create": "created",
    "forget": "forgot",
    "get": "got",
    "give": "gave",
    "grant": "granted",
    "leave": "left",
    "pay": "paid",
    "permit": "permitted",
    "put": "put",
    "read": "read",
    "rebuild": "rebuilt",
    "reset": "reset",
    "run": "ran",
    "scan": "scanned",
    "sell": "sold",
    "send": "sent",
    "set": "set",
    "ship": "shipped",
    "split": "split",
    "stop": "stopped",
    "submit": "submitted",
    "swap": "swapped",
    "take": "took",
    "transfer": "transferred",
    "untag": "untagged",
    "withdraw": "withdrew",
    "write": "wrote",
}
_NOUNS = {"flag": "flagged", "log": "logged", "tag": "tagged"} | dict.fromkeys(
    _WORDS.findall(
        "access book call charge comment deposit estimate issue label link list order patch place process query record "
        "report request schedule"
    ),
    "",
)
"""Words that are verbs in the past only: ``order_created`` is about an order, ``ordered`` is not."""
_MAX_NOUNS = 4
"""Words beside a verb: a name of more of them is shown as it is, so that it cannot pass for a sentence."""
_SEPARATORS = re.compile(r"[._:/ -]+|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, as the name of a type says it.

    Attributes:
        base: The verb, such as ``refund``.
        past: The same of what was done: ``refunded``.
        nouns: The other words of the name, in lower case.
    """

    base: str
    past: str
    nouns: tuple[str, ...]

    def object_beside(self, entity: str | None) -> str:
        """Return what was acted upon as the name says it, with its article; empty if the kind of the thing says the same.

        Args:
            entity: Kind of the thing, if the event names one: words up to it say where the type belongs, not what it is.
        """
        nouns = self.nouns
        if entity and entity.lower() in nouns:
            nouns = nouns[nouns.index(entity.lower()) + 1 :]
        if not nouns or not all(map(_WORDS.fullmatch, nouns)):
            return ""
        article = "" if nouns[-1].endswith("s") else "an " if nouns[0][0] in "aeiou" else "a "
        return article + " ".join(nouns)


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case: of ``order.refunded``, ``order_refunded`` and ``OrderRefunded`` the same."""
    return [word.lower() for word in _SEPARATORS.split(name) if word]


def deed_of(name: str, *, action: str | None = None) -> Deed | None:
    """Return what the name of a type, or else an action, says was done; None if neither has a verb that is known.

    Args:
        name: Name of the type.
        action: What was done to the thing, as the event says it.
    """
    words = words_of(name)
    if len(words) > 1 + _MAX_NOUNS:
        return None
    if words and words[-1] in _BASE:  # order.refunded
        return _deed(_BASE[words[-1]], words[:-1])
    if words and words[-1] in _PAST:  # order.refund
        return _deed(words[-1], words[:-1])
    if words and words[0] in _PAST:  # GetObject, create_order
        return _deed(words[0], words[1:])
    for word in words_of(action or "")[:1]:
        if word in _PAST or word in _BASE:
            return _deed(word if word in _PAST else _BASE[word], ())
    return None


def _deed(base: str, nouns: Sequence[str]) -> Deed:
    return Deed(base, _past_of(base), tuple(nouns))


def _past_of(base: str) -> str:
    if irregular := _IRREGULAR.get(base) or _NOUNS.get(base):
        return irregular
    if base.endswith("e"):
        return base + "d"
    return base[:-1] + "ied" if base.endswith("y") and base[-2] not in "aeiou" else base + "ed"


_PAST = {base: _past_of(base) for base in (*_REGULAR, *_IRREGULAR)}
_BASE = {past: base for base, past in _PAST.items() if past != base}
_BASE |= {_past_of(base): base for base in _NOUNS} | {"canceled": "cancel", "given": "give", "taken": "take"}
