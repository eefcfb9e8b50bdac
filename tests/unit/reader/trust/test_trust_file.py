"""The trust file, and what is refused in one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust import Role, load_trust_file, parse_trust_file
from telemetry.reader.trust.trust_file import MAX_FILE_BYTES

PAYMENTS = PublicKey("payments", b"p" * 32)
MINIMAL = f"""
version = 1
[[key]]
public = "{PAYMENTS}"
roles = ["service"]
sources = ["/production/payments"]
"""


def test_every_member_is_read() -> None:
    text = f"""
{MINIMAL}
topics = ["audit-events", "mirror.audit-events"]
not_before = 2026-01-01T00:00:00Z
not_after = 2027-01-01T00:00:00+00:00
revoked_from = 2026-09-01T00:00:00Z
[[source]]
name = "/production/*"
clear_until = 2026-03-01T00:00:00Z
expect = 2
""".replace("version = 1", "version = 1\nlate_days = 3")
    policy = parse_trust_file(text.encode())
    (key,) = policy.keys
    assert key.public == PAYMENTS
    assert key.roles == {Role.SERVICE}
    assert key.topics == ("audit-events", "mirror.audit-events")
    assert key.not_before == datetime(2026, 1, 1, tzinfo=UTC)
    assert key.revoked_from == datetime(2026, 9, 1, tzinfo=UTC)
    assert policy.late == timedelta(days=3)
    assert policy.rules[0].expect == 2
    assert not policy.binds_first_source


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("version = 1", "version = 2", "version 2"),
        ("version = 1", "", "version"),
        ("sources", "source", "unknown field"),
        ('["service"]', '["king"]', "king"),
        ('["service"]', "[]", "length"),
        ('["/production/payments"]', '["production/payments"]', "begin with a slash"),
        ("payments+", "billing+", "was altered"),
        ("[[key]]", "not_before = 2026-01-01T00:00:00Z\n[[key]]", "unknown field"),
        ('roles = ["service"]', 'roles = ["service"]\nnot_after = 2026-01-01T00:00:00', "datetime"),
    ],
)
def test_file_that_says_something_else(old: str, new: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        parse_trust_file(MINIMAL.replace(old, new, 1).encode())


def test_service_key_without_sources() -> None:
    text = MINIMAL.replace('sources = ["/production/payments"]', "")
    with pytest.raises(ConfigurationError, match="has no sources"):
        parse_trust_file(text.encode())


def test_all_problems_are_named_at_once() -> None:
    text = MINIMAL.replace("payments+", "billing+", 1) + MINIMAL.split("version = 1")[1].replace("service", "king")
    with pytest.raises(ConfigurationError) as caught:
        parse_trust_file(text.encode())
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"version = 1",
        b"[" * 5_000,
        b"a = " + b"[" * 3_000,
        b"version = " + b"9" * 5_000,
        b"x" * (MAX_FILE_BYTES + 1),
    ],
    ids=["empty", "not UTF-8", "no key", "brackets", "nested", "endless number", "too large"],
)
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse_trust_file(data)


def test_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_trust_file(tmp_path / "trust.toml")
