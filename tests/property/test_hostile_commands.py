"""Runs the commands on a topic and a store into which anybody wrote: no traceback, and every genuine event is shown."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.reader import RawRecord
from telemetry.testing import EmbeddedKafka
from tests.attacks.forge import produce
from tests.property.genuine import PASSPHRASE, folder, trail
from tests.property.hostile import fuzz, hostile_records, mixed, noise
from tests.property.hostile_store import SECRET_TEXT, genuine_objects, hostile_stores
from tests.property.test_hostile_files import acknowledgements, proofs, trust_files
from tests.support.in_process import Ended, run

CODES = {0, 2, 3, 4, 5, 6, 7}
SCHEMAS = ("event", "cloudevents", "ocsf", "cadf", "ecs")
NOT_NEUTRAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
FORMATS = ("jsonl", "csv", "parquet")


class Place:
    """A Kafka and a store that others wrote to, and the configuration of the one who looks at them."""

    def __init__(self, kafka: EmbeddedKafka, where: Path) -> None:
        self.folder = where
        self.store = where / "store"
        self.store.mkdir(mode=0o700)
        self.trust = where / "trust.toml"
        self.trust.write_bytes(trail().trust_file)
        self.trust.chmod(0o600)
        self._file = where / "telemetry.toml"
        audit = {
            "kafka_brokers": kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 20_000,
            "read_audit": "off",
            "storage_secret": SECRET_TEXT,
        }
        tables = {
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(trail().encryption.key_path),
                "passphrase": PASSPHRASE,
            },
            "storage_config": {"provider": "local_file", "base_path": str(self.store)},
        }
        lines = ['service_name = "payments"', 'environment = "production"', "[audit_config]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in audit.items()]
        for table, values in tables.items():
            lines += [f"[audit_config.{table}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
        self._file.write_text("\n".join(lines))
        self._file.chmod(0o600)

    def put(self, objects: dict[str, bytes]) -> None:
        """Write the objects whose names a file system can hold; the genuine ones first, which were there before."""
        for name, content in sorted(objects.items(), key=lambda item: item[0] not in genuine_objects().objects):
            path = self.store / name
            try:
                if not path.resolve().is_relative_to(self.store.resolve()):
                    continue
                for above in [*reversed(path.relative_to(self.store).parents)][1:]:
                    (self.store / above).mkdir(mode=0o700, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o600)
            except (OSError, ValueError):
                continue

    def run(self, command: str, *options: str) -> Ended:
        """Run a command."""
        words = command.split()
        ended = run(*words, "-c", str(self._file), *options)
        assert ended.code in CODES, ended
        if "--json" not in words and "show" not in words:
            # What people read is neutral, also where it is no terminal.
            assert not NOT_NEUTRAL.search(ended.out.decode() + ended.err)
        return ended


@contextmanager
def _place(records: list[RawRecord], objects: dict[str, bytes]) -> Iterator[Place]:
    with folder() as where, EmbeddedKafka(partitions=1) as kafka:
        place = Place(kafka, where)
        place.put(objects)
        produce(kafka.bootstrap_servers, [record._replace(headers=_known(record)) for record in records])
        yield place


def _known(record: RawRecord) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value) for name, value in record.headers if "\x00" not in name)


def _shown(ended: Ended) -> Counter[str]:
    lines = [json.loads(line) for line in ended.out.splitlines()]
    return Counter(line["id"] for line in lines if line["proven"] == "yes")


records = st.deferred(lambda: mixed(trail().records, hostile_records(trail())))


@fuzz(2)
@given(records, st.data())
def test_commands_on_the_topic(written: list[RawRecord], data: st.DataObject) -> None:
    ids = Counter(trail().id_of(record) for record in trail().events)
    one = data.draw(st.sampled_from(sorted(ids)))
    with _place(written, {}) as place:
        trust = "--trust", str(place.trust)
        assert _shown(place.run("tail --json", *trust)) == ids
        place.run("tail", *trust, *data.draw(st.sampled_from([(), ("--foreign", "--duplicates", "--repeats")])))
        verified = json.loads(place.run("verify --json", *trust, "--report", str(place.folder / "report.html")).out)
        assert sum(each["proven"] for each in verified["producers"] if each["producer"] in trail().counts) == len(ids)
        state = "--state", str(place.folder / "state")
        place.run("verify", *trust, *state)
        place.run("verify --json --continue", "--public-key", trail().signer.public_key, *state)
        form, schema = data.draw(st.sampled_from(FORMATS)), data.draw(st.sampled_from(SCHEMAS))
        place.run("export", *trust, "--format", form, "--schema", schema, "-o", str(place.folder / "exported"))
        place.run("export --sealed", "-o", str(place.folder / "sealed"))
        place.run("tail", *trust, "--file", str(place.folder / "sealed"))
        place.run("lineage --open", one, *trust)
        (traced,) = [
            each
            for each in json.loads(place.run("lineage --json", one, *trust).out)["records"]
            if each["proven"] == "yes"
        ]
        assert traced["id"] == one
        proof = place.folder / "proof"
        assert place.run("prove", one, *trust, "-o", str(proof)).code == 0
        assert run("verify-proof", str(proof), *trust).code == 0


@fuzz(2)
@given(st.deferred(hostile_stores), st.data())
def test_commands_on_the_store(objects: dict[str, bytes], data: st.DataObject) -> None:
    ids = Counter(trail().id_of(record) for record in trail().events)
    one = data.draw(st.sampled_from(sorted(ids)))
    with _place([], objects) as place:
        trust = "--trust", str(place.trust)
        assert _shown(place.run("tail --json --from fallback", *trust)) == ids
        place.run("tail --from all", "--public-key", trail().signer.public_key)
        place.run("verify", *trust)
        verified = json.loads(place.run("verify --json", *trust).out)
        assert sum(each["proven"] for each in verified["producers"] if each["producer"] in trail().counts) == len(ids)
        place.run("lineage", one, *trust)
        place.run("fallback list")
        for line in place.run("fallback list --json").out.splitlines()[:6]:
            name = json.loads(line)["name"]
            if not name.startswith("-"):
                place.run("fallback show", name)
        place.run("fallback verify")
        place.run("fallback export", str(place.folder / "exported"))


@fuzz(10)
@given(trust_files(), acknowledgements(), st.one_of(proofs(), noise), st.booleans())
def test_commands_on_files(trust: bytes, acknowledgement: bytes, proof: bytes, as_json: bool) -> None:
    with folder() as where:
        for name, content in (("trust", trust), ("ack", acknowledgement), ("proof", proof)):
            (where / name).write_bytes(content)
            (where / name).chmod(0o600)
        options = ["--json"] if as_json else []
        assert run("trust", "check", str(where / "trust"), *options).code in CODES
        assert run("verify-proof", str(where / "proof"), "--trust", str(where / "trust"), *options).code in CODES
        key = "--public-key", trail().signer.public_key
        assert run("verify-proof", str(where / "proof"), *key, *options).code in CODES


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="every name in a file system is text here")
def test_names_that_are_no_text_hide_nothing() -> None:
    with _place([], dict(genuine_objects().objects)) as place:
        for name in (*genuine_objects().objects, "rejected/audit-events/x"):
            for odd in (b"\xff\xfe.jsonl", b"\xed\xa0\x80.tobj", b"x\ny.jsonl", b"a" * 250):
                path = place.store / name
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.with_name(os.fsdecode(odd)).write_bytes(b"x")
        listed = [json.loads(line) for line in place.run("fallback list --json").out.splitlines()]
        assert {row["name"] for row in listed} >= set(genuine_objects().objects)
        verified = [json.loads(line) for line in place.run("fallback verify --json").out.splitlines()]
        assert {row["name"] for row in verified if row["good"]} == set(genuine_objects().objects)
        place.run("fallback list")
        place.run("fallback verify")
        exported = place.folder / "exported"
        place.run("fallback export", str(exported))
        assert len(exported.read_bytes().splitlines()) == len(trail().records)
        assert place.run("tail --json --from fallback", "--trust", str(place.trust)).code == 0
