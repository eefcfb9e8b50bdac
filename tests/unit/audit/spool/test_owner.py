"""A quarantined segment is taken back by hand, in the service's own form, and never signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.audit.producer import TreeState
from telemetry.audit.spool.adoption import adopt_segments
from telemetry.audit.spool.owner import Owner, accept_segment
from telemetry.audit.spool.sealing import SPOOL_PURPOSE
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import FormatError, SpoolError
from telemetry.format.objects.sealed_object import ContentKey
from tests.support.leftovers import leave_segment, left_in, owner, records

SEALED = owner(is_sealed=True)


def key_of(own: Owner) -> ContentKey | None:
    return own.keys.create(SPOOL_PURPOSE) if isinstance(own.keys, StorageKeys) else None


def quarantine(folder: Path, count: int = 1_200) -> Path:
    """Leave a segment of an earlier version, under the name of one that is quarantined."""
    logged = records(count)
    path = leave_segment(folder, logged, tree=TreeState(logged[0].producer, count, b"tree"))
    for name in (path, path.with_name(path.name + "-wal")):
        name.rename(str(name).replace(".spool", ".quarantined"))
    return path.with_suffix(".quarantined")


@pytest.mark.parametrize("is_sealed", [True, False])
def test_accepted_segment_is_sent_and_not_signed(tmp_path: Path, *, is_sealed: bool) -> None:
    own = owner(is_sealed=is_sealed)
    path = quarantine(tmp_path)

    assert accept_segment(path, own, key=key_of(own)) == 1_200

    assert left_in(tmp_path) == [f"{path.stem}.spool"]
    (adopted,) = adopt_segments(tmp_path, own)
    found = [record for chunk in adopted.records(lambda _segment: []) for record in chunk]
    assert [record.sequence for record in found] == list(range(1_200))
    assert (adopted.is_marked, adopted.tree) == (True, None)
    adopted.acknowledge(found)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("change", [{"source": "/production/treasury"}, {"topic": "another"}, {"may_be_clear": False}])
def test_segment_of_another_service_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    path = quarantine(tmp_path, 3)

    with pytest.raises(FormatError, match="nothing was done"):
        accept_segment(path, SEALED._replace(**change), key=key_of(SEALED))  # type: ignore[arg-type]

    assert path.exists()
    assert not list(tmp_path.glob("*.spool"))


def test_sealed_segment_needs_nobody_to_vouch(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(3), of=SEALED)

    with pytest.raises(FormatError, match="without seals"):
        accept_segment(path, SEALED, key=key_of(SEALED))

    assert path.exists()


def test_link_is_not_followed(tmp_path: Path) -> None:
    path = quarantine(tmp_path, 3)
    link = tmp_path / "link.quarantined"
    link.symlink_to(path)

    with pytest.raises(SpoolError, match="symbolic link"):
        accept_segment(link, SEALED, key=key_of(SEALED))
