"""Defines the entries of the identities file, and reads them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.file_trust import FileFault, read_believed

_MAX_BYTES = 8 * 1024 * 1024
_MAX_IDENTITIES = 10_000
_MAX_NAME = 200
_MAX_UID = 2**32 - 2
"""The one above means no user: setreuid(2)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_FIELD = "identity"


class TokenEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token that identifies.

    Attributes:
        sha256: SHA-256 of the token in hexadecimal; the token itself is nowhere.
        not_after: Moment after which it is refused.
    """

    sha256: str
    not_after: datetime


class IdentityEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service, and how it is recognized.

    Attributes:
        service: Name under which its events are logged.
        certificates: Names in its certificates: DNS names or URIs of the subject alternative name, else the common name.
        tokens: Its tokens.
        uids: Users on a unix socket.
        max_events_per_second: Its quota; None for none.
    """

    service: str
    certificates: tuple[str, ...] = ()
    tokens: tuple[TokenEntry, ...] = ()
    uids: tuple[int, ...] = ()
    max_events_per_second: float | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identity: tuple[IdentityEntry, ...] = ()


def read_entries(path: Path, *, own_service: str) -> tuple[IdentityEntry, ...]:
    """Return the entries of an identities file.

    Args:
        path: The file. It decides who logs as what, so nobody else may be able to write it.
        own_service: Name of the gateway, which no caller may have.

    Raises:
        ConfigurationError: It cannot be read or believed, or is wrong; with every problem found.
    """
    try:
        data = read_believed(path, max_bytes=_MAX_BYTES)
    except OSError as exc:
        raise ConfigurationError(Problem(str(path), f"cannot be read: {exc.strerror}", "check path and owner")) from exc
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem(str(path), f"is not believed: {data}", data.remedy))
    try:
        entries = msgspec.convert(_with_moments(tomllib.loads(data.decode("utf-8"))), _File, strict=True).identity
    except msgspec.ValidationError as exc:
        raise ConfigurationError(Problem(str(path), f"is wrong: {_place_in(exc)}", "see docs/gateway.md")) from None
    except (ValueError, RecursionError) as exc:
        # Also of a number with thousands of digits. The line and column, never the text: a token could have been pasted there.
        raise ConfigurationError(Problem(str(path), f"is not TOML: {_place_of(exc)}", "correct it")) from None
    problems = list(_problems(entries, own_service))
    if problems:
        raise ConfigurationError(*(Problem(f"{path}: {one.field}", one.reason, one.remedy) for one in problems))
    return entries


def _with_moments(values: Any) -> Any:
    """Return the values with dates as moments: TOML has dates without a time, and times without a zone."""
    if isinstance(values, dict):
        return {name: _with_moments(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_with_moments(value) for value in values]
    if isinstance(values, date) and not isinstance(values, datetime):
        return datetime.combine(values, time.max, UTC)
    return values


def _place_of(error: Exception) -> str:
    found = re.search(r"\(at [^()]*\)\Z", str(error))
    return found[0].strip("()") if found else "it cannot be decoded"


def _place_in(error: Exception) -> str:
    # Messages of msgspec name types and places; an unknown field is named as it is written, and could be anything.
    text = str(error)
    place = re.search(r" - at `(\$[^`]*)`\Z", text)
    where = f" at {place[1]}" if place else ""
    return f"an unknown field{where}" if "unknown field" in text else text.replace("`", "")


def _problems(entries: tuple[IdentityEntry, ...], own_service: str) -> Iterator[Problem]:
    if len(entries) > _MAX_IDENTITIES:
        yield Problem(_FIELD, f"is there more than {_MAX_IDENTITIES} times", "start a second gateway")
        return
    for number, entry in enumerate(entries, 1):
        yield from _problems_of(f"{_FIELD} {number}", entry, own_service)
    yield from _repeated("service", (entry.service for entry in entries))
    yield from _repeated("certificate", (name for entry in entries for name in entry.certificates))
    yield from _repeated("token", (token.sha256.lower() for entry in entries for token in entry.tokens))
    yield from _repeated("uid", (uid for entry in entries for uid in entry.uids))


def _problems_of(field: str, entry: IdentityEntry, own_service: str) -> Iterator[Problem]:
    if not 0 < len(entry.service) <= _MAX_NAME or not _is_visible(entry.service):
        reason = f"service must be 1 to {_MAX_NAME} characters that can be seen, without control characters"
        yield Problem(field, reason, "choose another")
    if ":" in entry.service:
        yield Problem(field, "service has a colon, which ends the user id in the Kafka key", "leave it out")
    if entry.service == own_service:
        yield Problem(field, "service is the gateway itself, whose stream says who was refused", "choose another name")
    yield from _problems_of_credentials(field, entry)
    if any(not 0 <= uid <= _MAX_UID for uid in entry.uids):
        yield Problem(field, f"uids has a number below 0 or above {_MAX_UID}", "correct it")
    quota = entry.max_events_per_second
    if quota is not None and not 0 < quota <= 10_000_000:  # noqa: PLR2004 - far beyond what one process takes
        yield Problem(field, "max_events_per_second must be above 0 and at most 10000000", "correct it")


def _is_visible(name: str) -> bool:
    """Return whether a name looks like what it is: no marks of direction, no zero-width characters, no spaces around it."""
    return name.isprintable() and name == name.strip()


def _problems_of_credentials(field: str, entry: IdentityEntry) -> Iterator[Problem]:
    for name in entry.certificates:
        if "*" in name:
            yield Problem(field, "certificates has a pattern", "name each certificate in full")
        elif not name.strip() or len(name) > 2 * _MAX_NAME or _CONTROL.search(name):
            yield Problem(
                field, "certificates has an entry that is no name", "write a DNS name, a URI or a common name"
            )
    for token in entry.tokens:
        if not _DIGEST.fullmatch(token.sha256):
            yield Problem(field, "tokens has a sha256 that is not 64 hexadecimal digits", "use `telemetry serve-token`")
        if token.not_after.tzinfo is None:
            yield Problem(field, "tokens has a not_after without a zone", "end it with Z for UTC")


def _repeated(kind: str, values: Iterable[Any]) -> Iterator[Problem]:
    seen: set[Any] = set()
    repeated = {value for value in values if value in seen or seen.add(value)}  # type: ignore[func-returns-value]
    for _ in repeated:
        yield Problem(_FIELD, f"a {kind} is there twice", "give each to one identity, once")
