"""A segment is created for the right stream and in the right form, takes little where it is one of many, or leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telemetry.audit.spool.sealing import PLAIN_VERSION, SEALED_VERSION, SPOOL_PURPOSE
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.stream.segments import Segments
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import KeyUnreachableError, SpoolError
from telemetry.format.objects.sealed_object import ContentKey
from tests.support.leftovers import TOPIC, kill_owner, owner, records

PRODUCER = "0198c0de-0000-7000-8000-000000000001"
ANOTHER = "0198c0de-0000-7000-8000-000000000002"
SOURCE = "/production/shop"
PAYMENTS = "/production/payments"


class Keys:
    """The keys of a service, which count what they are asked for and can be away."""

    def __init__(self) -> None:
        keys = owner(is_sealed=True).keys
        assert isinstance(keys, StorageKeys)
        self.own = keys
        self.purposes: list[bytes] = []
        self.is_away = False

    def create(self, purpose: bytes) -> ContentKey:
        self.purposes.append(purpose)
        if self.is_away:
            message = "the key service does not answer"
            raise KeyUnreachableError(message)
        return self.own.create(purpose)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def segments(tmp_path: Path, keys: Keys) -> Segments:
    return Segments(folder=tmp_path, topic=TOPIC, source=SOURCE, keys=keys)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def adopted(path: Path, keys: Keys | None = None) -> SpoolSegment:
    segment = SpoolSegment.adopt(path, keys.own if keys is not None else None)
    assert segment is not None
    return segment


@pytest.mark.skipif(os.name != "posix", reason="the system has no file modes")
@pytest.mark.usefixtures("umask")
def test_segment_is_this_users_own_file(segments: Segments) -> None:
    segment = segments.create(PRODUCER)

    assert segment.path.name == f"{PRODUCER}.spool"
    assert segment.path.stat().st_mode & 0o777 == 0o600
    segment.close()


def test_segment_says_whose_it_is(segments: Segments, keys: Keys) -> None:
    path = kill_owner(segments.of(PAYMENTS).create(PRODUCER))

    segment = adopted(path, keys)

    about = segment.about
    assert about is not None
    assert (about.version, about.producer, about.topic, about.source) == (SEALED_VERSION, PRODUCER, TOPIC, PAYMENTS)
    assert segment.is_marked
    segment.close()


def test_each_segment_has_a_key_of_its_own(segments: Segments, keys: Keys) -> None:
    for producer in (PRODUCER, ANOTHER):
        segments.create(producer).close()

    assert keys.purposes == [SPOOL_PURPOSE, SPOOL_PURPOSE]


@pytest.mark.parametrize("has_keys", [False, True])
def test_former_format_asks_for_no_key(segments: Segments, keys: Keys, *, has_keys: bool) -> None:
    former = replace(segments, keys=keys if has_keys else None, version=PLAIN_VERSION)
    path = kill_owner(former.create(PRODUCER))

    segment = adopted(path)

    assert segment.about is not None
    assert (segment.about.version, segment.about.source) == (PLAIN_VERSION, SOURCE)
    assert keys.purposes == []
    segment.close()


def test_service_without_a_key_has_plain_segments(segments: Segments) -> None:
    path = kill_owner(replace(segments, keys=None).create(PRODUCER))

    segment = adopted(path)

    assert segment.about is not None
    assert segment.about.version == PLAIN_VERSION
    segment.close()


def test_segments_of_another_source_differ_in_that_alone(segments: Segments) -> None:
    others = segments.of(PAYMENTS)

    assert others == replace(segments, source=PAYMENTS, is_one_of_many=True)
    assert (segments.source, segments.is_one_of_many) == (SOURCE, False)


@pytest.mark.parametrize("is_one_of_many", [True, False])
def test_one_of_many_takes_little_of_the_disk(segments: Segments, *, is_one_of_many: bool) -> None:
    segment = replace(segments, is_one_of_many=is_one_of_many).create(PRODUCER)
    most = 0
    for first in range(0, 600, 5):
        # What came before is settled: the rest is what the file takes for itself.
        segment.append(records(5, producer=PRODUCER, first=first, size=10_000), settled_below=first, tree=None)
        most = max(most, segment.size)
    segment.remove()

    # docs/adr/0029: up to 1.5 MiB.
    assert (most <= 3 << 19) is is_one_of_many, most


def test_small_segments_keep_the_smaller_bound(segments: Segments) -> None:
    segment = replace(segments, is_one_of_many=True, flip_bytes=4_096).create(PRODUCER)
    for first in range(6):
        segment.append(records(1, producer=PRODUCER, first=first, size=5_000), settled_below=first, tree=None)

    assert [row[0] for row in segment.rows()][-1] == 5
    assert segment._tables.state.active_bytes < 2 * 8_192
    segment.remove()


def test_refused_key_leaves_no_file(segments: Segments, keys: Keys, tmp_path: Path) -> None:
    keys.is_away = True

    with pytest.raises(KeyUnreachableError):
        segments.create(PRODUCER)

    assert list(tmp_path.iterdir()) == []
    keys.is_away = False
    segments.create(PRODUCER).remove()
    assert list(tmp_path.iterdir()) == []


def test_segment_of_a_living_stream_stays_whole(segments: Segments, keys: Keys) -> None:
    first = segments.create(PRODUCER)
    first.append(records(3, producer=PRODUCER), settled_below=0, tree=None)

    with pytest.raises(SpoolError, match="cannot create"):
        segments.create(PRODUCER)

    segment = adopted(kill_owner(first), keys)
    assert [row[0] for row in segment.rows()] == [0, 1, 2]
    segment.close()


@pytest.mark.skipif(os.name != "posix", reason="links need a right on Windows")
def test_link_of_that_name_is_not_followed(segments: Segments, tmp_path: Path) -> None:
    victim = tmp_path / "of the application"
    (tmp_path / f"{PRODUCER}.spool").symlink_to(victim)

    with pytest.raises(SpoolError, match="cannot create"):
        segments.create(PRODUCER)

    assert not victim.exists()


def test_folder_that_is_gone_is_an_error(segments: Segments, tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="check the disk, the folder's owner and its mode"):
        replace(segments, folder=tmp_path / "gone").create(PRODUCER)


def test_removed_segment_leaves_the_others(segments: Segments, keys: Keys, tmp_path: Path) -> None:
    one, another = segments.of(PAYMENTS).create(PRODUCER), segments.of(SOURCE).create(ANOTHER)
    another.append(records(2, producer=ANOTHER), settled_below=0, tree=None)

    one.remove()

    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {ANOTHER}
    segment = adopted(kill_owner(another), keys)
    assert [row[0] for row in segment.rows()] == [0, 1]
    segment.close()


_DISK_THAT_REJECTS = """
import resource, signal, sys
from pathlib import Path
from telemetry.audit.spool.stream.segments import Segments
from telemetry.exceptions import SpoolError
folder = Path(sys.argv[1])
segments = Segments(folder=folder, topic="audit-events", source="/production/shop", is_one_of_many=True)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
refused = 0
for limit in range(0, 400_000, 12_345):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        segments.create("0198c0de-0000-7000-8000-000000000001").remove()
    except SpoolError:
        refused += 1
    left = sorted(path.name for path in folder.iterdir())
    if left:
        sys.exit(f"{left} is left where a file may have {limit} bytes")
print("some" if 0 < refused < 30 else f"{refused} were refused")
"""


@pytest.mark.skipif(os.name != "posix", reason="the system has no limit for the size of a file")
def test_failed_creation_leaves_no_file(tmp_path: Path) -> None:
    """Wherever the disk stops to accept, from the first byte to the last commit of a new file."""
    done = subprocess.run(
        [sys.executable, "-c", _DISK_THAT_REJECTS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "some"), done.stderr
