"""Forgeries of an archive's bucket: each one is named, or changes nothing for those who read it.

Three attackers: one with access to the bucket, one with a key that is trusted for something else, and one with the archiver's
own key. What only somebody outside the archive can know is tested as that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from telemetry.exceptions import TamperedError
from telemetry.format.archive.seal import Ending, OffsetGap, SealedFile, SealedRange, SealKind
from telemetry.format.archive.seal_note import FIRST_LINE, seal_name
from telemetry.format.proof.signed_note import sign_note
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.folding import fold
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from tests.attacks.forged_archive import (
    COMMITS,
    POLICY,
    ROWS,
    SERVICE,
    STAGING,
    STAGING_SOURCE,
    STRANGER,
    Bucket,
    content,
    day_of,
    examine,
    file_name,
    tree_of,
)
from tests.support.sealed_archive import ARCHIVER, SOURCE
from tests.support.written_trail import TOPIC, Signer

LAST = COMMITS - 1
Attack = Callable[[Bucket], None]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "bucket"
    folder.mkdir(mode=0o700)
    Bucket(folder).fill()
    return folder


@pytest.fixture
def bucket(original: Path, tmp_path: Path) -> Bucket:
    shutil.copytree(original, tmp_path / "bucket")
    return Bucket(tmp_path / "bucket")


def test_nothing_forged_nothing_found(bucket: Bucket) -> None:
    others: list[int] = []

    assert examine(bucket, histories=[bucket.history()], also=others.append) == []
    assert others == [0]


# An attacker with access to the bucket.


def _data(number: int) -> str:
    return file_name(number, day_of(number))


def _row_removed(bucket: Bucket) -> None:
    bucket.path(_data(5)).write_bytes(content(ROWS - 1, [tree_of(5 % 3, 60)]))


def _row_added(bucket: Bucket) -> None:
    bucket.path(_data(5)).write_bytes(content(10 * ROWS, [tree_of(5 % 3, 60)]))


def _byte_altered(bucket: Bucket) -> None:
    data = bytearray(bucket.path(_data(5)).read_bytes())
    data[-2] ^= 1
    bucket.path(_data(5)).write_bytes(data)


def _file_removed(bucket: Bucket) -> None:
    bucket.path(_data(5)).unlink()


def _file_emptied(bucket: Bucket) -> None:
    bucket.path(_data(5)).write_bytes(b"")


def _file_padded(bucket: Bucket) -> None:
    with bucket.path(_data(5)).open("ab") as file:
        file.write(b"\0" * (1 << 20))


def _file_linked(bucket: Bucket) -> None:
    bucket.path(_data(5)).unlink()
    bucket.path(_data(5)).symlink_to(bucket.path(_data(6)))


def _seal_removed(bucket: Bucket) -> None:
    bucket.path(seal_name(30)).unlink()


def _first_seal_removed(bucket: Bucket) -> None:
    bucket.path(seal_name(0)).unlink()


def _seal_linked(bucket: Bucket) -> None:
    bucket.path(seal_name(30)).unlink()
    bucket.path(seal_name(30)).symlink_to(bucket.path(seal_name(29)))


def _seal_is_a_pipe(bucket: Bucket) -> None:
    bucket.path(seal_name(30)).unlink()
    os.mkfifo(bucket.path(seal_name(30)))


def _seals_exchanged(bucket: Bucket) -> None:
    one, other = bucket.path(seal_name(30)), bucket.path(seal_name(31))
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def _old_seal_replayed(bucket: Bucket) -> None:
    shutil.copy(bucket.path(seal_name(30)), bucket.path(seal_name(COMMITS)))


def _seal_altered(bucket: Bucket) -> None:
    data = bucket.path(seal_name(30)).read_bytes()
    bucket.path(seal_name(30)).write_bytes(data.replace(b'"rows":10,', b'"rows":11,', 1))


def _seal_signed_twice(bucket: Bucket) -> None:
    line = sign_note("x\n", STRANGER).split("\n")[2]
    with bucket.path(seal_name(LAST)).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _file_and_seal_with_another_key(bucket: Bucket) -> None:
    file = bucket.put_file(_data(30), content(ROWS, salt="forged"), rows=ROWS)
    bucket.sign(30, msgspec.structs.replace(bucket.seal(30), added=(file,), streams=()), STRANGER)


def _whole_chain_with_another_key(bucket: Bucket) -> None:
    bucket.forge(30, STRANGER, streams=())


def _seal_with_the_trusted_name_and_id(bucket: Bucket) -> None:
    # The id of a key has four bytes, so another key with the same one can be found.
    note = bucket.path(seal_name(LAST)).read_text()
    text, _, line = note.rpartition("\n\n")
    forged = text.replace('"rows":10,', '"rows":11,', 1)
    bucket.path(seal_name(LAST)).write_text(f"{forged}\n\n{line}")


def _next_seal_with_another_key(bucket: Bucket) -> None:
    bucket.add(STRANGER)


def _rubbish_as_next_seal(bucket: Bucket) -> None:
    bucket.path(seal_name(COMMITS)).write_bytes(os.urandom(5_000))


def _last_name_planted(bucket: Bucket) -> None:
    bucket.path(seal_name(99_999_999)).write_bytes(b"")


def _oversized_seal(bucket: Bucket) -> None:
    with bucket.path(seal_name(COMMITS)).open("wb") as file:
        file.truncate(1 << 30)


def _tampered(number: int, field: str = "") -> str:
    return f"tampered {number:08d}.seal {field}".strip()


_FILE = _data(5).rpartition("/")[2]
_HOLE = "missing 00000030.seal"
_UNREAD = _tampered(COMMITS)


@pytest.mark.parametrize(
    ("attack", "found"),
    [
        (_row_removed, {f"tampered {_FILE} size"}),
        (_row_added, {f"tampered {_FILE} size"}),
        (_byte_altered, {f"tampered {_FILE} digest"}),
        (_file_removed, {f"missing {_FILE}"}),
        (_file_emptied, {f"tampered {_FILE} size"}),
        (_file_padded, {f"tampered {_FILE} size"}),
        (_file_linked, {f"unverifiable {_FILE}"}),
        (_seal_removed, {_HOLE}),
        (_first_seal_removed, {"missing 00000000.seal"}),
        (_seal_linked, {_HOLE}),
        (_seal_is_a_pipe, {_HOLE}),
        (_seals_exchanged, {_tampered(30), _tampered(31)}),
        (_old_seal_replayed, {_UNREAD}),
        (_seal_altered, {_tampered(30, "signature"), _tampered(31, "previous")}),
        (_seal_signed_twice, {_tampered(LAST)}),
        (_file_and_seal_with_another_key, {_tampered(30, "signature"), _tampered(31, "previous")}),
        (_whole_chain_with_another_key, {_tampered(30, "signature")}),
        (_seal_with_the_trusted_name_and_id, {_tampered(LAST, "signature")}),
        (_next_seal_with_another_key, {_tampered(COMMITS, "signature")}),
        (_rubbish_as_next_seal, {_UNREAD}),
        (_last_name_planted, {_tampered(99_999_999), f"missing {COMMITS:08d}.seal"}),
        (_oversized_seal, {_UNREAD}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_change_of_the_bucket_is_named(bucket: Bucket, attack: Attack, found: set[str]) -> None:
    attack(bucket)

    assert found <= set(examine(bucket))


def test_day_that_was_removed_is_named(bucket: Bucket) -> None:
    shutil.rmtree(bucket.path(f"events/data/day={day_of(30)}"))

    found = examine(bucket)

    removed = [number for number in range(COMMITS) if day_of(number) == day_of(30)]
    assert [each for each in found if each.endswith(".parquet")] == [
        f"missing {_data(number).rpartition('/')[2]}" for number in removed
    ]


@pytest.mark.parametrize(
    "name",
    [
        "events/data/day=2026-01-02/planted-0.parquet",
        "events/data/day=2026-01-02/\uff0e\uff0e-0.parquet",
        "events/data/day=2026-01-02/" + _FILE.replace("0-0.", "0-1."),
        "events/data/day=2026-01-02/x y\u202egpj.parquet",
        "evidence/seals/0000030.seal",
        "evidence/seals/00000030.SEAL",
        "evidence/seals/00000030.seal.tmp",
        "evidence/seals/\u0660\u0660\u0660\u0660\u0660\u0660\u0663\u0660.seal",
        "evidence/keys/00000000.pub",
    ],
)
def test_planted_object_is_harmless(bucket: Bucket, name: str) -> None:
    bucket.path(name).parent.mkdir(parents=True, exist_ok=True)
    bucket.path(name).write_bytes(content(1_000_000))
    others: list[int] = []

    assert examine(bucket, also=others.append) == []
    assert others == [int(name.startswith("events/data/"))]


def test_end_that_was_cut_off_is_known_outside_only(bucket: Bucket) -> None:
    history, digest = bucket.history(), bucket.seals.read(LAST).digest
    for number in range(60, COMMITS):
        bucket.path(seal_name(number)).unlink()

    assert examine(bucket) == []
    assert examine(bucket, histories=[history]) == [f"missing {LAST:08d}.seal"]
    assert examine(bucket, expected=[ExpectedSeal(LAST, digest)]) == [f"missing {LAST:08d}.seal"]


# An attacker with a key that is trusted for something else.


@pytest.mark.parametrize("signer", [SERVICE, STAGING], ids=["service", "other archiver"])
def test_key_with_other_rights_cannot_continue(bucket: Bucket, signer: Signer) -> None:
    bucket.add(signer)

    assert examine(bucket) == [_tampered(COMMITS, "signature")]


def test_archiver_of_another_source_cannot_continue_as_itself(bucket: Bucket) -> None:
    bucket.add(STAGING, source=STAGING_SOURCE)

    assert examine(bucket) == [_tampered(COMMITS, "archive")]


def test_seal_of_another_archive_of_this_archiver(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    other = Bucket(tmp_path / "other")
    other.fill(archive="018f3b1c-0000-7000-8000-00000000b000")
    shutil.copy(other.path(seal_name(30)), bucket.path(seal_name(30)))

    assert {_tampered(30, "previous"), _tampered(30, "archive"), _tampered(31, "previous")} <= set(examine(bucket))


def test_whole_other_archive_is_known_outside_only(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    other = Bucket(tmp_path / "other")
    other.fill(archive="018f3b1c-0000-7000-8000-00000000b000", salt="other")
    digest = bucket.seals.read(30).digest

    assert examine(other) == []
    assert examine(other, histories=[bucket.history()]) == ["unverifiable  roster"]
    assert examine(other, expected=[ExpectedSeal(30, digest)]) == [_tampered(30, "digest")]


@pytest.mark.parametrize("date", ["not_after", "revoked_from"])
def test_key_that_ended_is_not_believed_any_more(bucket: Bucket, date: str) -> None:
    key = TrustedKey(public=ARCHIVER.public, roles=frozenset({Role.ARCHIVER}), sources=(SOURCE,))
    end = datetime(2026, 1, 3, tzinfo=UTC)
    ended = replace(key, not_after=end) if date == "not_after" else replace(key, revoked_from=end)

    assert examine(bucket, policy=TrustPolicy((ended,))) == ["unverifiable 00000000.seal signature"]


def test_seal_that_is_dated_back_is_named(bucket: Bucket) -> None:
    revoked = TrustedKey(
        public=ARCHIVER.public,
        roles=frozenset({Role.ARCHIVER}),
        sources=(SOURCE,),
        revoked_from=datetime(2026, 1, 4, 0, 30, tzinfo=UTC),
    )
    bucket.add(ARCHIVER, time="2026-01-03T00:00:00.000000Z")

    assert examine(bucket, policy=TrustPolicy((revoked,))) == [f"unverifiable {COMMITS:08d}.seal time"]


# An attacker with the archiver's key.


def _compaction_that_drops_rows(bucket: Bucket) -> None:
    file = bucket.put_file(_data(900), content(ROWS), rows=ROWS)
    bucket.add(ARCHIVER, kind=SealKind.COMPACT, added=(file,), removed=(_data(5), _data(6)))


def _compaction_that_claims_rows(bucket: Bucket) -> None:
    trees = [tree_of(5 % 3, 60), tree_of(6 % 3, 70)]
    file = bucket.put_file(_data(900), content(ROWS, trees), rows=2 * ROWS)
    bucket.add(ARCHIVER, kind=SealKind.COMPACT, added=(file,), removed=(_data(5), _data(6)))


def _compaction_that_drops_a_checkpoint(bucket: Bucket) -> None:
    file = bucket.put_file(_data(900), content(ROWS), rows=ROWS)
    bucket.add(ARCHIVER, kind=SealKind.COMPACT, added=(file,), removed=(_data(LAST),))


def _expiry_that_adds_rows(bucket: Bucket) -> None:
    file = bucket.put_file(_data(900), content(2 * ROWS), rows=2 * ROWS)
    ended = (Ending(policy="7y", rows=1),)
    bucket.add(ARCHIVER, kind=SealKind.EXPIRE, added=(file,), removed=(_data(5),), ended=ended)


def _removal_without_a_kind(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, removed=(_data(5),))


def _removal_of_what_is_not_live(bucket: Bucket) -> None:
    file = bucket.put_file(_data(900), content(ROWS), rows=ROWS)
    bucket.add(ARCHIVER, kind=SealKind.COMPACT, added=(file,), removed=(_data(901),))


def _file_twice(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, added=bucket.seal(5).added)


def _offsets_skipped(bucket: Bucket) -> None:
    first = ROWS * COMMITS + 5
    part = SealedRange(topic=TOPIC, partition=0, first=first, end=first + 5)
    bucket.add(ARCHIVER, ranges=(part,), positions={TOPIC: {0: first + 5}})


def _offsets_twice(bucket: Bucket) -> None:
    part = SealedRange(topic=TOPIC, partition=0, first=0, end=5)
    bucket.add(ARCHIVER, ranges=(part,), positions={TOPIC: {0: 5}})


def _position_lowered(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, positions={TOPIC: {0: 5}})


def _position_raised(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, positions={TOPIC: {0: 10_000}})


def _partition_forgotten(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, positions={})


def _gap_pretended(bucket: Bucket) -> None:
    gap = OffsetGap(topic=TOPIC, partition=0, first=ROWS * COMMITS, end=ROWS * COMMITS + 5)
    bucket.add(ARCHIVER, gaps=(gap,), positions={TOPIC: {0: gap.end}})


def _records_lowered(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, records=5)


def _rows_lowered(bucket: Bucket) -> None:
    bucket.add(ARCHIVER, rows=5)


def _live_list_without_a_file(bucket: Bucket) -> None:
    live = bucket.seal(64).live
    assert live is not None
    bucket.forge(64, ARCHIVER, live=live[1:])


def _seal_left_out_and_renumbered(bucket: Bucket) -> None:
    for number in range(31, COMMITS):
        seal = msgspec.structs.replace(bucket.seal(number), number=number - 1, live=None)
        bucket.sign(number - 1, seal, ARCHIVER)
    bucket.path(seal_name(LAST)).unlink()
    for number in range(30, LAST):
        previous = bucket.seals.read(number - 1).digest
        bucket.sign(number, msgspec.structs.replace(bucket.seal(number), previous=previous), ARCHIVER)


@pytest.mark.parametrize(
    ("attack", "found"),
    [
        (_compaction_that_drops_rows, {_tampered(COMMITS, "files")}),
        (_compaction_that_claims_rows, {f"tampered {_data(900).rpartition('/')[2]} rows"}),
        (_compaction_that_drops_a_checkpoint, {f"missing {LAST:08d}.seal root"}),
        (_expiry_that_adds_rows, {_tampered(COMMITS, "files")}),
        (_removal_without_a_kind, {_tampered(COMMITS)}),
        (_removal_of_what_is_not_live, {_tampered(COMMITS, "files")}),
        (_file_twice, {_tampered(COMMITS, "files")}),
        (_offsets_skipped, {_tampered(COMMITS, "offsets")}),
        (_offsets_twice, {_tampered(COMMITS, "offsets")}),
        (_position_lowered, {_tampered(COMMITS, "offsets")}),
        (_position_raised, {_tampered(COMMITS, "offsets")}),
        (_partition_forgotten, {_tampered(COMMITS, "offsets")}),
        (_gap_pretended, {f"missing {COMMITS:08d}.seal offsets"}),
        (_records_lowered, {_tampered(COMMITS, "files")}),
        (_rows_lowered, {_tampered(COMMITS, "files")}),
        (_live_list_without_a_file, {_tampered(64, "files")}),
        (_seal_left_out_and_renumbered, {_tampered(30, "offsets"), _tampered(30, "files")}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_archivers_key_alone_is_not_enough(bucket: Bucket, attack: Attack, found: set[str]) -> None:
    attack(bucket)

    assert found <= set(examine(bucket))


def test_chain_that_was_written_anew_is_known_outside_only(bucket: Bucket) -> None:
    history = bucket.history()
    bucket.forge(30, ARCHIVER, objects=("planted",))

    assert examine(bucket) == []
    assert examine(bucket, histories=[history]) == [_tampered(LAST, "digest")]


def test_smaller_tree_does_not_hide_a_larger_one(bucket: Bucket) -> None:
    small = tree_of(LAST % 3, 1)
    file = bucket.put_file(_data(900), content(ROWS, [small]), rows=ROWS)
    bucket.add(ARCHIVER, kind=SealKind.COMPACT, added=(file,), removed=(_data(LAST),))

    assert examine(bucket) == [f"missing {LAST:08d}.seal root"]


def test_forged_checkpoint_on_the_topic_is_no_alarm(bucket: Bucket) -> None:
    forged = tree_of(1, 1 << 53)
    first = ROWS * COMMITS
    part = SealedRange(topic=TOPIC, partition=0, first=first, end=first + 1)
    file = bucket.put_file(_data(900), content(1, [forged]), rows=1)
    bucket.add(ARCHIVER, added=(file,), ranges=(part,), streams=(forged,), positions={TOPIC: {0: first + 1}})

    found = examine(bucket)

    # The archiver sealed it as it came; what it hides of this producer's earlier trees, the files' digests show.
    assert found == []


# Rubbish of any size, and what a writer does with a forged end.


def _bomb(kind: str) -> str:
    file = SealedFile(name="", sha256="", size=0, rows=0, day="")
    if kind == "a million files":
        files = ",".join([msgspec.json.encode(file).decode()] * 250_000)
        return f'{{"version":1,"added":[{files}]}}'
    if kind == "nested":
        return '{"version":1,"added":' + "[" * 5_000_000
    if kind == "number":
        return '{"version":' + "9" * 10_000_000 + "}"
    if kind == "text":
        return '{"version":1,"archive":"' + "\u202e" * 5_000_000 + '"}'
    topics = ",".join(f'"{number}":{{}}' for number in range(1_000_000))
    return f'{{"version":1,"positions":{{{topics}}}}}'


@pytest.mark.parametrize("kind", ["a million files", "nested", "number", "text", "positions"])
def test_bomb_is_refused(bucket: Bucket, kind: str) -> None:
    note = sign_note(f"{FIRST_LINE}\n{_bomb(kind)}\n", STRANGER, max_bytes=1 << 30)
    bucket.path(seal_name(COMMITS)).write_text(note)

    assert examine(bucket) == [_UNREAD]


def _seal_before_the_end_removed(bucket: Bucket) -> None:
    bucket.path(seal_name(LAST - 1)).unlink()


@pytest.mark.parametrize(
    ("attack", "last"),
    [
        (_next_seal_with_another_key, COMMITS),
        (_seal_with_the_trusted_name_and_id, LAST),
        (_seal_before_the_end_removed, LAST),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_writer_does_not_continue_on_a_forged_end(bucket: Bucket, attack: Attack, last: int) -> None:
    attack(bucket)

    with pytest.raises(TamperedError):
        fold(bucket.seals, number=last, policy=POLICY)


def test_position_in_a_forged_end_is_not_taken(bucket: Bucket) -> None:
    bucket.add(STRANGER, positions={TOPIC: {0: 1_000_000}})

    with pytest.raises(TamperedError, match=f"the seal {COMMITS} is not believed"):
        fold(bucket.seals, policy=POLICY)


@pytest.mark.parametrize("text", ["x\u202ey", "x\u2028y", "\u200b", "x\u0085"])
def test_text_of_a_seal_cannot_act_in_a_terminal(bucket: Bucket, text: str) -> None:
    bucket.sign(30, msgspec.structs.replace(bucket.seal(30), objects=(text,)), ARCHIVER)

    assert _tampered(30) in examine(bucket)
