"""Throws hostile objects and names at what reads and replays a fallback store: every genuine event comes out."""

from __future__ import annotations

import functools

from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.marks.own_objects import OwnObjects
from telemetry.audit.marks.unmarked import UnmarkedTerm
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.cli.options.object_view import ObjectView, stored_objects
from telemetry.exceptions import EncryptionError, FormatError, VerificationError
from telemetry.format.objects.stored_name import SHELVES
from telemetry.reader import FallbackSource, TrailReader
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.verify.verifier import Verifier
from tests.attacks.forge import TOPIC
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
    with bounded(48 << 20):
        replayer.link.connect()
        for shelf in SHELVES:
            assert replayer.run_pass(any_turn(), shelf) in (PassResult.DONE, PassResult.EMPTY)
    sent = [record.value for record, _ in kafka.topic]
    assert not {record.value for record in trail().records} - set(sent)
    assert all(value.startswith(b'{"specversion":"1.0","source":"%b",' % SOURCE.encode()) for value in sent)
    assert not set(genuine_objects().objects) & set(store.objects)
