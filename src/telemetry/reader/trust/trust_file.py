"""Reads the trust file: TOML that names for each public key what it may sign (docs/verification.md)."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from telemetry.exceptions import ConfigurationError, FormatError, Problem
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import SourceRule, TrustedKey, TrustPolicy
from telemetry.system.file_trust import FileFault, read_believed

VERSION = 1
MAX_FILE_BYTES = 1 << 20
MAX_KEYS = 10_000
MAX_PATTERNS = 64

_Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_Patterns = Annotated[list[_Pattern], msgspec.Meta(min_length=1, max_length=MAX_PATTERNS)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_REMEDY = "see `telemetry trust --help` and docs/verification.md"


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    public: Annotated[str, msgspec.Meta(max_length=1_024)]
    roles: Annotated[list[Role], msgspec.Meta(min_length=1)]
    sources: _Patterns | None = None
    topics: _Patterns | None = None
    not_before: _Moment | None = None
    not_after: _Moment | None = None
    revoked_from: _Moment | None = None


class _Source(msgspec.Struct, forbid_unknown_fields=True):
    name: _Pattern
    clear_until: _Moment | None = None
    expect: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    late_days: Annotated[float, msgspec.Meta(ge=0, le=3_650)] = 7
    key: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MAX_KEYS)] = []
    source: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MAX_KEYS)] = []


def load_trust_file(path: Path) -> TrustPolicy:
    """Return the policy that a trust file states.

    Raises:
        ConfigurationError: The file cannot be read, another user could have written it, or it is not a trust file; every
            problem is named.
    """
    return parse_trust_file(read_trust_file(path))


def read_trust_file(path: Path) -> bytes:
    """Return the bytes of a trust file; what they say is not checked.

    Raises:
        ConfigurationError: The file cannot be read, or another user could have written it.
    """
    try:
        data = read_believed(path, max_bytes=MAX_FILE_BYTES)
    except OSError as exc:
        reason = f"{path} cannot be read: {exc.strerror or exc}"
        raise ConfigurationError(Problem("trust_file", reason, "check its path and its mode")) from exc
    # Who may write this file decides who is believed.
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem("trust_file", str(data), data.remedy))
    return data


def parse_trust_file(data: bytes) -> TrustPolicy:
    """Return the policy that the bytes of a trust file state.

    Raises:
        ConfigurationError: They are not a trust file; every problem is named.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(Problem("trust_file", f"it is larger than {MAX_FILE_BYTES} bytes", _REMEDY))
    try:
        file = msgspec.convert(tomllib.loads(data.decode()), _File)
    except (
        ValueError,
        msgspec.ValidationError,
        RecursionError,
    ) as exc:  # a number of 5,000 digits is a bare ValueError
        raise ConfigurationError(Problem("trust_file", f"it is not a trust file: {exc}", _REMEDY)) from exc
    if file.version != VERSION:
        reason = f"it has version {file.version}; this library reads version {VERSION}"
        raise ConfigurationError(Problem("trust_file", reason, "use a newer version of this library"))
    problems: list[Problem] = []
    keys = [_read_key(number, members, problems) for number, members in enumerate(file.key)]
    rules = [_read_rule(number, members, problems) for number, members in enumerate(file.source)]
    if not keys:
        problems.append(Problem("trust_file", "it names no key", "add a [[key]] with public, roles and sources"))
    if problems:
        raise ConfigurationError(*problems)
    return TrustPolicy(
        tuple(key for key in keys if key is not None),
        rules=tuple(rule for rule in rules if rule is not None),
        late=timedelta(days=file.late_days),
    )


def _read_key(number: int, members: dict[str, Any], problems: list[Problem]) -> TrustedKey | None:
    where = f"trust_file: key[{number}]"
    try:
        key = msgspec.convert(members, _Key)
        public = PublicKey.parse(key.public)
    except (msgspec.ValidationError, FormatError) as exc:
        problems.append(Problem(where, str(exc), _REMEDY))
        return None
    roles = frozenset(key.roles)
    # An auditor or a witness signs for no service, so a source would say nothing.
    if key.sources is None and roles & {Role.SERVICE, Role.GATEWAY, Role.READER}:
        problems.append(Problem(where, "it has no sources", 'add sources, such as ["/production/payments"]'))
        return None
    problems.extend(
        Problem(where, f"the source {pattern!r} does not begin with a slash", _REMEDY)
        for pattern in key.sources or ()
        if not pattern.startswith("/")
    )
    if not all(map(_is_in_utc, (key.not_before, key.not_after, key.revoked_from))):
        problems.append(Problem(where, "a date is not in the years 1 to 9999 of UTC", "correct the dates"))
        return None
    if key.not_before and key.not_after and key.not_before >= key.not_after:
        problems.append(Problem(where, "not_before is not earlier than not_after", "correct the dates"))
    return TrustedKey(
        public=public,
        roles=roles,
        sources=tuple(key.sources or ("/*/*",)),
        topics=tuple(key.topics) if key.topics is not None else None,
        not_before=key.not_before,
        not_after=key.not_after,
        revoked_from=key.revoked_from,
    )


def _is_in_utc(moment: datetime | None) -> bool:
    try:
        return moment is None or moment.astimezone(UTC) is not None
    except OverflowError:
        return False


def _read_rule(number: int, members: dict[str, Any], problems: list[Problem]) -> SourceRule | None:
    where = f"trust_file: source[{number}]"
    try:
        rule = msgspec.convert(members, _Source)
    except msgspec.ValidationError as exc:
        problems.append(Problem(where, str(exc), _REMEDY))
        return None
    return SourceRule(name=rule.name, clear_until=rule.clear_until, expect=rule.expect)
