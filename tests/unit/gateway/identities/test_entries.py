from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.gateway.identities.entries import IdentityEntry, read_entries
from telemetry.gateway.identities.token import digest_of
from tests.support.gateway.credentials import identity, token_entry, write_identities

DIGEST = "ab" * 32


def read(tmp_path: Path, text: str) -> tuple[IdentityEntry, ...]:
    return read_entries(write_identities(tmp_path / "identities.toml", text), own_service="gateway")


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_an_entry_has_what_the_file_says(tmp_path: Path) -> None:
    text = identity(
        "payments",
        certificates=["payments.example", "spiffe://example/payments"],
        tokens=[token_entry("a-token-of-the-test", "2027-06-01T00:00:00Z")],
        uids="[1001]",
        max_events_per_second="500",
    )

    (entry,) = read(tmp_path, text)

    assert entry.service == "payments"
    assert entry.certificates == ("payments.example", "spiffe://example/payments")
    assert entry.tokens[0].sha256 == digest_of("a-token-of-the-test").hex()
    assert entry.tokens[0].not_after == datetime(2027, 6, 1, tzinfo=UTC)
    assert entry.uids == (1001,)
    assert entry.max_events_per_second == 500


def test_a_date_means_its_end(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, identity("a", tokens=[f'{{ sha256 = "{DIGEST}", not_after = 2027-06-01 }}']))

    assert entry.tokens[0].not_after.isoformat() == "2027-06-01T23:59:59.999999+00:00"


def test_an_empty_file_knows_nobody(tmp_path: Path) -> None:
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[identity]]\nservice = ""\n', "identity 1: service must be"),
        ('[[identity]]\nservice = "a:b"\n', "colon"),
        ('[[identity]]\nservice = "a\\u0007"\n', "without control characters"),
        ('[[identity]]\nservice = "pay\\u202ements"\n', "that can be seen"),
        ('[[identity]]\nservice = "pay\\u200bments"\n', "that can be seen"),
        ('[[identity]]\nservice = "payments "\n', "that can be seen"),
        ('[[identity]]\nservice = "gateway"\n', "is the gateway itself"),
        (identity("a", certificates=["*.example"]), "has a pattern"),
        (identity("a", certificates=[" "]), "no name"),
        (identity("a", tokens=[f'{{ sha256 = "{DIGEST}1", not_after = 2027-06-01 }}']), "64 hexadecimal digits"),
        (identity("a", tokens=[f'{{ sha256 = "{DIGEST}", not_after = 2027-06-01T00:00:00 }}']), "without a zone"),
        (identity("a", tokens=[f'{{ sha256 = "{DIGEST}" }}']), "missing required field not_after"),
        (identity("a", uids="[-1]"), "below 0"),
        (identity("a", uids=f"[0x{'f' * 5_000}]"), "or above 4294967294"),
        (identity("a", uids=f"[{'9' * 5_000}]"), "is not TOML"),
        (identity("a", max_events_per_second="0"), "max_events_per_second"),
        (identity("a", max_events_per_second="nan"), "max_events_per_second"),
        (identity("a") + identity("a"), "a service is there twice"),
        (
            identity("a", certificates=["x.example"]) + identity("b", certificates=["x.example"]),
            "a certificate is there twice",
        ),
        (
            identity("a", tokens=[token_entry("t" * 20)]) + identity("b", tokens=[token_entry("t" * 20)]),
            "a token is there",
        ),
        (identity("a", uids="[7]") + identity("b", uids="[7]"), "a uid is there twice"),
        ("[[identity]]\nservice = 7\n", "at $.identity[0].service"),
        ("service = 'a'\n", "an unknown field"),
        ("[[identity]\n", "is not TOML"),
        ("[[identity]]\n" * 10_001 + "service = 'a'", "Object missing required field"),
        ("a = " + "[" * 100_000, "is not TOML"),
    ],
    ids=range(26),
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    assert named in problems(tmp_path, text)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    shown = problems(tmp_path, identity("a:b", certificates=["*"]) + identity("gateway"))

    assert shown.startswith("3 problems")


def test_no_error_quotes_a_secret(tmp_path: Path) -> None:
    for text in (
        'canary = "canary"\n',
        '[[identity]]\nservice = "a"\ntokens = [{ sha256 = "canary", not_after = 2027-06-01 }]\n',
        '[[identity]]\nservice = "a"\ntokens = ["canary"]\n',
        '[[identity]]\nservice = "a"\ncanary = "canary"\n',
        'a = canary"\n',
    ):
        assert "canary" not in problems(tmp_path, text)


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    file = write_identities(tmp_path / "identities.toml", identity("a"))
    file.chmod(0o666)

    with pytest.raises(ConfigurationError, match="may be written by others"):
        read_entries(file, own_service="gateway")


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_entries(tmp_path / "nothing.toml", own_service="gateway")


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    file = write_identities(tmp_path / "identities.toml", "#" * (8 * 1024 * 1024 + 1))

    with pytest.raises(ConfigurationError, match="is larger than"):
        read_entries(file, own_service="gateway")
