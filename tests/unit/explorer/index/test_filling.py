"""The index is filled from a topic, a store or a file, follows what arrives, and says what is wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.index import filling
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.filling import IndexFiller
from telemetry.explorer.index.opening import TrailOpening
from telemetry.explorer.index.search import Search
from telemetry.explorer.index.state import IndexState
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import ReadRange
from telemetry.reader.entry import Proven
from telemetry.reader.filters import EventFilter
from telemetry.reader.trust import TrustPolicy
from telemetry.sync import Telemetry
from telemetry.system.backoff import Backoff
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site
from tests.support.until import until

EVERYTHING = Search()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    """A KEK and a signing key."""
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def site(keys: KeyFiles, tmp_path: Path) -> Iterator[Site]:
    """A service with an empty topic."""
    with EmbeddedKafka(partitions=2) as kafka:
        yield Site(kafka, tmp_path, keys)


def trusting(site: Site) -> TrustPolicy:
    return TrustPolicy.of_keys([PublicKey.parse(site.keys.public_key)])


@contextmanager
def explored(opening: TrailOpening, **bounds: Any) -> Iterator[EventIndex]:
    """Yield an index while it is filled; try again soon where that fails."""
    index = EventIndex(**bounds)
    with IndexFiller(index, opening, pauses=Backoff(first=0.1, longest=0.1)):
        yield index


def filled(opening: TrailOpening, **bounds: Any) -> EventIndex:
    """Return an index when all that is there was read."""
    with explored(opening, **bounds) as index:
        until_filled(index)
        return index


def until_filled(index: EventIndex) -> None:
    until(lambda: is_filled(index.state), what="the index is filled", state=lambda: index.state)


def is_filled(state: IndexState) -> bool:
    return bool(state.read or state.has_ended) and not state.is_filling


def types(index: EventIndex, **arguments: Any) -> list[str]:
    given = {"with_content": True, "limit": 1_000, **arguments}
    return [row.event_type for row in index.search(EVERYTHING, **given).rows]


def verdicts(index: EventIndex) -> list[Proven]:
    return [row.proven for row in index.search(EVERYTHING, with_content=True, limit=1_000).rows]


class TestFilling:
    def test_topic_is_read_and_counted(self, site: Site) -> None:
        site.log(["login", "order_read", "logout"], self_audit=False)
        index = filled(TrailOpening(config=site.config(), follow=False))
        state = index.state

        assert types(index) == ["logout", "order_read", "login"]
        assert state.read == state.expected > 3  # checkpoints are records too
        assert (state.percent, state.indexed, state.problem, state.is_following) == (100, 3, None, False)
        assert index.counts(EVERYTHING, with_content=True).users.top == [("user-0", 1), ("user-1", 1), ("user-2", 1)]

    def test_events_that_arrive_later_appear(self, site: Site) -> None:
        site.log(["login"], self_audit=False)
        with explored(TrailOpening(config=site.config())) as index:
            until_filled(index)
            assert index.state.is_following
            site.log(["logout"], self_audit=False)

            until(lambda: types(index) == ["logout", "login"])

    def test_empty_topic_is_filled_at_once(self, site: Site) -> None:
        with explored(TrailOpening(config=site.config())) as index:
            until(lambda: index.state.is_following)

            assert index.state.indexed == 0
            assert index.overview(with_content=True).events == 0

    def test_sealed_index_needs_no_key(self, site: Site) -> None:
        site.log(["login"], self_audit=False)
        site.keys.kek.rename(site.folder / "gone")
        try:
            index = filled(TrailOpening(config=site.config(), follow=False, sealed=True))
        finally:
            (site.folder / "gone").rename(site.keys.kek)

        assert types(index) == ["login"]
        assert [row.is_opened for row in index.search(EVERYTHING, with_content=True).rows] == [False]
        assert not index.state.is_opened

    def test_opening_is_recorded_and_shown(self, site: Site) -> None:
        site.log(["login"], self_audit=False)
        opening = TrailOpening(config=site.config(read_audit="required"), reader="ada", reason="ticket 4711")
        with explored(opening) as index:
            until(lambda: index.access_log(with_content=True).total == 1)
            (row,) = index.access_log(with_content=True).rows
            event = index.event(row.event_id, with_content=True)[0].event

        assert event is not None
        assert (event.user_id, event.payload["program"], event.payload["reason"]) == (
            "ada",
            "telemetry explore",
            "ticket 4711",
        )

    def test_sealed_index_records_nothing(self, site: Site) -> None:
        site.log(["login"], self_audit=False)
        before = len(site.records())
        filled(TrailOpening(config=site.config(read_audit="required"), follow=False, sealed=True))

        assert len(site.records()) == before

    def test_fallback_store_is_read_too(self, site: Site) -> None:
        store = {"provider": "local_file", "base_path": site.folder / "fallback"}
        config = site.config(storage_config=store, kafka_timeout_ms=2_000, self_audit=False, fallback_enabled=True)
        site.log(["login"], self_audit=False)
        site.kafka.stop_brokers()
        with Telemetry(config) as telemetry:
            telemetry.audit.log("stored", {}, "ada")
        site.kafka.start_brokers()
        index = filled(TrailOpening(config=site.config(storage_config=store), fallback=True, follow=False))

        assert sorted(types(index)) == ["login", "stored"]
        assert {row.place.name is None for row in index.search(EVERYTHING, with_content=True).rows} == {True, False}

    def test_file_is_read_without_kafka(self, site: Site) -> None:
        site.log(["login", "logout"], self_audit=False)
        file = site.folder / "copy.jsonl"
        ended = site.run("export", "--sealed", "--out", str(file))
        assert ended.code == 0, ended.err
        site.kafka.stop_brokers()
        index = filled(TrailOpening(config=site.config(), file=file))

        assert types(index) == ["logout", "login"]
        assert not index.state.is_following

    def test_part_of_the_topic_is_read(self, site: Site) -> None:
        site.put(site.writer(1).run(10))
        opening = TrailOpening(config=site.config(), within=ReadRange(starts={0: 5, 1: 5}), follow=False)
        index = filled(opening, most=100)
        whole = filled(TrailOpening(config=site.config(), follow=False))

        assert 0 < index.state.indexed < whole.state.indexed == 10
        assert whole.overview(with_content=True).gaps == []
        # Events before the part are not absent.
        assert [gap for gap in index.overview(with_content=True).gaps if gap.first == 0] == []


class TestVerdicts:
    def test_pending_event_is_proven_by_its_checkpoint(self, site: Site) -> None:
        writer = site.writer(1)
        first = [writer.event("login"), writer.event("logout")]
        checkpoint = writer.checkpoint()
        site.put(first)
        with explored(TrailOpening(config=site.config(), trust=trusting(site))) as index:
            until_filled(index)
            assert verdicts(index) == [Proven.PENDING, Proven.PENDING]
            assert index.overview(with_content=True).pending == 2
            site.put([checkpoint])

            until(lambda: verdicts(index) == [Proven.YES, Proven.YES])
        assert index.overview(with_content=True).proven == 2

    def test_checkpoint_on_the_topic_proves_at_once(self, site: Site) -> None:
        site.put(site.writer(1).run(25))
        index = filled(TrailOpening(config=site.config(), trust=trusting(site), follow=False))

        assert set(verdicts(index)) == {Proven.YES}

    def test_without_trust_nothing_is_judged(self, site: Site) -> None:
        site.put(site.writer(1).run(3))
        index = filled(TrailOpening(config=site.config(), follow=False))

        assert set(verdicts(index)) == {Proven.NOT_JUDGED}

    def test_sealed_events_are_judged_too(self, site: Site) -> None:
        site.put(site.writer(1).run(5))
        index = filled(TrailOpening(config=site.config(), trust=trusting(site), follow=False, sealed=True))

        assert set(verdicts(index)) == {Proven.YES}

    def test_event_in_the_clear_is_foreign(self, site: Site) -> None:
        site.put(site.writer(1).run(3))
        site.log(["planted"], encryption_enabled=False, self_audit=False, signing_config=None, encryption_config=None)
        index = filled(TrailOpening(config=site.config(), trust=trusting(site), follow=False))

        assert "planted" not in types(index)
        assert index.search(Search(foreign=True), with_content=True).total == 4
        assert index.overview(with_content=True).foreign == 1


class TestFailures:
    def test_topic_that_comes_back_is_read(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        site.log(["login"], self_audit=False)
        site.kafka.stop_brokers()
        with (
            caplog.at_level(logging.CRITICAL),
            explored(TrailOpening(config=site.config(kafka_timeout_ms=2_000))) as index,
        ):
            until(lambda: index.state.problem)
            assert index.state.is_filling
            assert not index.state.has_ended
            site.kafka.start_brokers()

            until(lambda: types(index) == ["login"], state=lambda: index.state)
            until(lambda: index.state.is_following)
            assert index.state.problem is None

    def test_configuration_that_cannot_work_ends_it(self, site: Site) -> None:
        site.log(["login"], self_audit=False)
        (site.folder / "trust.toml").write_text("nothing")
        with explored(TrailOpening(config=site.config(trust_file=site.folder / "trust.toml"))) as index:
            until(lambda: index.state.has_ended)

        assert index.state.problem is not None
        assert "trust_file" in index.state.problem
        assert not index.state.is_opened
        assert (index.state.is_filling, index.state.is_following) == (False, False)

    def test_own_error_says_nothing_of_content(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fails(*_: object) -> None:
            raise ValueError(canary)

        canary = "canary"

        monkeypatch.setattr(filling, "Batch", fails)
        with caplog.at_level(logging.ERROR), explored(TrailOpening(config=site.config())) as index:
            until(lambda: index.state.has_ended)

        assert index.state.problem is not None
        assert canary not in index.state.problem
        assert canary not in caplog.text
        assert "ValueError at test_filling.py:" in caplog.text
        assert "ValueError" in index.state.problem

    def test_close_ends_a_filler_that_follows(self, site: Site) -> None:
        site.log(["login"], self_audit=False)
        index = EventIndex()
        filler = IndexFiller(index, TrailOpening(config=site.config()))
        filler.start()
        until_filled(index)
        before = time.monotonic()

        assert filler.close()
        assert time.monotonic() - before < 10
        until(
            lambda: not [each for each in threading.enumerate() if each.name in ("telemetry-index", "telemetry-read")]
        )
        assert types(index) == ["login"]

    def test_close_ends_a_filler_that_waits(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        site.kafka.stop_brokers()
        index = EventIndex()
        opening = TrailOpening(config=site.config(kafka_timeout_ms=1_000))
        filler = IndexFiller(index, opening, pauses=Backoff(first=3_600, longest=3_600))
        with caplog.at_level(logging.CRITICAL):
            filler.start()
            until(lambda: index.state.problem)

            assert filler.close()

    def test_key_that_is_not_listed_opens_nothing(self, site: Site, tmp_path: Path) -> None:
        site.put(site.writer(1).run(3))
        other = KeyFiles(tmp_path)
        config = site.config(encryption_config=other.encryption)
        index = filled(TrailOpening(config=config, follow=False))

        # A key that is not listed may be one that was forged: the record is damaged, as it is for every reader.
        assert index.state.damaged == 3
        assert {each.kind for each in index.overview(with_content=True).damaged} == {"KeyNotListedError"}

    def test_damage_is_counted_once_in_two_passes(self, site: Site) -> None:
        records = site.writer(1).run(3)
        site.put([*records, records[0]._replace(value=b"hello")])
        index = EventIndex()
        for _ in range(2):
            with IndexFiller(index, TrailOpening(config=site.config(), follow=False)):
                until_filled(index)

        assert (index.state.damaged, index.state.indexed, index.state.copies) == (1, 3, 0)


class TestOpening:
    @pytest.mark.parametrize(
        "changes",
        [
            {"topic": False},
            {"fallback": True},
            {"file": Path("copy.jsonl"), "within": ReadRange(last=3)},
        ],
    )
    def test_what_does_not_fit_is_refused(self, site: Site, changes: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError):
            TrailOpening(config=site.config(), **changes)

    def test_range_with_an_end_is_not_followed(self, site: Site) -> None:
        assert TrailOpening(config=site.config()).follows
        assert not TrailOpening(config=site.config(), within=ReadRange(end_offset=7)).follows
        assert not TrailOpening(config=site.config(), file=Path("copy.jsonl")).follows


def test_filter_reaches_content_of_the_topic(site: Site) -> None:
    site.log(["login", "logout"], self_audit=False)
    index = filled(TrailOpening(config=site.config(), follow=False))
    wanted = EventFilter(where=("payload.amount=1",))

    assert [row.event_type for row in index.search(Search(wanted=wanted), with_content=True).rows] == ["logout"]
