"""``telemetry verify --from archive`` on archives that somebody changed, with real data files: what an auditor is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from telemetry.archive.writing.named_streams import NamedStreams
from telemetry.config import StorageConfig
from telemetry.format import canonical_base64
from telemetry.format.archive.seal import Commit, Seal, SealedFile, SealedStream, SealKind
from telemetry.format.archive.seal_note import FIRST_LINE, decode_seal, seal_digest, seal_name
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.signed_note import sign_note
from telemetry.format.roster.entries import SealEntry
from telemetry.reader.entry import RawRecord
from telemetry.reader.roster.store import RosterStore
from telemetry.storage import StorageProviderFactory
from tests.support.archived_trail import ARCHIVER, SOURCE, ArchivedTrail
from tests.support.in_process import Ended, run
from tests.support.rosters import WITNESS, Witnessing
from tests.support.same_report import in_places
from tests.support.written_trail import Process, Signer, topic

OTHER = Process(2)
COMMITS = 3


class Site:
    """An archive of two producers, and what its auditor knows.

    Args:
        folder: Folder of the test.
        records: Records of the topic.
    """

    def __init__(self, folder: Path, records: Sequence[RawRecord] | None = None) -> None:
        self.folder = folder
        self.archive = folder / "archive"
        self.trail = ArchivedTrail(self.archive)
        records = records if records is not None else _two_producers()
        each = len(records) // COMMITS
        for number in range(COMMITS):
            self.trail.append(records[number * each : (number + 1) * each if number < COMMITS - 1 else None])
        self.required = self._witnessed()
        self.trust = folder / "trust.toml"
        entries = ((Signer(), "service", "/production/payments"), (ARCHIVER, "archiver", SOURCE))
        blocks = [
            f'[[key]]\npublic = "{key.public_key}"\nroles = ["{role}"]\nsources = ["{source}"]\n'
            for key, role, source in entries
        ]
        self.trust.write_text("version = 1\n" + "\n".join(blocks))
        self.trust.chmod(0o600)

    def verify(self, *options: str) -> Ended:
        return run(
            *("verify", "--from", "archive", "--archive", str(self.archive), "--trust", str(self.trust)),
            *("--jobs", "1", "--json", *options),
            environment={},
        )

    def path(self, name: str) -> Path:
        return self.archive / name

    def seal(self, number: int) -> Seal:
        return decode_seal(self.path(seal_name(number)).read_bytes())[1]

    def rows(self, number: int) -> pa.Table:
        return self.trail.table_of(self.seal(number).added[0].name)

    def exchange(self, number: int, table: pa.Table) -> SealedFile:
        """Put other rows in place of the data file of a commit; return what a seal would say of it."""
        (written,) = self.trail.write(table)
        name = self.seal(number).added[0].name
        data = self.path(written.name).read_bytes()
        self.path(name).write_bytes(data)
        self.path(written.name).unlink()
        return msgspec.structs.replace(written, name=name, sha256=hashlib.sha256(data).hexdigest())

    def reseal(self, number: int, signer: Signer, *, onwards: bool = True, **changes: Any) -> None:
        """Sign a changed seal, and those after it with counts and digests that follow."""
        self._sign(msgspec.structs.replace(self.seal(number), **changes), signer)
        for later in range(number + 1, COMMITS) if onwards else ():
            before, seal = self.seal(later - 1), self.seal(later)
            rows = sum(file.rows for file in seal.added)
            self._sign(
                msgspec.structs.replace(
                    seal,
                    previous=seal_digest(self.path(seal_name(later - 1)).read_bytes()),
                    rows=before.rows + rows,
                    records=before.records + rows,
                ),
                signer,
            )

    def _sign(self, seal: Seal, signer: Signer) -> None:
        note = sign_note(f"{FIRST_LINE}\n{msgspec.json.encode(seal).decode()}\n", signer)
        self.path(seal_name(seal.number)).write_text(note)

    def _witnessed(self) -> tuple[str, ...]:
        last = self.path(seal_name(COMMITS - 1)).read_bytes()
        witnessing = Witnessing()
        entry = SealEntry(
            archive=self.seal(0).archive,
            number=COMMITS - 1,
            digest=seal_digest(last),
            signer=ARCHIVER.public.key_id.hex(),
        )
        roster = witnessing.sign(entry)
        folder = self.folder / "rosters"
        folder.mkdir(mode=0o700)
        with StorageProviderFactory.create(StorageConfig(provider="local_file", base_path=folder)) as store:
            RosterStore(store, WITNESS.public).publish(roster)
        key = WITNESS.public_key
        return "--require-witness", key, "--roster", folder.as_uri(), "--max-roster-age", "1000000000"


def _two_producers() -> list[RawRecord]:
    mixed = [each for pair in zip_longest(Process(1).run(60), Process(2).run(40)) for each in pair if each is not None]
    return in_places(topic(mixed, partitions=1))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def _facts(ended: Ended) -> dict[str, Any]:
    return dict(json.loads(ended.out))


def _findings(ended: Ended) -> list[str]:
    report = _facts(ended)
    found = [*report["findings"], *(each for producer in report["producers"] for each in producer["findings"])]
    return [f"{each['verdict']} {(each['place'] or '').rpartition('/')[2]} {each['reason']}" for each in found]


def test_untouched_archive_is_complete(site: Site) -> None:
    ended = site.verify(*site.required, "--expect-seal", str(COMMITS - 1))

    assert ended.code == 0, ended.out
    assert _facts(ended)["proven"] == 100


def _without_row(site: Site, number: int, row: int) -> pa.Table:
    table = site.rows(number)
    return pa.concat_tables([table.slice(0, row), table.slice(row + 1)])


def _row_removed(site: Site) -> None:
    site.exchange(1, _without_row(site, 1, 7))


def _row_removed_with_another_key(site: Site) -> None:
    file = site.exchange(1, _without_row(site, 1, 7))
    site.reseal(1, Signer(66, "archiver"), added=(file,), rows=site.seal(1).rows - 1, records=site.seal(1).records - 1)


def _row_removed_with_the_archivers_key(site: Site) -> None:
    file = site.exchange(1, _without_row(site, 1, 7))
    site.reseal(1, ARCHIVER, added=(file,), rows=site.seal(1).rows - 1, records=site.seal(1).records - 1)


def _row_repeated_with_the_archivers_key(site: Site) -> None:
    table = site.rows(1)
    file = site.exchange(1, pa.concat_tables([_without_row(site, 1, 7), table.slice(8, 1)]))
    site.reseal(1, ARCHIVER, added=(file,))


def _value_altered_with_the_archivers_key(site: Site) -> None:
    table = site.rows(1)
    values = table.column("value").to_pylist()
    values[7] = values[7].replace(b'"type":"', b'"type":"not_', 1)
    column = table.schema.get_field_index("value")
    altered = table.set_column(column, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    site.reseal(1, ARCHIVER, added=(site.exchange(1, altered),))


def _file_removed(site: Site) -> None:
    site.path(site.seal(1).added[0].name).unlink()


def _seal_removed(site: Site) -> None:
    site.path(seal_name(1)).unlink()


@pytest.mark.parametrize(
    ("attack", "code", "named"),
    [
        (_row_removed, 3, "the file"),
        (_row_removed_with_another_key, 3, "seals 1 to 2 are not believed"),
        (_row_removed_with_the_archivers_key, 4, "missing"),
        (_row_repeated_with_the_archivers_key, 4, "missing"),
        (_value_altered_with_the_archivers_key, 3, "tampered"),
        (_file_removed, 4, "the file is absent"),
        (_seal_removed, 4, "00000001.seal is absent"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_change_is_named(site: Site, attack: Callable[[Site], None], code: int, named: str) -> None:
    attack(site)

    ended = site.verify()

    assert ended.code == code, ended.out
    assert any(named in finding for finding in _findings(ended)), _findings(ended)


def test_planted_end_does_not_hide_the_events(site: Site) -> None:
    last = site.seal(COMMITS - 1)
    forged = msgspec.structs.replace(
        last,
        number=COMMITS,
        kind=SealKind.COMPACT,
        previous=seal_digest(site.path(seal_name(COMMITS - 1)).read_bytes()),
        added=(),
        removed=tuple(file.name for number in range(COMMITS) for file in site.seal(number).added),
        ranges=(),
        streams=(),
        rows=0,
    )
    note = sign_note(f"{FIRST_LINE}\n{msgspec.json.encode(forged).decode()}\n", Signer(66, "archiver"))
    site.path(seal_name(COMMITS)).write_text(note)

    ended = site.verify()

    assert (ended.code, _facts(ended)["proven"]) == (3, 100)
    assert any(f"seal {COMMITS} is not believed" in finding for finding in _findings(ended))


def test_forged_checkpoints_of_one_size_raise_no_alarm(tmp_path: Path) -> None:
    honest = Process(1).run(20)
    forged = []
    for number in range(24):
        # The line of the signature names the true key; who may write to the topic can write that.
        liar = Process(1, signer=Signer(), leaves=False)
        for _ in range(30):
            liar.log(payload=b"%d" % number)
        value = liar.checkpoint().value or b""
        forged.append(liar.checkpoint()._replace(value=_broken(value)))
    site = Site(tmp_path, in_places(topic([*honest, *forged], partitions=1)))
    named = NamedStreams()
    for record in (*honest, *forged):
        named.add(record.value or b"")
    assert {stream.size for stream in named.largest()} == {30}

    found = _findings(site.verify())

    assert not any("removed after it was archived" in finding for finding in found), found


def _broken(value: bytes) -> bytes:
    """Return a checkpoint's record whose signature is of another text."""
    message = decode_checkpoint_message(value)
    assert message is not None
    text, _, line = message.data.rpartition(" ")
    signature = bytearray(canonical_base64.decode(line.rstrip("\n")) or b"")
    signature[-1] ^= 1
    data = f"{text} {canonical_base64.encode(bytes(signature))}\n"
    return value.replace(msgspec.json.encode(message.data), msgspec.json.encode(data))


def test_producer_taken_out_with_the_archivers_key(site: Site) -> None:
    producer, rows = OTHER.producer, 0
    for number in range(COMMITS):
        table = site.rows(number)
        kept = table.filter(pa.array([each != producer for each in table.column("producer").to_pylist()]))
        streams: tuple[SealedStream, ...] = tuple(
            stream for stream in site.seal(number).streams if stream.producer != producer
        )
        file = site.exchange(number, kept)
        rows += file.rows
        site.reseal(
            number, ARCHIVER, added=(file,), streams=streams, rows=rows, records=rows, live=_live(site, number, file)
        )

    alone, witnessed = site.verify(), site.verify(*site.required)

    assert (alone.code, _facts(alone)["proven"]) == (0, 60), "the archive alone is a genuine, smaller one"
    assert witnessed.code == 3
    assert any("the archive has two histories" in finding for finding in _findings(witnessed))


def test_producer_taken_out_by_a_compaction(site: Site) -> None:
    table = site.trail.table()
    mask = [each != OTHER.producer for each in table.column("producer").to_pylist()]
    kept = table.filter(pa.array(mask))
    padded = pa.concat_tables([kept, kept.slice(0, table.num_rows - kept.num_rows)])
    site.trail.replace(SealKind.COMPACT, padded.sort_by([("day", "ascending"), ("sequence", "ascending")]))

    ended = site.verify()

    assert ended.code == 4, ended.out
    assert any(
        f"records of {OTHER.producer}" in finding and "removed after it was archived" in finding
        for finding in _findings(ended)
    )


def test_end_that_was_cut_off(site: Site) -> None:
    site.trail.commit(Commit(kind=SealKind.APPEND))
    site.path(seal_name(COMMITS)).unlink()
    assert site.verify(*site.required).code == 0, "that seal is not known outside"
    site.path(seal_name(COMMITS - 1)).unlink()

    found = _findings(site.verify(*site.required))

    assert any("the end of the archive was cut off" in finding for finding in found)
    assert site.verify("--expect-seal", str(COMMITS - 1)).code == 4


def _live(site: Site, number: int, file: SealedFile) -> tuple[SealedFile, ...] | None:
    return None if site.seal(number).live is None else (file,)
