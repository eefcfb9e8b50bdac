from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telemetry.archive.upkeep.retention.policy import Retention, RetentionPolicy
from telemetry.catalog.described.described_catalog import DescribedCatalog, DescribedType
from telemetry.exceptions import ConfigurationError
from tests.support.upkeep_rows import micros

NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)


def a_catalog(name: str = "shop", **retentions: str | None) -> DescribedCatalog:
    types = {
        kind: DescribedType(name=kind, schema={}, hash="", catalog=name, catalog_version="1", retention=retention)
        for kind, retention in retentions.items()
    }
    return DescribedCatalog(name=name, version="1", unknown="allow", types=types)


@pytest.mark.parametrize(
    ("text", "cutoff"),
    [
        ("1d", datetime(2024, 2, 28, 12, tzinfo=UTC)),
        ("1m", datetime(2024, 1, 29, 12, tzinfo=UTC)),
        ("3m", datetime(2023, 11, 29, 12, tzinfo=UTC)),
        ("1y", datetime(2023, 2, 28, 12, tzinfo=UTC)),
        ("7y", datetime(2017, 2, 28, 12, tzinfo=UTC)),
        ("9999y", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999m", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999d", datetime(1996, 10, 14, 12, tzinfo=UTC)),
    ],
)
def test_cutoffs_follow_the_calendar(text: str, cutoff: datetime) -> None:
    assert Retention.parse(text, field="x").cutoff(NOW) == cutoff


@pytest.mark.parametrize("text", ["", "7", "y", "0y", "7w", "-1d", "7y ", "12345d", "7Y", "\u0667y"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--default"):
        Retention.parse(text, field="--default")


def test_types_have_their_own_retention() -> None:
    policy = RetentionPolicy.of([a_catalog(paid="7y", seen="90d", kept=None)], default=None)

    assert str(policy.of_type("paid")) == "7y"
    assert str(policy.of_type("seen")) == "90d"
    assert policy.of_type("kept") is policy.of_type("unknown") is policy.of_type(None) is None


def test_default_is_for_all_others() -> None:
    policy = RetentionPolicy.of([a_catalog(paid="7y", kept=None)], default=Retention(1, "y"))

    assert [str(policy.of_type(name)) for name in ("paid", "kept", "unknown", None)] == ["7y", "1y", "1y", "1y"]


def test_longer_retention_of_two_catalogues_counts() -> None:
    one, other = a_catalog("one", paid="7y", seen="90d", left="1y"), a_catalog("two", paid="10y", seen="2m", left=None)

    policy = RetentionPolicy.of([one, other], default=None)

    assert [str(policy.of_type(name)) for name in ("paid", "seen")] == ["10y", "90d"]
    assert policy.of_type("left") is None
    assert str(RetentionPolicy.of([one, other], default=Retention(3, "y")).of_type("left")) == "3y"
    assert "one 1, two 1" in policy.text


def test_nothing_ends_at_its_cutoff() -> None:
    cutoffs = RetentionPolicy.of([a_catalog(paid="1d")], default=None).cutoffs(NOW)
    edge = micros(datetime(2024, 2, 28, 12, tzinfo=UTC))

    assert not cutoffs.is_over("paid", edge)
    assert cutoffs.is_over("paid", edge - 1)
    assert not cutoffs.is_over("other", 0)
    assert cutoffs.latest == datetime(2024, 2, 28, 12, tzinfo=UTC)


def test_without_any_retention_nothing_ends() -> None:
    assert RetentionPolicy.of([a_catalog(kept=None)], default=None).cutoffs(NOW).latest is None
