from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import ConfigurationError, StorageConflictError
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.roster.store import open_rosters, require_place, store_at
from tests.support.rosters import WITNESS, Witnessing, read_up_to


def _logs() -> tuple[Witnessing, Witnessing]:
    one, other = Witnessing(), Witnessing()
    for end in range(3):
        one.sign(read_up_to(end))
    other.sign(read_up_to(9))
    return one, other


def test_rosters_come_back_in_their_order(tmp_path: Path) -> None:
    log, _ = _logs()
    with open_rosters(tmp_path.as_uri(), WITNESS.public) as rosters:
        for roster in (*log.rosters, log.rosters[0]):
            rosters.publish(roster)

        assert list(rosters.documents()) == log.documents
        assert list(rosters.newest()) == log.documents[::-1]


def test_second_history_is_not_written(tmp_path: Path) -> None:
    one, other = _logs()
    with open_rosters(tmp_path.as_uri(), WITNESS.public) as rosters:
        rosters.publish(one.rosters[0])

        with pytest.raises(StorageConflictError):
            rosters.publish(other.rosters[0])
        assert list(rosters.documents()) == one.documents[:1]


def test_odd_objects_are_passed_over(tmp_path: Path) -> None:
    log, _ = _logs()
    folder = tmp_path / WITNESS.public.key_id.hex()
    with open_rosters(tmp_path.as_uri(), WITNESS.public) as rosters:
        rosters.publish(log.rosters[0])
        (folder / "readme.txt").write_text("hello")
        (folder / f"{7:020d}.roster").write_bytes(b" " * (2 << 20))

        assert list(rosters.documents()) == log.documents[:1]


def test_copies_under_other_names_are_passed_over(tmp_path: Path) -> None:
    log = Witnessing()
    for end in range(3):
        log.sign(read_up_to(end), read_up_to(end, partition=1))
    folder = tmp_path / WITNESS.public.key_id.hex()
    with open_rosters(tmp_path.as_uri(), WITNESS.public) as rosters:
        for roster in log.rosters:
            rosters.publish(roster)
        # Each name below is free, because a roster has two leaves.
        (folder / f"{1:020d}.roster").write_bytes(log.documents[2])
        (folder / f"{99:020d}.roster").write_bytes(log.documents[0])

        assert list(rosters.documents()) == log.documents
        assert list(rosters.newest()) == log.documents[::-1]
        assert RosterHistory.read(rosters.documents(), WITNESS.public).faults == []


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        ("s3://bucket/a/b", {"provider": "aws_s3", "bucket_name": "bucket", "prefix": "a/b"}),
        ("gs://bucket", {"provider": "gcp_storage", "gcp_bucket_name": "bucket", "prefix": ""}),
        ("az://account/box/a", {"provider": "azure_blob", "account_name": "account", "container_name": "box"}),
        ("file:///srv/a%20b", {"provider": "local_file", "base_path": Path("/srv/a b")}),
    ],
)
def test_place_is_a_store(uri: str, fields: dict[str, object]) -> None:
    config = store_at(uri, None, option="--roster")

    assert {name: getattr(config, name) for name in fields} == fields


def test_endpoint_of_the_configured_store_is_used() -> None:
    storage = StorageConfig(provider="aws_s3", bucket_name="events", endpoint_url="https://store.example.com")

    config = store_at("s3://rosters/payments", storage, option="--roster")

    assert (config.bucket_name, config.prefix) == ("rosters", "payments")
    assert config.endpoint_url == "https://store.example.com"
    assert store_at("gs://rosters", storage, option="--roster").endpoint_url is None


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "rosters",
        "file://",
        "file://host/share",
        "s3:///a",
        "az://account",
        "http://a/b",
        "s3://u:pw@b/a",
        "file:///a?b",
    ],
)
def test_place_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        require_place(uri)

    assert "pw" not in str(refused.value)
