"""Reading by a recipient: a second key or the offline recovery key opens what the lost KEK wrapped."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.listed_keys import ListedKeys
from telemetry.encryption.providers import recovery_key
from telemetry.encryption.unwrap.budget import UnwrapBudget
from telemetry.exceptions import KeyNotFoundError, KeyUnreachableError, TamperedError, WrapNotSeenError
from telemetry.format import canonical_base64
from telemetry.format.value.recipients import Wrap, parse_recipients, render_recipients
from telemetry.reader import DamagedRecord, OpenedEvent, RawRecord, RecordOpener, TrailReader
from telemetry.reader.open.recipient_wraps import MAX_WRAPS, RecipientWraps
from tests.services.sealed_records import (
    PRODUCERS,
    Sealer,
    assert_opens,
    assert_refused,
    attributes_of,
    flips,
    rewritten,
    unbounded,
)
from tests.services.stub_keys import StubKeys

PASSPHRASE = "correct horse battery staple"
EVENTS = 1_100
EVERY = 512


class Files:
    """A primary key, a second one, and a recovery key, each in a file."""

    def __init__(self, folder: Path) -> None:
        self.primary, self.second, self.private = folder / "primary", folder / "second", folder / "recovery"
        self.public = recovery_key.create(self.private, PASSPHRASE).public["public_key"]

    def local(self, path: Path, **fields: object) -> EncryptionProvider:
        config = {"provider": "local_key", "key_path": path, "passphrase": PASSPHRASE, **fields}
        return EncryptionProviderFactory.create(EncryptionConfig(**config))  # type: ignore[arg-type]

    def writer(self) -> EncryptionProvider:
        recipients = [{"key_path": self.second}, {"provider": "recovery_key", "public_key": self.public}]
        return self.local(self.primary, recipients=recipients)

    def recovery(self) -> EncryptionProvider:
        config = EncryptionConfig(provider="recovery_key", key_path=self.private, passphrase=PASSPHRASE)  # type: ignore[arg-type]
        return EncryptionProviderFactory.create(config)

    def reader(self, kind: str) -> EncryptionProvider:
        if kind == "recovery key":
            return self.recovery()
        if kind == "second key":
            # It is the reader's own key, and says that it is a recipient of the trail.
            return self.local(self.second, recipients=[{"provider": "recovery_key", "public_key": self.public}])
        return self.local(self.primary)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def trail(files: Files) -> list[RawRecord]:
    """Two processes, each with more than two names of its recipients."""
    with files.writer() as writer:
        sealers = [Sealer(writer, producer=producer) for producer in PRODUCERS]
        return [sealer.seal() for sealer in sealers for _ in range(EVENTS // 2)]


def names_recipients(record: RawRecord) -> bool:
    return b'"recipients":' in (record.value or b"")


def opened(provider: EncryptionProvider, records: list[RawRecord]) -> list[tuple[str, int]]:
    entries = list(TrailReader(records, provider=provider))
    assert all(isinstance(entry, OpenedEvent) for entry in entries), entries[0]
    return [(entry.event.producer, entry.event.sequence) for entry in entries if isinstance(entry, OpenedEvent)]


def test_few_records_name_the_recipients(trail: list[RawRecord]) -> None:
    naming = [number for number, record in enumerate(trail) if names_recipients(record)]
    assert naming[0] == 0
    assert EVENTS // 2 in naming
    assert len(naming) <= 2 * (1 + EVENTS // 2 // EVERY + 1)
    plain = [len(record.value or b"") for record in trail if not names_recipients(record)]
    assert sum(len(record.value or b"") for record in trail) < 1.01 * len(trail) * sum(plain) / len(plain)


@pytest.mark.parametrize("kind", ["primary key", "second key", "recovery key"])
def test_each_key_opens_the_whole_trail(files: Files, trail: list[RawRecord], kind: str) -> None:
    with files.reader(kind) as provider:
        assert len(set(opened(provider, trail))) == EVENTS


def test_lost_kek(files: Files, trail: list[RawRecord], tmp_path: Path) -> None:
    files.primary.rename(tmp_path / "lost")
    try:
        with files.reader("primary key") as provider:
            entry = next(iter(TrailReader(trail, provider=provider)))
            assert isinstance(entry, DamagedRecord)
            assert isinstance(entry.error, KeyNotFoundError)
        with files.recovery() as provider:
            assert len(set(opened(provider, trail))) == EVENTS
    finally:
        (tmp_path / "lost").rename(files.primary)


def test_record_that_names_the_wrap_comes_last(files: Files, trail: list[RawRecord]) -> None:
    moved = sorted(trail, key=names_recipients)
    with files.recovery() as provider:
        assert len(set(opened(provider, moved))) == EVENTS


def test_records_in_any_order(files: Files, trail: list[RawRecord]) -> None:
    shuffled = random.Random(7).sample(trail, len(trail))  # noqa: S311 - an order, not a secret
    with files.recovery() as provider:
        assert len(set(opened(provider, shuffled))) == EVENTS


def test_no_record_names_the_wrap(files: Files, trail: list[RawRecord]) -> None:
    rest = [record for record in trail if not names_recipients(record)]
    with files.recovery() as provider:
        entries = list(TrailReader(rest, provider=provider))
    assert len(entries) == len(rest)
    assert all(isinstance(entry, DamagedRecord) and isinstance(entry.error, WrapNotSeenError) for entry in entries)


def test_altered_recipients_are_found_out(files: Files, trail: list[RawRecord]) -> None:
    record = trail[0]
    text = attributes_of(record)["recipients"]
    wraps = parse_recipients(text)
    longer = wraps[0]._replace(wrapped=wraps[0].wrapped + b"\x00")
    altered = [render_recipients(each) for each in (wraps[:1], wraps[::-1], (longer, wraps[1]), (*wraps, wraps[0]))]
    with files.reader("primary key") as provider:
        opener = RecordOpener(provider)
        for forged in (*altered, text + " ", "", text.replace(" ", "  ", 1)):
            entry = opener.open(rewritten(record, recipients=forged))
            assert isinstance(entry, DamagedRecord)
            assert isinstance(entry.error, TamperedError), entry.error
        # Nor can they be moved to a record that does not name them, or be left out.
        plain = next(each for each in trail if not names_recipients(each))
        attributes = attributes_of(plain)
        value = {name: attributes[name] for name in list(attributes)[:6]} | {"recipients": text} | attributes
        forged_record = plain._replace(value=json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
        left_out = {name: text for name, text in attributes_of(record).items() if name != "recipients"}
        bare = record._replace(value=json.dumps(left_out, separators=(",", ":"), ensure_ascii=False).encode())
        # By the full decoder, and by the fast one as soon as it knows both heads.
        for _ in range(2):
            for each in (forged_record, bare):
                entry = opener.open(each)
                assert isinstance(entry, DamagedRecord)
                assert isinstance(entry.error, TamperedError)
            for each in (record, plain):
                assert isinstance(opener.open(each), OpenedEvent)


@pytest.mark.parametrize("kind", ["primary key", "recovery key"])
def test_every_byte_of_a_naming_record_flipped(files: Files, trail: list[RawRecord], kind: str) -> None:
    with files.reader(kind) as provider:
        opener = RecordOpener(provider, budget=unbounded())
        # With and without knowing the head: the fast decoder, and the full one.
        for _ in range(2):
            for altered in flips(trail[0]):
                assert_refused(opener, altered)
            assert_opens(opener, trail[0])


def test_planted_wraps_do_not_hide_the_genuine_one(files: Files, trail: list[RawRecord]) -> None:
    genuine = parse_recipients(attributes_of(trail[0])["recipients"])[1]
    planted = [
        rewritten(trail[0], recipients=render_recipients([Wrap(bytes([number]) * 81, genuine.key_uri)]))
        for number in range(1, MAX_WRAPS)
    ]
    with files.recovery() as provider:
        entries = list(TrailReader([*planted, *trail, *planted], provider=provider, patience=0.0))
    found = {(e.event.producer, e.event.sequence) for e in entries if isinstance(e, OpenedEvent)}
    assert len(found) == EVENTS


@pytest.mark.parametrize("is_remote", [False, True])
def test_flood_of_planted_wraps_hides_nothing(files: Files, trail: list[RawRecord], is_remote: bool) -> None:
    """Also where each try costs a call, as of a key service, and so a part of the budget."""
    uri = parse_recipients(attributes_of(trail[0])["recipients"])[1].key_uri
    planted = [
        rewritten(trail[0], recipients=render_recipients([Wrap(number.to_bytes(81, "big"), uri)]))
        for number in range(1, 40)
    ]
    with files.recovery() as provider:
        if is_remote:
            provider.costs_a_call = provider.admits  # type: ignore[method-assign]
        records = [*planted[:30], *trail, *planted[30:]]
        entries = list(TrailReader(records, provider=provider, patience=10.0))
    assert len(entries) == len(records)
    found = {(e.event.producer, e.event.sequence) for e in entries if isinstance(e, OpenedEvent)}
    assert len(found) == EVENTS


def test_wraps_are_bounded(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.reader.open.recipient_wraps.MAX_KEYS", 10)
    with files.recovery() as provider:
        uri = provider.generate_data_key({}).key_uri
        wraps = RecipientWraps(provider)
        wraps.add(b"foreign", (Wrap(b"x", "aws-kms://other"),))
        assert wraps.of(b"foreign") == ()
        refused, kept = Wrap(b"refused", uri), Wrap(b"kept", uri)
        wraps.refuse(b"kid", refused)
        wraps.add(b"kid", (refused, kept))
        assert wraps.of(b"kid") == (kept,)
        wraps.keep(b"kid", kept)
        wraps.add(b"kid", (Wrap(b"later", uri),))
        assert wraps.of(b"kid") == (kept,)
        for number in range(30):
            for wrapped in range(2 * MAX_WRAPS):
                wraps.add(b"kid-%d" % number, (Wrap(b"%d" % wrapped, uri),))
        assert wraps.of(b"kid-0") == ()
        assert [wrap.wrapped for wrap in wraps.of(b"kid-29")] == [b"%d" % n for n in range(15, 7, -1)]
        assert len(wraps.take_arrived()) <= 11
        assert wraps.take_arrived() == []


def test_recipient_that_is_away_is_left_out(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    class Away(StubKeys):
        def wrap(self, plaintext: bytes, context: object) -> Wrap:  # noqa: ARG002 - never answers
            message = "the second key service is away"
            raise KeyUnreachableError(message)

    with files.local(files.primary) as primary, files.recovery() as recovery:
        keys = ListedKeys(primary, recipients=[Away(), recovery])
        made = keys.generate_data_key({"service": "shop"})
        assert [wrap.key_uri.partition(":")[0] for wrap in made.recipients] == ["recovery-key"]
        assert "the second key service is away" in caplog.text
        # At the start it is a configuration that does not work.
        with pytest.raises(KeyUnreachableError):
            keys.check()


def test_wrap_for_another_context_does_not_open(files: Files) -> None:
    with files.writer() as writer, files.recovery() as recovery:
        mine, other = Sealer(writer).seal(), Sealer(writer, service="billing").seal()
        forged = rewritten(mine, recipients=attributes_of(other)["recipients"])
        opener = RecordOpener(recovery, budget=UnwrapBudget())
        entry = opener.open(forged)
        assert isinstance(entry, DamagedRecord)
        assert isinstance(opener.open(mine), OpenedEvent)


def test_attribute_in_other_forms() -> None:
    wrap = Wrap(b"wrapped", "a://key")
    text = render_recipients([wrap])
    assert parse_recipients(text) == (wrap,)
    long = canonical_base64.encode(bytes(20_000))
    for other in ("", " ", "a://key", f" {text}", f"{text} ", f"{text} a://b", "a://key d3JhcHBlZA", f"a://key {long}"):
        with pytest.raises(TamperedError):
            parse_recipients(other)
    with pytest.raises(TamperedError):
        parse_recipients(render_recipients([wrap] * 5))
