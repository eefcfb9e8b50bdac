"""Throws hostile objects and names at what reads and replays a fallback store: every genuine event comes out."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.marks.own_objects import OwnObjects
from telemetry.audit.marks.unmarked import UnmarkedTerm
from telemetry.audit.replay import object_reader
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.cli.options.object_view import ObjectView, stored_objects
from telemetry.exceptions import EncryptionError, FormatError, VerificationError
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import SHELVES, object_name
from telemetry.reader import FallbackSource, TrailReader
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.verify.verifier import Verifier
from tests.attacks.forge import TOPIC, Writer
from tests.property.genuine import LATER, bounded, trail
from tests.property.hostile import fuzz, policies
from tests.property.hostile_store import SOURCE, genuine_objects, hostile_stores, storage_keys
from tests.support.fake_kafka import FakeKafka
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import any_turn, ledger


@fuzz(25)
@given(hostile_stores(), policies, st.booleans())
def test_reader_of_store_shows_all_events(objects: dict[str, bytes], policy: str, has_keys: bool) -> None:
    judge = functools.partial(trail().policy, policy)
    source = FallbackSource(MemoryStore(objects=objects), topic=TOPIC, keys=storage_keys())
    keyless = FallbackSource(MemoryStore(objects=objects), topic=TOPIC)
    with bounded():
        entries = list(TrailReader(source, provider=trail().provider, rules=ReadingRules(policy=judge()), patience=5.0))
        verifier = Verifier(judge())
        verifier.observe_all(source.with_held() if has_keys else keyless.with_held())
        report = verifier.report(now=LATER)
    trail().require_shown(entries)
    if has_keys:
        trail().require_verified(report)


@fuzz(25)
@given(hostile_stores())
def test_every_object_is_listed_or_refused(objects: dict[str, bytes]) -> None:
    store = MemoryStore(objects=objects)
    with bounded():
        for listed in stored_objects(store, TOPIC):
            try:
                view = ObjectView(store.stream(listed.stored.name), name=listed.stored.name, keys=storage_keys())
                view.summary()
                view.require_own_name(listed)
                for _ in view.records():
                    pass
            except (FormatError, VerificationError, EncryptionError):
                assert listed.stored.name not in genuine_objects().objects


@fuzz(20)
@given(hostile_stores())
def test_replay_sends_all_events(objects: dict[str, bytes]) -> None:
    with bounded(48 << 20):
        sent, left = _replayed(objects)
    assert not {record.value for record in trail().records} - set(sent)
    assert all(value.startswith(b'{"specversion":"1.0","source":"%b",' % SOURCE.encode()) for value in sent)
    assert not set(genuine_objects().objects) & set(left)


def test_many_objects_of_others_block_no_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_reader, "_MAX_REMEMBERED", 3)
    objects = dict(genuine_objects().objects)
    for producer in trail().counts:
        writer = Writer(producer=producer, service="marketing", key=trail().key)
        for number in range(5):
            line = StoredRecord(b"alice:marketing", writer.event().value or b"", number)
            name = object_name(
                TOPIC,
                created_uuid7=f"0198c0de-0000-7222-8333-{number:012x}",
                day="2026/01/30",
                producer=producer,
                first=number,
                last=number,
            )
            objects[name] = encode_object([line], topic=TOPIC, producer=producer, reason="unreachable")
    sent, left = _replayed(objects)

    assert set(sent) == {record.value for record in trail().records}
    assert set(left) >= set(objects) - set(genuine_objects().objects)


def _replayed(objects: dict[str, bytes]) -> tuple[list[bytes], dict[str, bytes]]:
    """Replay a store once; return the values that were sent, and what is left in the store."""
    store, kafka = MemoryStore(objects=dict(objects)), FakeKafka()
    keys = storage_keys()
    own = OwnObjects(
        SOURCE,
        keys=keys,
        form=genuine_objects().form,
        signers=[trail().signer.public],
        is_sealing=True,
        term=UnmarkedTerm(store, topic=TOPIC, secrets=keys.secrets),
    )
    replayer = Replayer(
        store,
        topic=TOPIC,
        kafka=kafka,
        outcomes=ObjectOutcomes(ledger(), on_object=lambda _name, _events: None),
        own=own,
        max_rate=1e9,
        max_refusals=None,
        form=genuine_objects().form,
    )
    replayer.link.connect()
    for shelf in SHELVES:
        assert replayer.run_pass(any_turn(), shelf) in (PassResult.DONE, PassResult.EMPTY)
    return [record.value for record, _ in kafka.topic], store.objects
