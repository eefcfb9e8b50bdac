"""Derives what an event did from its ``action``, or else from the words of its type."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from telemetry.format.value.event import AuditEvent

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_VERBS = {
    "create": "create add insert new register provision upload put post signup import write written",
    "read": "read get list view show query search fetch download export describe access head lookup browse",
    "update": "update modify change edit patch set rename move attach detach assign grant revoke enable disable reset",
    "delete": "delete remove destroy purge drop erase terminate unregister deprovision",
    "login": "login logon signin authenticate authentication",
    "logout": "logout logoff signout",
}
_PAIRS = {
    "log in": "login",
    "sign in": "login",
    "log on": "login",
    "log out": "logout",
    "log off": "logout",
    "sign out": "logout",
}
_BY_WORD = {word: verb for verb, words in _VERBS.items() for word in words.split()}
_ENDINGS = ("d", "ed", "s", "es", "ing")


def verb_of(event: AuditEvent) -> str | None:
    """Return ``create``, ``read``, ``update``, ``delete``, ``login`` or ``logout``, or None if no word is known."""
    return (event.action and _verb_in(event.action)) or _verb_in(event.event_type)


@lru_cache(maxsize=4_096)
def _verb_in(text: str) -> str | None:
    words = [word.lower() for word in _WORD.findall(text)]
    # Signing in and out takes precedence: "login_failed" and "user_login_created" are both about signing in.
    verbs = [_PAIRS.get(" ".join(pair)) for pair in pairwise(words)]
    verbs += [_verb_of_word(word) for word in words]
    known = [verb for verb in verbs if verb is not None]
    return next((verb for verb in known if verb in ("login", "logout")), known[0] if known else None)


def _verb_of_word(word: str) -> str | None:
    if word in _BY_WORD:
        return _BY_WORD[word]
    # "updated", "writes" and "creating" are not in the table; their stems are, with or without an "e".
    stems = [word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)]
    return next((_BY_WORD[form] for stem in stems for form in (stem, f"{stem}e") if form in _BY_WORD), None)
