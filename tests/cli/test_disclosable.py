"""Disclosable events on a topic: auditors' commands read them as before, and single ones are shown to others without a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import TamperedError
from telemetry.format.proof.inclusion import verify_proof
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.disclosure import Disclosure, verify_disclosure
from telemetry.reader import OpenedEvent, TrailReader
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site
from tests.support.until import until

CANARY = "diagnosis-K70.3"
RELAY: dict[str, Any] = {"relay_only": True, "encryption_config": None}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def kafka() -> Iterator[ExitStack]:
    """What ends the broker: tests whose auditors are offline close it themselves."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def site(kafka: ExitStack, keys: KeyFiles, tmp_path: Path) -> Site:
    return Site(kafka.enter_context(EmbeddedKafka(partitions=1)), tmp_path, keys)


def disclosed(site: Site) -> dict[str, tuple[bytes, Disclosure | None]]:
    """Return value and disclosure of each event on the topic, by event id, as someone with the key reads them."""
    reader = TrailReader(site.records(), provider=site.keys.provider)
    try:
        opened = [entry for entry in reader if isinstance(entry, OpenedEvent)]
        return {entry.event.id: (entry.raw.value or b"", reader.disclose(entry)) for entry in opened}
    finally:
        reader.close()


def lines(site: Site, *options: str) -> list[dict[str, Any]]:
    ended = site.run("tail", "--json", *options)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_setting_may_change_between_two_processes(site: Site) -> None:
    for disclosable in (False, True, False):
        site.log(["visit", CANARY], disclosable=disclosable, hide_event_type=True)

    events = lines(site, "--public-key", site.keys.public_key)
    assert [event["event_type"] for event in events] == ["visit", CANARY] * 3
    assert {event["proven"] for event in events} == {"yes"}
    assert [disclosure is not None for _, disclosure in disclosed(site).values()] == [False] * 2 + [True] * 2 + [
        False
    ] * 2
    verified = site.verify()
    assert (verified.code, verified.verdict) == (0, "complete"), verified


def test_content_is_confirmed_offline_with_public_keys(site: Site, kafka: ExitStack, tmp_path: Path) -> None:
    site.log(["visit", CANARY, "visit"], disclosable=True, hide_event_type=True)
    event_id = lines(site, "--type", CANARY)[0]["id"]
    proof = tmp_path / "proof.json"
    proved = site.run("prove", event_id, "--public-key", site.keys.public_key, "--out", str(proof))
    assert proved.code == 0, proved.err
    _, disclosure = disclosed(site)[event_id]
    assert disclosure is not None
    kafka.close()

    proven = verify_proof(proof.read_bytes(), [PublicKey.parse(site.keys.public_key)])
    event = verify_disclosure(proven.value, disclosure)

    assert (event.id, event.event_type, event.payload) == (event_id, CANARY, {"amount": 1})
    with pytest.raises(TamperedError, match="is not what was logged"):
        verify_disclosure(proven.value, Disclosure(disclosure.plaintext.replace(b'"amount":1', b'"amount":7')))


def test_topic_shows_no_more_than_a_hash(site: Site) -> None:
    site.log([CANARY] * 3, disclosable=True, hide_event_type=True)

    values = [record.value or b"" for record in site.records()]
    committed = [json.loads(value)["commitment"] for value in values if b'"commitment":' in value]
    assert len(set(committed)) == 3
    assert not [value for value in values if CANARY.encode() in value or b'"salt"' in value]


def test_commands_print_no_salt(site: Site, tmp_path: Path) -> None:
    site.log(["visit"] * 2, disclosable=True)
    disclosures = [disclosure for _, disclosure in disclosed(site).values() if disclosure is not None]
    salts = [json.loads(disclosure.plaintext)["salt"] for disclosure in disclosures]
    event_id = next(iter(disclosed(site)))
    file = tmp_path / "export.jsonl"

    ended = [
        site.run("tail"),
        site.run("tail", "--json"),
        site.run("lineage", event_id, "--json"),
        site.run("export", "--out", str(file)),
    ]
    assert [each.code for each in ended] == [0] * 4
    printed = [*(str(each.out) + str(each.err) for each in ended), file.read_text()]
    assert len(set(salts)) == 2
    assert not [text for text in printed for salt in salts if salt in text]
    assert "visit" in printed[-1]


def test_relayed_rows_are_disclosed(site: Site) -> None:
    with Telemetry(site.config(disclosable=True)) as telemetry:
        rows = [telemetry.audit.seal(CANARY, {"n": number}, "ada").data for number in range(3)]
    with Telemetry(site.config(**RELAY)) as relay:
        for row in rows:
            relay.audit.relay(row)

    shown = disclosed(site)
    events = [verify_disclosure(value, disclosure) for value, disclosure in shown.values() if disclosure is not None]
    assert [(event.event_type, event.payload["n"], event.sequence) for event in events] == [
        (CANARY, number, number) for number in range(3)
    ]
    assert site.verify().code == 0


def test_events_of_other_services_are_disclosed(site: Site) -> None:
    with Telemetry(site.config(disclosable=True, shared_streams={})) as telemetry:
        telemetry.audit.on_behalf_of("billing").log("invoice", {"n": 1}, "ada")
        telemetry.audit.log("visit", {"n": 2}, "ada")

    events = [
        verify_disclosure(value, disclosure) for value, disclosure in disclosed(site).values() if disclosure is not None
    ]
    assert {(event.service_name, event.event_type) for event in events} == {
        ("billing", "invoice"),
        ("payments", "visit"),
    }


@pytest.mark.parametrize("object_format", [1, 2])
def test_replayed_events_are_disclosed(site: Site, tmp_path: Path, object_format: int) -> None:
    stored: dict[str, Any] = {
        "disclosable": True,
        "fallback_enabled": True,
        "fallback_object_format": object_format,
        "storage_config": {"provider": "local_file", "base_path": str(tmp_path / "store")},
    }
    away: dict[str, Any] = {"kafka_brokers": "127.0.0.1:1", "kafka_timeout_ms": 50, "max_retries": 0}
    telemetry = Telemetry(site.config(**stored, **away))
    telemetry.start()
    telemetry.audit.log(CANARY, {"n": 1}, "ada")
    assert telemetry.shutdown().stored == 1
    assert not disclosed(site)

    with Telemetry(site.config(**stored)):
        until(lambda: len(disclosed(site)) == 1)

    ((value, disclosure),) = disclosed(site).values()
    assert disclosure is not None
    assert verify_disclosure(value, disclosure).event_type == CANARY
